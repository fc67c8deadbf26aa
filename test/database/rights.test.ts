import { assert, describe, it, vi } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { requiredTables } from "../../src/database/Database.ts"
import * as Migrator from "../../src/database/Migrator.ts"
import { startProcess } from "../serverProcess.ts"
import { catalog, EmptyDatabase, query } from "./migrations/postgres.ts"
import { makeRole, startFailure, urlOf } from "./roles.ts"

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

const administrate = Effect.fnUntraced(function* (...statements: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  for (const statement of statements) yield* sql.unsafe(statement).unprepared
})

/** Starts a server of a role, and does what its message says, until it starts. Gives the statements that this took. */
const startAsTold = Effect.fnUntraced(function* (role: string) {
  const told: Array<string> = []
  while (told.length < 5) {
    const before = yield* catalog
    const error = yield* startFailure(role)
    if (error === undefined) return told
    assert.notMatch(error.message, /\n|PASSWORD/)
    assert.deepStrictEqual(yield* catalog, before, "nothing is half done")
    const [statement] =
      /\b(GRANT|ALTER) [^;,]+(, CREATE ON|, INSERT, UPDATE, DELETE ON)?[^;,]+/.exec(error.message) ?? []
    assert.isDefined(statement, error.message)
    told.push(statement)
    yield* administrate(statement)
  }
  return assert.fail(`It does not end: ${told.join("; ")}`)
})

/** Without the name that each run makes anew. */
const plain = (statements: ReadonlyArray<string>, role: string) =>
  statements.map((statement) => statement.replaceAll(role, "R").replace(/migrations_[0-9a-f]{32}/, "D"))

describe("A role that lacks rights gets one line that says what to grant, and nothing is half done", () => {
  it.live("on an empty database", () =>
    Effect.gen(function* () {
      const role = yield* makeRole("nobody")
      const [database] = yield* query("SELECT current_database() AS name")
      yield* administrate(
        `REVOKE CONNECT ON DATABASE ${String(database!["name"])} FROM PUBLIC`,
        "REVOKE ALL ON SCHEMA public FROM PUBLIC"
      )
      assert.deepStrictEqual(plain(yield* startAsTold(role), role), [
        'GRANT CONNECT ON DATABASE "D" TO "R"',
        'GRANT USAGE, CREATE ON SCHEMA public TO "R"'
      ])
    }).pipe(Effect.scoped, Effect.provide(EmptyDatabase))
  )

  it.live("on a schema in which it may create nothing", () =>
    Effect.gen(function* () {
      const role = yield* makeRole("nobody")
      yield* administrate("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
      assert.deepStrictEqual(plain(yield* startAsTold(role), role), ['GRANT USAGE, CREATE ON SCHEMA "public" TO "R"'])
    }).pipe(Effect.scoped, Effect.provide(EmptyDatabase))
  )

  it.live("on tables of another role, when a migration is pending", () =>
    Effect.gen(function* () {
      const role = yield* makeRole("nobody")
      yield* Migrator.migrate
      yield* Migrator.rollback({ to: 20261127080000n })
      yield* administrate(
        `GRANT USAGE, CREATE ON SCHEMA public TO ${role}`,
        `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`
      )
      const before = yield* catalog
      const error = yield* startFailure(role)
      assert.match(
        error?.message ?? "",
        new RegExp(
          `^Migration \\d{14}_\\w+ failed: PostgreSQL says "must be owner of (table|index|relation) (\\w+)".* \\(SQLSTATE 42501\\): as an administrator, ALTER TABLE "\\2" OWNER TO "${role}", or run \`xfchat migrate up\` as the role that owns the tables\\. Nothing of it was kept: `
        )
      )
      assert.deepStrictEqual(yield* catalog, before)
    }).pipe(Effect.scoped, Effect.provide(EmptyDatabase))
  )

  it.live("on single tables, whichever right it is", () =>
    Effect.gen(function* () {
      const role = yield* makeRole("server")
      yield* Migrator.migrate
      const all = `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`
      const told = ['GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "public" TO "R"']
      assert.deepStrictEqual(plain(yield* startAsTold(role), role), told)
      for (const [right, table] of [
        ["SELECT", "schema_migrations"],
        ["SELECT", "users"],
        ["INSERT", "chat_messages"],
        ["UPDATE", "departures"],
        ["DELETE", "search_progress"]
      ]) {
        yield* administrate(all, `REVOKE ${right} ON ${table} FROM ${role}`)
        assert.include((yield* startFailure(role))?.message, String(table))
        assert.deepStrictEqual(plain(yield* startAsTold(role), role), told, table)
      }
    }).pipe(Effect.scoped, Effect.provide(EmptyDatabase))
  )

  it.live("also by the commands", () =>
    Effect.gen(function* () {
      const role = yield* makeRole("nobody")
      const run = Effect.fnUntraced(function* (...parameters: ReadonlyArray<string>) {
        const started = yield* startProcess([`${process.cwd()}/node_modules/.bin/node`, "src/cli.ts", ...parameters], {
          DATABASE_URL: yield* urlOf(role)
        })
        const exit = yield* started.exit
        return { exit, output: started.output() }
      })
      const up = yield* run("migrate", "up")
      assert.strictEqual(up.exit, 1)
      assert.match(up.output, /GRANT USAGE, CREATE ON SCHEMA "public" TO "nobody_\w+"/)
      assert.notMatch(up.output, /\n +at /)
      yield* Migrator.migrate
      for (const parameters of [["migrate", "status"], ["doctor"], ["user", "list"]]) {
        const { exit, output } = yield* run(...parameters)
        assert.strictEqual(exit, 1, output)
        assert.match(output, /GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "public" TO "nobody_\w+"/)
        assert.notMatch(output, /\n +at /)
      }
    }).pipe(Effect.scoped, Effect.provide(EmptyDatabase))
  )

  it.live("for each table that a server uses", () =>
    Effect.gen(function* () {
      yield* Migrator.migrate
      const tables = yield* query(`
        SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
          AND relname NOT IN ('schema_migrations', 'set_aside') ORDER BY 1`)
      assert.deepStrictEqual(
        tables.map(({ name }) => name),
        requiredTables.toSorted()
      )
    }).pipe(Effect.scoped, Effect.provide(EmptyDatabase))
  )
})
