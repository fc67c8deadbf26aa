import * as PgClient from "@effect/sql-pg/PgClient"
import { Config, Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { load, title } from "../../../src/database/MigrationFile.ts"
import * as Migrator from "../../../src/database/Migrator.ts"

/** The server of the test run. */
const server = Config.Redacted("TEST_DATABASE_URL")

/** The URL of the test's own database. */
export class DatabaseUrl extends Context.Service<DatabaseUrl, Redacted.Redacted>()("test/DatabaseUrl") {}

/** Connections as a server might configure them. */
export const connections = (url: Redacted.Redacted, startupParameters: Record<string, string> = {}) =>
  PgClient.layer({ url, maxConnections: 2, startupParameters })

const administrator = Layer.unwrap(Effect.map(server, (url) => connections(url)))

const databaseUrl = Effect.acquireRelease(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const name = `migrations_${randomUUID().replaceAll("-", "")}`
    yield* sql`CREATE DATABASE ${sql(name)}`
    const url = new URL(Redacted.value(yield* server))
    url.pathname = `/${name}`
    return { name, url: Redacted.make(url.href) }
  }).pipe(Effect.provide(administrator)),
  ({ name }) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`DROP DATABASE ${sql(name)} WITH (FORCE)`
    }).pipe(Effect.provide(administrator), Effect.orDie)
).pipe(Effect.map(({ url }) => url))

/** An empty database and connections to it; dropped afterwards. */
export const EmptyDatabase = Layer.unwrap(Effect.map(DatabaseUrl, (url) => connections(url))).pipe(
  Layer.provideMerge(Layer.effect(DatabaseUrl, databaseUrl))
)

/** A folder with these migration files, by file name; removed afterwards. */
export const folderOf = (files: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(join(tmpdir(), "xfchat-migrations-"))
      for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
      return folder
    }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true }))
  )

/** The last migration that handles the databases of an older XFChat. Later ones start from its schema. */
const lastOfLegacy = 20240106000000n

const legacyMigrations = Effect.gen(function* () {
  const migrations = yield* Effect.flatMap(Effect.service(Migrator.MigrationsFolder), load)
  return yield* folderOf(
    Object.fromEntries(
      migrations
        .filter(({ id }) => id <= lastOfLegacy)
        .flatMap((migration) => [
          [`${title(migration)}.up.sql`, migration.up],
          [`${title(migration)}.down.sql`, migration.down]
        ])
    )
  )
})

/** An empty database for the migrations of older databases only, without those that the project has added since. */
export const LegacyDatabase = Layer.merge(EmptyDatabase, Layer.effect(Migrator.MigrationsFolder, legacyMigrations))

/** Runs SQL of several statements. */
export const run = Effect.fnUntraced(function* (statements: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql.unsafe(`DO $test$ BEGIN EXECUTE $statements$${statements}$statements$; END $test$`)
})

/** The rows of a statement. */
export const query = Effect.fnUntraced(function* (statement: string) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql.unsafe<Record<string, unknown>>(statement)
})

/** The schema in the catalog, without the histories: a line for each column, constraint and index. */
export const catalog = Effect.map(
  query(`
    SELECT line FROM (
      SELECT table_name AS relation, concat_ws(' ', table_name, 'has', column_name, data_type, character_maximum_length,
                       is_nullable, column_default, is_identity) AS line
      FROM information_schema.columns WHERE table_schema = 'public'
      UNION ALL
      -- NOT NULL is said above; PostgreSQL 18 has it here too
      SELECT conrelid::regclass::text, concat_ws(' ', conrelid::regclass, 'constrained by', conname,
                       pg_get_constraintdef(oid))
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
      UNION ALL
      SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'
    ) catalog
    WHERE relation NOT IN ('schema_migrations', '_sqlx_migrations') ORDER BY line COLLATE "C"`),
  (rows) => rows.map(({ line }) => String(line))
)
