import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule } from "effect"
import * as Database from "../../src/database/Database.ts"
import { UserId } from "../../src/contract/Account.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { makeLedger } from "../../src/usage/Ledger.ts"
import { periodOf } from "../../src/contract/Metric.ts"
import { newId } from "../world.ts"
import { connection } from "../process/database.ts"
import { proxy } from "../process/tcp.ts"

const [november, december] = ["2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z"].map((time) => periodOf(Date.parse(time)))
const [ada, grace] = [UserId.make(newId()), UserId.make(newId())]

const often = Schedule.spaced("20 millis")

/** A ledger behind a proxy, on a database whose transactions with usage wait for the test before they commit. */
const world = Effect.gen(function* () {
  const [sql, holder] = yield* Effect.all([connection, connection])
  yield* sql`
    INSERT INTO users (id, username, email, password_hash)
    VALUES (${ada}, 'ada', 'ada@example.com', ''), (${grace}, 'grace', 'grace@example.com', '')`
  yield* sql`
    CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NULL; END $$`.unprepared
  yield* sql`
    CREATE CONSTRAINT TRIGGER wait_for_test AFTER INSERT OR UPDATE ON usage_tracking
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_test()`.unprepared

  const between = yield* Effect.flatMap(TestDatabase, ({ url }) => proxy(url))
  const ledger = yield* Effect.provide(makeLedger, yield* Layer.build(Database.layerUnchecked({ url: between.url })))
  // Both on one connection: a client of this kind has no other.
  const held = yield* holder.reserve
  const hold = held.execute("SELECT pg_advisory_lock(42)", [], undefined)
  const release = held.execute("SELECT pg_advisory_unlock(42)", [], undefined)

  const waiting = sql<{ pid: number }>`
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
  const rows = sql`
    SELECT user_id, metric_type, count::int, period_start::text AS month FROM usage_tracking
    ORDER BY period_start, user_id = ${grace}, metric_type`
  return {
    sql,
    between,
    ledger,
    hold,
    release,
    rows,
    /** Waits until a transaction is about to commit, and returns the process that serves it. */
    committing: Effect.repeat(waiting, { until: ({ length }) => length > 0, schedule: often }).pipe(
      Effect.map(([row]) => row?.pid ?? 0)
    ),
    /** Waits until there is something in the table. */
    written: Effect.repeat(rows, { until: ({ length }) => length > 0, schedule: often })
  }
})

const row = (user: UserId, metric_type: string, count: number, month = "2026-11-01") => ({
  user_id: user,
  metric_type,
  count,
  month
})

describe("Counted usage", () => {
  it.live("is written in the month in which it was counted", () =>
    Effect.gen(function* () {
      const { ledger, rows } = yield* world
      ledger.add(november!, ada, { requests: 1 })
      ledger.add(december!, ada, { requests: 2, messagesSent: 1 })
      ledger.add(november!, grace, { requests: 3 })
      ledger.add(november!, ada, { requests: 4 })
      assert.strictEqual((yield* ledger.tallyOf(november!, ada)).requests, 5)
      yield* ledger.flush
      assert.strictEqual((yield* ledger.tallyOf(november!, ada)).requests, 5)
      assert.deepStrictEqual(yield* rows, [
        row(ada, "requests", 5),
        row(grace, "requests", 3),
        row(ada, "messages_sent", 1, "2026-12-01"),
        row(ada, "requests", 2, "2026-12-01")
      ])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("is not written for an account that has been deleted", () =>
    Effect.gen(function* () {
      const { ledger, rows, sql } = yield* world
      yield* sql`UPDATE users SET deleted_at = now() WHERE id = ${ada}`
      ledger.add(november!, ada, { requests: 1 })
      ledger.add(november!, grace, { requests: 1 })
      yield* ledger.flush
      assert.deepStrictEqual(yield* rows, [row(grace, "requests", 1)])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("waits in memory while the database is away", () =>
    Effect.gen(function* () {
      const { between, ledger, rows } = yield* world
      ledger.add(november!, ada, { requests: 1 })
      yield* between.breakDown
      assert.strictEqual((yield* Effect.flip(ledger.flush))._tag, "DatabaseUnavailable")
      ledger.add(november!, ada, { requests: 2 })
      assert.strictEqual((yield* Effect.flip(ledger.flush))._tag, "DatabaseUnavailable")
      yield* between.recover
      yield* Effect.retry(ledger.flush, often)
      assert.deepStrictEqual(yield* rows, [row(ada, "requests", 3)])
      assert.strictEqual((yield* ledger.tallyOf(november!, ada)).requests, 3)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("is written once when the answer to its commit is lost", () =>
    Effect.gen(function* () {
      const { between, committing, hold, ledger, release, rows, written } = yield* world
      ledger.add(november!, ada, { requests: 1 })
      yield* hold
      const flush = yield* Effect.forkChild(Effect.flip(ledger.flush))
      yield* committing
      yield* between.breakDown
      assert.strictEqual((yield* Fiber.join(flush))._tag, "DatabaseUnavailable")
      yield* between.recover

      // It is not known yet whether it was written.
      ledger.add(november!, ada, { requests: 2 })
      assert.strictEqual((yield* Effect.flip(ledger.flush))._tag, "DatabaseUnavailable")
      yield* release
      assert.deepStrictEqual(yield* written, [row(ada, "requests", 1)])
      yield* ledger.flush
      assert.deepStrictEqual(yield* rows, [row(ada, "requests", 3)])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("is written again when its commit failed", () =>
    Effect.gen(function* () {
      const { committing, hold, ledger, release, rows, sql } = yield* world
      ledger.add(november!, ada, { requests: 1 })
      yield* hold
      const flush = yield* Effect.forkChild(Effect.flip(ledger.flush))
      const pid = yield* committing
      yield* sql`SELECT pg_terminate_backend(${pid})`
      assert.strictEqual((yield* Fiber.join(flush))._tag, "DatabaseUnavailable")
      yield* release
      yield* Effect.retry(ledger.flush, often)
      assert.deepStrictEqual(yield* rows, [row(ada, "requests", 1)])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("is dropped if it can never be written, and later usage is written", () =>
    Effect.gen(function* () {
      const { ledger, rows, sql } = yield* world
      yield* sql`ALTER TABLE usage_tracking ADD CONSTRAINT few CHECK (count < 10)`.unprepared
      ledger.add(november!, ada, { requests: 11 })
      yield* ledger.flush
      ledger.add(november!, ada, { requests: 1 })
      yield* ledger.flush
      assert.deepStrictEqual(yield* rows, [row(ada, "requests", 1)])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
