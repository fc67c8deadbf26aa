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
  readonly usage: PendingUsage
  /** The transaction whose commit was not acknowledged when the connection was lost. It may have committed or not. */
  transaction: string | undefined
}

const decodeTransaction = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ transaction: Schema.String })]))

/** The usage of all users: in the table `usage_tracking`, and in memory until it has been written there exactly once. */
export const makeLedger = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const semaphore = Semaphore.makeUnsafe(1)
  let pending = new PendingUsage()
  let unwritten: Batch | undefined

  // By the primary key and in its order, so that processes that write for the same users cannot deadlock. Usage of accounts
  // that have been deleted is dropped.
  const insert = (rows: PendingUsage["rows"]) =>
    sql`
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
    SELECT pg_current_xact_id()::text AS transaction`.pipe(Effect.flatMap(decodeTransaction))

  const statusOf = SqlSchema.findOne({
    Request: Schema.String,
    Result: Schema.Struct({ status: Schema.NullOr(Schema.String) }),
    execute: (transaction) => sql`SELECT pg_xact_status(${transaction}::xid8) AS status`
  })

  /** Whether a batch was written by a transaction whose commit was not acknowledged. */
  const isWritten = Effect.fnUntraced(function* ({ transaction }: Batch) {
    if (transaction === undefined) return false
    const { status } = yield* statusOf(transaction)
    if (status === "in progress") return yield* new DatabaseUnavailable()
    return status !== "aborted"
  })

  const settle = Effect.gen(function* () {
    const batch = unwritten
    if (batch === undefined) return
    if (!(yield* isWritten(batch))) {
      batch.transaction = undefined
      yield* insert(batch.usage.rows).pipe(
        Effect.tap(([{ transaction }]) => Effect.sync(() => void (batch.transaction = transaction))),
        inTransaction(sql)
      )
    }
    unwritten = undefined
  })

  const flush = Effect.gen(function* () {
    yield* settle
    if (pending.isEmpty) return
    unwritten = { usage: pending, transaction: undefined }
    pending = new PendingUsage()
    yield* settle
  }).pipe(
    catchDatabaseErrors,
    Effect.catchDefect((defect) => {
      unwritten = undefined
      return log.error("The usage of a few seconds is lost, because it cannot be written", defect)
    }),
    semaphore.withPermits(1)
  )

  // By the primary key. Its row lock makes simultaneous requests of a user count one after the other, in all processes.
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
        addTo(tally, unwritten?.usage.of(period, user) ?? {})
        addTo(tally, pending.of(period, user))
        return tally
      }),
      catchDatabaseErrors,
      // Keeps a flush from moving usage from memory to the table in between.
      semaphore.withPermits(1)
    )

  return {
    add: (period: Period, user: UserId, amounts: Partial<Tally>) => pending.add(period, user, amounts),
    /** Writes the pending usage. After a failure, the next flush writes it. */
    flush,
    /** Counts one more in the current transaction, unless that exceeds `limit`. Returns whether it did. */
    spend,
    /** The usage of a user, including the counts that are pending in this process. */
    tallyOf
  }
})
