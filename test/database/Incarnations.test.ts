import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it, layer } from "@effect/vitest"
import { Arbitrary, Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { firstIncarnation, Incarnation, qualify, splitQualified } from "../../src/contract/Incarnation.ts"
import { endIncarnation, Incarnations } from "../../src/database/Incarnations.ts"
import { Position } from "../../src/contract/Conversation.ts"
import { formatLogVersion, parseLogVersion } from "../../src/contract/LogVersion.ts"
import { TestDatabase } from "../../src/testing/index.ts"

/** The incarnation that a process finds when it starts. */
const begin = Effect.map(Layer.build(Layer.fresh(Incarnations.layer)), Context.get(Incarnations))

/** A database that no process has checked. */
const unseen = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`UPDATE database_incarnation SET incarnation = '', database = NULL, timeline = NULL, written = NULL`
  return sql
})

layer(TestDatabase.layer)("The incarnation of a database", (it) => {
  it.effect("is the first one, and stays the same, whoever checks it", () =>
    Effect.gen(function* () {
      yield* unseen
      const processes = yield* Effect.all([begin, begin, begin], { concurrency: "unbounded" })
      for (const { check, latest } of [...processes, yield* begin]) {
        assert.strictEqual(latest(), firstIncarnation)
        assert.strictEqual(yield* check, firstIncarnation)
      }
    })
  )

  const losses: Record<string, (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>> = {
    "its rows came from a dump": (sql) =>
      sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`CREATE TEMPORARY TABLE dumped ON COMMIT DROP AS SELECT * FROM database_incarnation`
          yield* sql`DELETE FROM database_incarnation`
          yield* sql`INSERT INTO database_incarnation SELECT * FROM dumped`
        })
      ),
    "the WAL continues on another timeline": (sql) =>
      sql`UPDATE database_incarnation SET timeline = 'FFFFFFFF', written = pg_current_xact_id()`,
    "it is a copy of another database": (sql) =>
      sql`UPDATE database_incarnation SET database = 1, written = pg_current_xact_id()`,
    "somebody says so": () => endIncarnation,
    "the row is gone": (sql) => sql`DELETE FROM database_incarnation`
  }
  for (const [loss, lose] of Object.entries(losses)) {
    it.effect(`is another one when ${loss}, once for all who look`, () =>
      Effect.gen(function* () {
        const sql = yield* unseen
        const [one, two] = [yield* begin, yield* begin]
        yield* lose(sql)
        const next = yield* one.check
        assert.notStrictEqual(next, firstIncarnation)
        assert.strictEqual(yield* two.check, next)
        assert.strictEqual((yield* begin).latest(), next)
        assert.strictEqual(yield* one.check, next)
      })
    )
  }

  it.effect("is replaced once, whoever finds that some of its commits are gone", () =>
    Effect.gen(function* () {
      yield* unseen
      const processes = yield* Effect.all([begin, begin, begin])
      const lost = processes[0].latest()
      yield* Effect.forEach(processes, ({ replace }) => replace(lost), { concurrency: "unbounded", discard: true })
      const next = yield* processes[0].check
      assert.notStrictEqual(next, lost)
      for (const { check, replace } of processes) {
        assert.strictEqual(yield* replace(lost), next)
        assert.strictEqual(yield* check, next)
      }
    })
  )

  it.effect("is also known to a role that may not see the WAL, and is the same for both roles", () =>
    Effect.gen(function* () {
      const sql = yield* unseen
      const { url } = yield* TestDatabase
      const role = `blind_${randomUUID().slice(0, 8)}`
      yield* Effect.acquireRelease(sql`CREATE ROLE ${sql(role)} LOGIN PASSWORD 'blind'`.unprepared, () =>
        Effect.orDie(Effect.andThen(sql`DROP OWNED BY ${sql(role)}`.unprepared, sql`DROP ROLE ${sql(role)}`.unprepared))
      )
      yield* sql`GRANT SELECT, INSERT, UPDATE ON database_incarnation TO ${sql(role)}`.unprepared
      yield* sql`REVOKE EXECUTE ON FUNCTION pg_current_wal_flush_lsn() FROM PUBLIC`.unprepared
      const own = new URL(Redacted.value(url))
      own.username = role
      own.password = "blind"
      // For as long as the test, while its process continues.
      const client = yield* Layer.build(PgClient.layer({ url: Redacted.make(own.href) }))
      const blind = yield* begin.pipe(Effect.provideContext(client))
      const seeing = yield* begin
      for (const { check } of [blind, seeing, blind, seeing]) assert.strictEqual(yield* check, firstIncarnation)
      yield* endIncarnation
      const next = yield* blind.check
      assert.notStrictEqual(next, firstIncarnation)
      for (const { check } of [seeing, blind, seeing]) assert.strictEqual(yield* check, next)
    })
  )
})

describe("A version", () => {
  const incarnation = Arbitrary.schema(Incarnation)

  it.prop(
    "is read as it was written, in any incarnation",
    [incarnation, Arbitrary.schema(Position)],
    ([incarnation, position]) => {
      const version = { incarnation: position === 0 ? firstIncarnation : incarnation, position }
      assert.deepStrictEqual(parseLogVersion([formatLogVersion(version)]), version)
      assert.deepStrictEqual(splitQualified(qualify(incarnation, position)), { incarnation, version: `${position}` })
    }
  )

  it("of the first incarnation is the bare number that clients have from before there were incarnations", () => {
    assert.deepStrictEqual(parseLogVersion(["57"]), { incarnation: firstIncarnation, position: 57 })
    assert.deepStrictEqual(parseLogVersion([]), { incarnation: firstIncarnation, position: 0 })
    assert.deepStrictEqual(parseLogVersion(["a1-5", "a1-7"]), { incarnation: "a1", position: 7 })
  })

  it.each([["a1-5", "b2-7"], ["a1-5", "7"], ["A1-5"], ["a1-"], ["a1-05"], ["-5"], ["a1-b2-5"], ["nonsense"], [""]])(
    "is refused if it is not one of ours: %j",
    (...version) => {
      assert.isUndefined(parseLogVersion(version))
    }
  )
})
