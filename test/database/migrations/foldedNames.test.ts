import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { TestDatabase } from "../../../src/testing/index.ts"
import * as MigrationFile from "../../../src/database/MigrationFile.ts"
import * as Migrator from "../../../src/database/Migrator.ts"

const name = "20261127100000_folded_names"

/** The two accounts of each pair are one to us, and two to a database whose locale folds "I" to another letter. */
const apart = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP INDEX users_username_key, users_email_key`
  yield* sql`
    INSERT INTO users (username, email, password_hash, created_at) VALUES
      ('ali', 'ali@example.com', '', '2020-01-01'), ('ALI', 'ALI@example.com', '', '2021-01-01'),
      ('éa', 'é@example.com', '', '2020-01-01'), ('ÉA', 'É@example.com', '', '2021-01-01')`
})

const accounts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ username: string; email: string | null }>`
    SELECT regexp_replace(username, '[0-9a-f]{25}$', '…') AS username, email FROM users ORDER BY created_at, username COLLATE "C"`
})

const run = Effect.fnUntraced(function* (direction: "up" | "down") {
  const sql = yield* SqlClient.SqlClient
  const migrations = yield* Effect.flatMap(Effect.service(Migrator.MigrationsFolder), MigrationFile.load)
  const migration = migrations.find((migration) => `${migration.id}_${migration.name}` === name)
  const statements = direction === "up" ? migration?.up : migration?.down
  // As the migrator does: PostgreSQL itself takes the file apart.
  yield* sql.withTransaction(sql.unsafe(`DO $test$ BEGIN EXECUTE $file$${statements}$file$; END $test$`).unprepared)
})

describe("Names that only the database's locale distinguishes", () => {
  it.live("belong to one account: the younger one is renamed, and its old name is set aside", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* run("down")
      yield* apart
      yield* sql`CREATE UNIQUE INDEX users_username_key ON users (username)`
      yield* sql`CREATE UNIQUE INDEX users_email_key ON users (email)`
      yield* run("up")
      assert.deepStrictEqual(yield* accounts, [
        { username: "ali", email: "ali@example.com" },
        { username: "éa", email: "é@example.com" },
        { username: "user_…", email: null },
        { username: "ÉA", email: "É@example.com" }
      ])
      const rows = yield* sql`
        SELECT source_row - 'id' - 'placed_as' - 'renamed_to' AS had FROM set_aside WHERE migration = ${name} ORDER BY id`
      assert.deepStrictEqual(rows, [{ had: { username: "ALI" } }, { had: { email: "ALI@example.com" } }])
      const again = yield* Effect.flip(sql`INSERT INTO users (username, password_hash) VALUES ('aLI', '')`)
      assert.strictEqual(again.reason._tag, "UniqueViolation")
      yield* run("down")
    }).pipe(Effect.provide(TestDatabase.layer))
  )
})
