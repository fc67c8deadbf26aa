import { DateTime, Effect, Schema, Semaphore } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { inTransaction } from "../database/Transaction.ts"
import { logOf } from "../platform/Log.ts"
import { DatabaseUnavailable } from "../contract/Problem.ts"
import { daysOf, PendingUsage } from "./PendingUsage.ts"
import { addTo, emptyTally, metrics, metricTypes, type Metric, type Period, type Tally } from "../contract/Metric.ts"

const log = logOf("xfchat/usage")

interface Batch {
  readonly gathered: PendingUsage
  /** The transaction that was about to commit when the database was heard of last: whether it did is not known. */
  transaction: string | undefined
}

/** What users have used: in the table `usage_tracking`, and in memory until it is written there, once. */
export const makeLedger = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const semaphore = Semaphore.makeUnsafe(1)
  let gathered = new PendingUsage()
  let unwritten: Batch | undefined

  // By the primary key and in its order: processes that write for the same users wait for each other one way only. Who is
  // gone meanwhile has used nothing.
  const insert = (rows: PendingUsage["rows"]) => sql<{ transaction: string }>`
    WITH written AS (
      INSERT INTO usage_tracking (user_id, metric_type, count, period_start, period_end)
      SELECT u.id, i.metric_type, i.amount, i.period_start, i.period_end
      FROM unnest(
        ${rows.map(({ user }) => user)}::uuid[], ${rows.map(({ metricType }) => metricType)}::text[],
        ${rows.map(({ amount }) => BigInt(amount))}::bigint[], ${rows.map(({ periodStart }) => periodStart)}::date[],
        ${rows.map(({ periodEnd }) => periodEnd)}::date[]
      ) AS i (user_id, metric_type, amount, period_start, period_end)
      JOIN users u ON u.id = i.user_id AND u.deleted_at IS NULL
      ORDER BY u.id, i.metric_type, i.period_start
      ON CONFLICT (user_id, metric_type, period_start) DO UPDATE
      SET count = coalesce(usage_tracking.count, 0) + excluded.count, updated_at = now()
    )
    SELECT pg_current_xact_id()::text AS transaction`

  /** Whether a batch was written by a transaction whose commit nobody answered. */
  const isWritten = Effect.fnUntraced(function* ({ transaction }: Batch) {
    if (transaction === undefined) return false
    const [row] = yield* sql<{ status: string }>`SELECT pg_xact_status(${transaction}::xid8) AS status`
    if (row?.status === "in progress") return yield* new DatabaseUnavailable()
    return row?.status !== "aborted"
  })

  const settle = Effect.gen(function* () {
    const batch = unwritten
    if (batch === undefined) return
    if (!(yield* isWritten(batch))) {
      batch.transaction = undefined
      yield* insert(batch.gathered.rows).pipe(
        Effect.tap(([row]) => Effect.sync(() => void (batch.transaction = row?.transaction))),
        inTransaction(sql)
      )
    }
    unwritten = undefined
  })

  const flush = Effect.gen(function* () {
    yield* settle
    if (gathered.isEmpty) return
    unwritten = { gathered, transaction: undefined }
    gathered = new PendingUsage()
    yield* settle
  }).pipe(
    catchDatabaseErrors,
    Effect.catchDefect((defect) => {
      unwritten = undefined
      return log.error("Usage of a few seconds is lost: it cannot be written", defect)
    }),
    semaphore.withPermits(1)
  )

  // By the primary key. Those who count up the same row wait for each other, in whatever process.
  const spend = (period: Period, user: UserId, metric: Metric, limit: number) => {
    const { periodEnd, periodStart } = daysOf(period)
    return Effect.map(
      sql`
        INSERT INTO usage_tracking AS t (user_id, metric_type, count, period_start, period_end)
        SELECT ${user}, ${metricTypes[metric]}, 1, ${periodStart}::date, ${periodEnd}::date WHERE ${limit}::int > 0
        ON CONFLICT (user_id, metric_type, period_start) DO UPDATE SET count = coalesce(t.count, 0) + 1, updated_at = now()
        WHERE coalesce(t.count, 0) < ${limit}::int RETURNING user_id`,
      (rows) => rows.length > 0
    )
  }

  // By the primary key.
  const find = SqlSchema.findAll({
    Request: Schema.Struct({ user: UserId, start: Schema.String }),
    Result: Schema.Struct({ metricType: Schema.String, count: Schema.Int }),
    execute: ({ start, user }) => sql`
      SELECT metric_type AS "metricType", coalesce(count, 0) AS count
      FROM usage_tracking WHERE user_id = ${user} AND period_start = ${start}::date`
  })

  const tallyOf = (period: Period, user: UserId) =>
    find({ user, start: DateTime.formatIsoDateUtc(period.start) }).pipe(
      Effect.map((rows) => {
        const written = new Map(rows.map(({ count, metricType }) => [metricType, count]))
        const tally = emptyTally()
        for (const metric of metrics) tally[metric] = written.get(metricTypes[metric]) ?? 0
        addTo(tally, unwritten?.gathered.of(period, user) ?? {})
        addTo(tally, gathered.of(period, user))
        return tally
      }),
      catchDatabaseErrors,
      // Nothing is on its way from one to the other meanwhile.
      semaphore.withPermits(1)
    )

  return {
    add: (period: Period, user: UserId, amounts: Partial<Tally>) => gathered.add(period, user, amounts),
    /** Writes what there is to write. What fails is written with the next. */
    flush,
    /** Counts one more at once, in the transaction that it is called in, unless there are `limit` already. Says whether it did. */
    spend,
    /** What a user has used, as far as it is written or in memory here. */
    tallyOf
  }
})
