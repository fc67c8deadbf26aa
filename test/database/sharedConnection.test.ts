import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Fiber, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../../src/database/Database.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { having } from "../process/database.ts"
import { holding } from "./holding.ts"

const writes = {
  "an INSERT of a key that another is about to have": (sql: SqlClient.SqlClient) =>
    sql`INSERT INTO things VALUES (2, '')`,
  "an UPDATE": (sql: SqlClient.SqlClient) => sql`UPDATE things SET name = 'b' WHERE id = 1`,
  "a DELETE": (sql: SqlClient.SqlClient) => sql`DELETE FROM things WHERE id = 1`,
  "a WITH that writes": (sql: SqlClient.SqlClient) =>
    sql`WITH changed AS (UPDATE things SET name = 'b' WHERE id = 1 RETURNING id) SELECT id FROM changed`,
  "a SELECT that locks": (sql: SqlClient.SqlClient) => sql`SELECT id FROM things WHERE id = 1 FOR NO KEY UPDATE`,
  "a SELECT that locks for a share": (sql: SqlClient.SqlClient) => sql`SELECT id FROM things WHERE id = 1 FOR SHARE`,
  "an advisory lock": (sql: SqlClient.SqlClient) => sql`SELECT pg_advisory_lock(7)::text`
}

describe("While a statement waits for a lock", () => {
  for (const [what, write] of Object.entries(writes)) {
    it.live(`others are answered (${what})`, () =>
      Effect.gen(function* () {
        yield* having("CREATE TABLE things (id int PRIMARY KEY, name text)", "INSERT INTO things VALUES (1, 'a')")
        const { url } = yield* TestDatabase
        const sql = Context.get(
          yield* Layer.build(Layer.fresh(Database.layerUnchecked({ url, maxConnections: 2 }))),
          SqlClient.SqlClient
        )
        const read = sql`SELECT count(*)::int AS count FROM things`
        yield* read
        const hold = (other: SqlClient.SqlClient) =>
          Effect.all([
            other`SELECT pg_advisory_xact_lock(7)`,
            other`UPDATE things SET id = id`,
            other`INSERT INTO things VALUES (2, '')`
          ])
        yield* holding(hold, (release) =>
          Effect.gen(function* () {
            const waiting = yield* Effect.forkChild(Effect.exit(write(sql)), { startImmediately: true })
            yield* sql`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`.pipe(
              Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("5 millis") })
            )
            yield* Effect.all(
              Array.from({ length: 40 }, () => read),
              { concurrency: "unbounded" }
            )
            assert.isUndefined(waiting.pollUnsafe())
            yield* release
            yield* Fiber.join(waiting)
          })
        )
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }

  it.live("it fails within seconds, and nothing else does", () =>
    Effect.gen(function* () {
      yield* having("CREATE TABLE things (id int PRIMARY KEY, name text)", "INSERT INTO things VALUES (1, 'a')")
      const { url } = yield* TestDatabase
      const options = { url, statementTimeout: Duration.minutes(1) }
      const sql = Context.get(yield* Layer.build(Layer.fresh(Database.layerUnchecked(options))), SqlClient.SqlClient)
      const error = yield* holding(
        (other) => other`UPDATE things SET name = 'c'`,
        () => Effect.flip(sql`UPDATE things SET name = 'b'`)
      )
      assert.strictEqual(error.reason._tag, "LockTimeoutError")
      assert.deepStrictEqual(yield* sql`SELECT name FROM things`, [{ name: "c" }])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})

describe("A statement that is interrupted before it is sent", () => {
  it.live("leaves its connection to the next transaction", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const sql = Context.get(
        yield* Layer.build(Layer.fresh(Database.layerUnchecked({ url, maxConnections: 1 }))),
        SqlClient.SqlClient
      )
      for (let round = 1; round <= 10; round++) {
        // The next lines run while the driver still reads the answer.
        yield* sql`SELECT 1`
        const statement = yield* Effect.forkChild(sql`SELECT 2`, { startImmediately: true })
        statement.interruptUnsafe()
        assert.deepStrictEqual(yield* sql.withTransaction(sql`SELECT ${round}::int AS round`), [{ round }])
      }
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
