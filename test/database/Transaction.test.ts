import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import * as Database from "../../src/database/Database.ts"
import { inTransaction } from "../../src/database/Transaction.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { having } from "../process/database.ts"
import { proxy } from "../process/tcp.ts"

/** Two accounts with something in each, of which transactions take and give. */
const accounts = having(
  "CREATE TABLE accounts (name text PRIMARY KEY, amount int NOT NULL CHECK (amount >= 0))",
  "INSERT INTO accounts VALUES ('ada', 100), ('grace', 100)"
)

/** A client of its own, connected to the test's database directly or through a proxy. */
const clientOn = Effect.fnUntraced(function* (url: TestDatabase["Service"]["url"]) {
  return Context.get(yield* Layer.build(Database.layerUnchecked({ url })), SqlClient.SqlClient)
})

const amounts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql`SELECT name, amount FROM accounts ORDER BY name`
})

const add = (sql: SqlClient.SqlClient, name: string, amount: number) =>
  sql`UPDATE accounts SET amount = amount + ${amount} WHERE name = ${name}`

/** Waits, the first time only, until as many others have come here. */
const meeting = (people: number) => {
  const all = Deferred.makeUnsafe<void>()
  let come = 0
  return Effect.suspend(() => {
    come += 1
    if (come === people) Deferred.doneUnsafe(all, Effect.void)
    return Deferred.await(all)
  })
}

describe("a transaction", () => {
  it.live("that met another in a deadlock runs again: both succeed, once each", () =>
    Effect.gen(function* () {
      yield* accounts
      const sql = yield* SqlClient.SqlClient
      const met = meeting(2)
      const transfer = (from: string, to: string, amount: number) =>
        inTransaction(sql)(Effect.andThen(Effect.andThen(add(sql, from, -amount), met), add(sql, to, amount)))
      yield* Effect.all([transfer("ada", "grace", 1), transfer("grace", "ada", 10)], { concurrency: 2 })
      assert.deepStrictEqual(yield* amounts, [
        { name: "ada", amount: 109 },
        { name: "grace", amount: 91 }
      ])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("that PostgreSQL could not serialise with another runs again", () =>
    Effect.gen(function* () {
      yield* accounts
      const sql = yield* SqlClient.SqlClient
      const met = meeting(2)
      const raise = (name: string) =>
        inTransaction(sql)(
          Effect.gen(function* () {
            yield* sql`SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`.unprepared
            const [sum] = yield* sql<{ amount: number }>`SELECT sum(amount)::int AS amount FROM accounts`
            yield* met
            yield* add(sql, name, sum?.amount ?? 0)
          })
        )
      yield* Effect.all([raise("ada"), raise("grace")], { concurrency: 2 })
      const sum = (yield* amounts).reduce((sum, { amount }) => sum + Number(amount), 0)
      assert.strictEqual(sum, 800)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("whose connection was lost before its COMMIT runs again on another one", () =>
    Effect.gen(function* () {
      yield* accounts
      const between = yield* proxy((yield* TestDatabase).url)
      const sql = yield* clientOn(between.url)
      let attempts = 0
      yield* inTransaction(sql)(
        Effect.gen(function* () {
          attempts += 1
          yield* add(sql, "ada", 5)
          if (attempts === 1) yield* Effect.andThen(between.breakDown, between.recover)
          yield* add(sql, "grace", 5)
        })
      )
      assert.strictEqual(attempts, 2)
      assert.deepStrictEqual(yield* amounts, [
        { name: "ada", amount: 105 },
        { name: "grace", amount: 105 }
      ])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("that an administrator ended runs again", () =>
    Effect.gen(function* () {
      yield* accounts
      const [sql, other] = [yield* SqlClient.SqlClient, yield* clientOn((yield* TestDatabase).url)]
      let attempts = 0
      yield* inTransaction(sql)(
        Effect.gen(function* () {
          attempts += 1
          yield* add(sql, "ada", 5)
          const [row] = yield* sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`
          if (attempts === 1) yield* other`SELECT pg_terminate_backend(${row?.pid}::int)`
          yield* add(sql, "grace", 5)
        })
      )
      assert.strictEqual(attempts, 2)
      assert.deepStrictEqual(yield* amounts, [
        { name: "ada", amount: 105 },
        { name: "grace", amount: 105 }
      ])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("whose COMMIT got no answer does not run again, since it was kept", () =>
    Effect.gen(function* () {
      yield* accounts
      const between = yield* proxy((yield* TestDatabase).url)
      const sql = yield* clientOn(between.url)
      yield* between.loseAnswerTo("COMMIT")
      let attempts = 0
      const error = yield* inTransaction(sql)(
        Effect.suspend(() => {
          attempts += 1
          return add(sql, "ada", 5)
        })
      ).pipe(Effect.flip)
      assert.isTrue(SqlError.isSqlError(error))
      assert.strictEqual(error.reason._tag, "ConnectionError")
      assert.strictEqual(attempts, 1)
      assert.deepStrictEqual(yield* amounts, [
        { name: "ada", amount: 105 },
        { name: "grace", amount: 100 }
      ])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("that is refused does not run again, and leaves nothing", () =>
    Effect.gen(function* () {
      yield* accounts
      const sql = yield* SqlClient.SqlClient
      let attempts = 0
      const error = yield* inTransaction(sql)(
        Effect.suspend(() => {
          attempts += 1
          return Effect.andThen(add(sql, "grace", 500), add(sql, "ada", -500))
        })
      ).pipe(Effect.flip)
      assert.strictEqual(error.reason._tag, "ConstraintError")
      assert.strictEqual(attempts, 1)
      assert.deepStrictEqual(yield* amounts, [
        { name: "ada", amount: 100 },
        { name: "grace", amount: 100 }
      ])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("within another runs again only with the whole of it", () =>
    Effect.gen(function* () {
      yield* accounts
      const between = yield* proxy((yield* TestDatabase).url)
      const sql = yield* clientOn(between.url)
      const attempts = { outer: 0, inner: 0 }
      yield* inTransaction(sql)(
        Effect.gen(function* () {
          attempts.outer += 1
          yield* add(sql, "ada", 5)
          yield* inTransaction(sql)(
            Effect.gen(function* () {
              attempts.inner += 1
              if (attempts.inner === 1) yield* Effect.andThen(between.breakDown, between.recover)
              yield* add(sql, "grace", 5)
            })
          )
        })
      )
      assert.deepStrictEqual(attempts, { outer: 2, inner: 2 })
      assert.deepStrictEqual(yield* amounts, [
        { name: "ada", amount: 105 },
        { name: "grace", amount: 105 }
      ])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("fails within a second or so while the database is unavailable", () =>
    Effect.gen(function* () {
      const between = yield* proxy((yield* TestDatabase).url)
      const sql = yield* clientOn(between.url)
      yield* between.breakDown
      const error = yield* inTransaction(sql)(sql`SELECT 1`).pipe(Effect.flip, Effect.timeout("10 seconds"))
      assert.isTrue(SqlError.isSqlError(error))
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
