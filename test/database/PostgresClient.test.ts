import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import * as Database from "../../src/database/Database.ts"
import { catchDatabaseErrors } from "../../src/database/DatabaseErrors.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { connection, having } from "../process/database.ts"
import { proxy } from "../process/tcp.ts"

const clientWith = (options: Partial<Database.DatabaseOptions> = {}) =>
  Effect.gen(function* () {
    const { url } = yield* TestDatabase
    return Context.get(yield* Layer.build(Database.layerUnchecked({ url, ...options })), SqlClient.SqlClient)
  })

const often = Schedule.spaced("20 millis")

const backend = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`, ([row]) => row?.pid)

const reasonOf = <A, E, R>(statement: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(statement), (error) => (SqlError.isSqlError(error) ? error.reason._tag : error))

/** Takes a connection as a whole until it is released. */
const hold = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  const [held, released] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const holder = yield* Effect.forkChild(
    sql.withTransaction(Effect.andThen(Deferred.succeed(held, undefined), Deferred.await(released)))
  )
  yield* Deferred.await(held)
  return Effect.andThen(Deferred.succeed(released, undefined), Fiber.join(holder))
})

describe("a connection", () => {
  it.live("is awaited while all are busy, but not for ever", () =>
    Effect.gen(function* () {
      const sql = yield* clientWith({ maxConnections: 1, acquireTimeout: Duration.millis(200) })
      // Opening a connection may take longer than the wait.
      yield* backend(sql)
      const release = yield* hold(sql)
      assert.strictEqual(yield* reasonOf(sql`SELECT 1`), "ConnectionError")
      assert.strictEqual(yield* reasonOf(sql.withTransaction(sql`SELECT 1`)), "ConnectionError")
      const waiting = yield* Effect.forkChild(sql`SELECT 1 AS one`, { startImmediately: true })
      yield* release
      assert.deepStrictEqual(yield* Fiber.join(waiting), [{ one: 1 }])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("is replaced when it is old, also while it is used all the time", () =>
    Effect.gen(function* () {
      const sql = yield* clientWith({ maxConnections: 1, lifetime: Duration.seconds(1) })
      const first = yield* backend(sql)
      yield* Effect.repeat(backend(sql), { until: (pid) => pid !== first, schedule: often })
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("that nobody uses is closed", () =>
    Effect.gen(function* () {
      const sql = yield* clientWith({ idleTimeout: Duration.seconds(1) })
      const pid = yield* backend(sql)
      const other = yield* connection
      yield* Effect.repeat(other`SELECT FROM pg_stat_activity WHERE pid = ${pid}::int`, {
        until: (rows) => rows.length === 0,
        schedule: often
      })
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("has no prepared statements and no time-outs behind a transaction pooler", () =>
    Effect.gen(function* () {
      const seen = (pooler: "none" | "transaction") =>
        Effect.gen(function* () {
          const sql = yield* clientWith({ pooler, maxConnections: 1, statementTimeout: Duration.seconds(15) })
          yield* sql`SELECT 1`
          const [row] = yield* sql`
            SELECT (SELECT count(*)::int FROM pg_prepared_statements WHERE statement = 'SELECT 1') AS prepared,
              current_setting('statement_timeout') AS timeout`
          return row
        }).pipe(Effect.scoped)
      assert.deepStrictEqual(yield* seen("none"), { prepared: 1, timeout: "15s" })
      assert.deepStrictEqual(yield* seen("transaction"), { prepared: 0, timeout: "0" })
    }).pipe(Effect.provide(TestDatabase.layer))
  )
})

describe("a statement", () => {
  it.live("that takes too long is ended by PostgreSQL, and its connection stays in use", () =>
    Effect.gen(function* () {
      const sql = yield* clientWith({ maxConnections: 1, statementTimeout: Duration.millis(200) })
      const pid = yield* backend(sql)
      assert.strictEqual(yield* reasonOf(sql`SELECT pg_sleep(60)`), "StatementTimeoutError")
      assert.strictEqual(yield* backend(sql), pid)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("that waits too long for a lock is ended, too, and nothing else fails with it", () =>
    Effect.gen(function* () {
      const sql = yield* clientWith({ statementTimeout: Duration.millis(200) })
      yield* having("CREATE TABLE things (n int)")
      const [locked, released] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const other = yield* connection
      const holder = yield* other`LOCK TABLE things`.pipe(
        Effect.andThen(Deferred.succeed(locked, undefined)),
        Effect.andThen(Deferred.await(released)),
        other.withTransaction,
        Effect.forkChild
      )
      yield* Deferred.await(locked)
      const insert = sql.withTransaction(sql`INSERT INTO things VALUES (1)`)
      assert.strictEqual(yield* reasonOf(insert), "StatementTimeoutError")
      yield* Deferred.succeed(released, undefined)
      yield* Fiber.join(holder)
      yield* insert
      assert.strictEqual((yield* sql`SELECT FROM things`).length, 1)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live(
    "on a connection that has gone silent fails, those on the others do not, and the next ones have new connections",
    () =>
      Effect.gen(function* () {
        const between = yield* proxy((yield* TestDatabase).url)
        const sql = yield* clientWith({ url: between.url, statementTimeout: Duration.millis(100) })
        const pid = yield* backend(sql)
        yield* between.fallSilent
        const transaction = yield* Effect.forkChild(Effect.exit(sql.withTransaction(sql`SELECT 1`)))
        assert.strictEqual(yield* reasonOf(sql`SELECT 1`), "ConnectionError")
        assert.isTrue(Exit.isFailure(yield* Fiber.join(transaction)))
        yield* between.recover
        const next = yield* Effect.retry(backend(sql), { schedule: often })
        assert.notStrictEqual(next, pid)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})

describe("a transaction", () => {
  it.live("in which nothing happens for too long ends, and its locks are released", () =>
    Effect.gen(function* () {
      yield* having("CREATE TABLE things (n int)")
      const sql = yield* clientWith({ statementTimeout: Duration.millis(200) })
      const other = yield* connection
      const forgetful = Effect.gen(function* () {
        yield* sql`LOCK TABLE things`
        yield* other.withTransaction(other`LOCK TABLE things`)
        return yield* sql`SELECT 1`
      }).pipe(sql.withTransaction, catchDatabaseErrors)
      assert.strictEqual((yield* Effect.flip(forgetful))._tag, "DatabaseUnavailable")
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
