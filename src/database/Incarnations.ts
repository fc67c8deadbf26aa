import { Context, Effect, Layer, Schema, Semaphore } from "effect"
import { SqlClient, SqlError, SqlSchema } from "effect/sql"
import { randomBytes } from "node:crypto"
import { logOf } from "../platform/Log.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { catchDatabaseErrors, sqlState } from "./DatabaseErrors.ts"
import { firstIncarnation, Incarnation } from "../contract/Incarnation.ts"

const log = logOf("xfchat/database")

const newIncarnation = () => Incarnation.make(randomBytes(6).toString("hex"))

/** SQLSTATEs with which a managed PostgreSQL hides its WAL: no privilege, no such feature, no such function. */
const isKept = (error: SqlError.SqlError) => /^(42501|0A000|42883)$/.test(sqlState(error.reason.cause) ?? "")

/**
 * Makes the next check of any server begin another incarnation, because earlier versions now mean something else: for programs
 * that write logs from elsewhere.
 */
export const endIncarnation = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`UPDATE database_incarnation SET written = '0'`
)

/**
 * Notices when the database has lost commits: it was restored to an earlier moment, or a replica took over that did not
 * have them. A loss begins another {@link Incarnation}, once for all processes.
 */
export class Incarnations extends Context.Service<
  Incarnations,
  {
    /**
     * Checks whether commits were lost, and returns the current incarnation. They were if the WAL is on another timeline or
     * shorter than this process has seen it, or if the row with the incarnation was copied from another database.
     */
    readonly check: Effect.Effect<Incarnation, DatabaseUnavailable>
    /** Begins another incarnation than `lost`, some of whose commits are gone, unless one has begun already. */
    readonly replace: (lost: Incarnation) => Effect.Effect<Incarnation, DatabaseUnavailable>
    /** The incarnation that the last check found. */
    readonly latest: () => Incarnation
  }
>()("xfchat/database/Incarnations") {
  static readonly layer = Layer.effect(
    Incarnations,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const looking = Semaphore.makeUnsafe(1)
      let seesWal = true
      // The position up to which the WAL was on disk, which no crash reverts, and the incarnation then.
      let seen: { readonly incarnation: Incarnation; readonly flushed: number } | undefined
      let latest = firstIncarnation

      /** Whether the row was copied, or was written in another database or on another timeline. */
      const isElsewhere = sql`
        (i.xmin <> i.written::xid OR i.database <> now.database OR i.timeline <> now.timeline)`

      const look = SqlSchema.findOne({
        Request: Schema.Struct({
          fresh: Incarnation,
          lost: Schema.NullOr(Incarnation),
          known: Schema.NullOr(Incarnation),
          flushed: Schema.NullOr(Schema.Int)
        }),
        Result: Schema.Struct({ incarnation: Incarnation, flushed: Schema.NullOr(Schema.Int) }),
        // By pg_database_datname_index; database_incarnation has one row. The row is written only if it changes.
        execute: ({ flushed, fresh, known, lost }) => {
          const isLost = sql`
            (i.written IS NOT NULL AND ${isElsewhere} IS TRUE OR i.incarnation = ${lost}::text
              OR i.incarnation = ${known}::text AND now.flushed < ${flushed}::bigint)`
          return sql`
            WITH now AS (
              SELECT oid AS database,
                ${seesWal ? sql`left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)` : sql`NULL::text`} AS timeline,
                ${seesWal ? sql`(pg_current_wal_flush_lsn() - '0/0')::bigint` : sql`NULL::bigint`} AS flushed
              FROM pg_database WHERE datname = current_database()
            ), first AS (
              INSERT INTO database_incarnation (incarnation, database, timeline, written)
              SELECT ${fresh}, database, timeline, pg_current_xact_id() FROM now
              WHERE NOT EXISTS (SELECT FROM database_incarnation)
              RETURNING incarnation
            ), next AS (
              UPDATE database_incarnation i SET incarnation = CASE WHEN ${isLost} THEN ${fresh} ELSE i.incarnation END,
                database = now.database, timeline = coalesce(now.timeline, i.timeline), written = pg_current_xact_id()
              FROM now
              WHERE i.written IS NULL OR i.timeline IS NULL AND now.timeline IS NOT NULL OR ${isLost}
              RETURNING i.incarnation
            )
            SELECT coalesce((SELECT incarnation FROM first), (SELECT incarnation FROM next),
              (SELECT incarnation FROM database_incarnation)) AS incarnation, now.flushed FROM now`
        }
      })

      const lookFor = (lost: Incarnation | undefined): ReturnType<typeof look> =>
        Effect.suspend(() =>
          look({
            fresh: newIncarnation(),
            lost: lost ?? null,
            known: seen?.incarnation ?? null,
            flushed: seen?.flushed ?? null
          })
        ).pipe(
          Effect.catchIf(
            (error) => seesWal && SqlError.isSqlError(error) && isKept(error),
            () => {
              seesWal = false
              return Effect.andThen(
                log.info(
                  "PostgreSQL does not show its WAL: a replica that takes over is noticed by shorter logs alone"
                ),
                lookFor(lost)
              )
            }
          )
        )

      const find = Effect.fnUntraced(
        function* (lost: Incarnation | undefined) {
          const { flushed, incarnation } = yield* lookFor(lost)
          if (seen !== undefined && incarnation !== latest) {
            yield* log.warning("The database has lost commits: clients get a snapshot when they resume", incarnation)
          }
          seen = { incarnation, flushed: flushed ?? 0 }
          latest = incarnation
          return incarnation
        },
        catchDatabaseErrors,
        looking.withPermits(1)
      )

      const check = find(undefined)
      // Before any request is answered. If the database is unavailable at this moment, the next check comes soon.
      yield* Effect.catchTag(check, "DatabaseUnavailable", () => log.warning("The check for lost commits is delayed"))
      return Incarnations.of({ check, replace: find, latest: () => latest })
    })
  )
}
