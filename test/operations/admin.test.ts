import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { maxTables } from "../../src/operations/DatabaseReport.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { Client } from "../../src/conformance/Client.ts"
import { startServer, type Runtime } from "../serverProcess.ts"
import { having } from "../process/database.ts"

const runtimes: ReadonlyArray<Runtime> = ["node", "deno", "edge"]
const token = "the-token-of-who-runs-it"
const path = "/api/admin/database"

interface State {
  readonly server: { readonly version: string; readonly startedAt: string; readonly size: number }
  readonly pool: { readonly connections: number; readonly running: number; readonly waiting: number }
  readonly migrations: ReadonlyArray<{ readonly id: string; readonly name: string; readonly state: string }>
  readonly tables: ReadonlyArray<{ readonly name: string; readonly bytes: number; readonly indexBytes: number }>
  readonly tableCount: number
  readonly slowStatements: ReadonlyArray<Record<string, unknown>> | null
}

describe("the state of the database", () => {
  for (const runtime of runtimes) {
    it.live(`is shown only to holders of the token, on ${runtime}`, () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const { baseUrl } = yield* startServer(runtime, url, { ADMIN_TOKEN: token })
        const ask = (asker?: string) => Effect.promise(() => new Client({ url: baseUrl }, asker).get<State>(path))
        for (const wrong of [undefined, "guess", token.slice(1), `${token}x`]) {
          assert.strictEqual((yield* ask(wrong)).status, 401)
        }
        const { body, status } = yield* ask(token)
        assert.strictEqual(status, 200)
        assert.match(body.server.version, /^\d+/)
        assert.isAbove(body.server.size, 1_000_000)
        assert.isAtLeast(Date.now(), Date.parse(body.server.startedAt))
        assert.isAtLeast(body.pool.connections, 1)
        assert.strictEqual(body.pool.waiting, 0)
        assert.deepInclude(
          body.migrations.map(({ id, name, state }) => ({ id, name, state })),
          { id: "20240101000000", name: "initial_schema", state: "applied" }
        )
        assert.includeMembers(
          body.tables.map(({ name }) => name),
          ["users", "chat_messages", "sessions"]
        )
        assert.isNull(body.slowStatements)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }

  it.live("includes the slowest statements, if pg_stat_statements has them", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      yield* having(`
        CREATE VIEW pg_stat_statements AS
        SELECT oid AS dbid, 'SELECT $1' AS query, 3::bigint AS calls, 1.5::float8 AS mean_exec_time,
          4.5::float8 AS total_exec_time, 3::bigint AS rows
        FROM pg_database`)
      const { baseUrl } = yield* startServer("node", url, { ADMIN_TOKEN: token })
      const { body } = yield* Effect.promise(() => new Client({ url: baseUrl }, token).get<State>(path))
      assert.deepStrictEqual(body.slowStatements, [
        { statement: "SELECT $1", length: 9, calls: 3, meanTime: 1.5, totalTime: 4.5, rows: 3 }
      ])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("is bounded, however many tables there are and however long the statements", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      yield* having(
        `DO $$ BEGIN FOR n IN 1..${maxTables} LOOP EXECUTE format('CREATE TABLE other_%s ()', n); END LOOP; END $$`,
        `CREATE VIEW pg_stat_statements AS
          SELECT d.oid AS dbid, repeat('SELECT é ', 100000) AS query, 3::bigint AS calls, 1.5::float8 AS mean_exec_time,
            4.5::float8 AS total_exec_time, 3::bigint AS rows
          FROM pg_database d, generate_series(1, 1000)`
      )
      const { baseUrl } = yield* startServer("node", url, { ADMIN_TOKEN: token })
      const { body } = yield* Effect.promise(() => new Client({ url: baseUrl }, token).get<State>(path))
      assert.lengthOf(body.tables, maxTables)
      assert.isAbove(body.tableCount, maxTables)
      assert.lengthOf(body.slowStatements ?? [], 20)
      assert.strictEqual(body.slowStatements?.[0]?.["length"], 900_000)
      assert.isBelow(Buffer.byteLength(JSON.stringify(body)), 524_288)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("does not exist without ADMIN_TOKEN", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* startServer("node", (yield* TestDatabase).url)
      const { body, status } = yield* Effect.promise(() => new Client({ url: baseUrl }, token).get(path))
      assert.deepStrictEqual([status, body.type], [404, "NotFound"])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
