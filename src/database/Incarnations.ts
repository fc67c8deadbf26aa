import { Context, Effect, Layer, Schema, Semaphore } from "effect"
import { SqlClient, SqlError, SqlSchema } from "effect/sql"
import { randomBytes } from "node:crypto"
import { logOf } from "../platform/Log.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { catchDatabaseErrors, sqlState } from "./DatabaseErrors.ts"
import { firstIncarnation, Incarnation } from "../contract/Incarnation.ts"

const log = logOf("xfchat/database")

const newIncarnation = () => Incarnation.make(randomBytes(6).toString("hex"))

/** SQLSTATEs with which a managed PostgreSQL keeps its WAL to itself: no right, no such feature, no such function. */
const isKept = (error: SqlError.SqlError) => /^(42501|0A000|42883)$/.test(sqlState(error.reason.cause) ?? "")

/**
 * Has another incarnation begin at the next look of any server, since a version from before stands for something else now:
 * for what writes logs from elsewhere.
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
     * The incarnation now, after a look whether history was lost: the WAL is on another timeline or shorter than this
     * process has seen it, or the row that says so was copied here from another database.
     */
    readonly check: Effect.Effect<Incarnation, DatabaseUnavailable>
    /** Begins another incarnation than `lost`, whose commits are known to be gone; nothing if one has begun. */
    readonly replace: (lost: Incarnation) => Effect.Effect<Incarnation, DatabaseUnavailable>
    /** The incarnation that the last look found. */
    readonly latest: () => Incarnation
  }
>()("xfchat/database/Incarnations") {
  static readonly layer = Layer.effect(
    Incarnations,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const looking = Semaphore.makeUnsafe(1)
      let seesWal = true
      // How far the WAL was on disk, which no crash takes back, and in which incarnation.
      let seen: { readonly incarnation: Incarnation; readonly flushed: number } | undefined
      let latest = firstIncarnation

      /** The row was copied, or what it was written in is not where the database is now. */
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
        // By pg_database_datname_index; database_incarnation has one row. It is written only where that says something new.
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
      // Before anybody is answered. A database that is away at this moment is looked at again soon.
      yield* Effect.catchTag(check, "DatabaseUnavailable", () => log.warning("The look for lost commits is delayed"))
      return Incarnations.of({ check, replace: find, latest: () => latest })
    })
  )
}
