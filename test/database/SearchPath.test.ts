import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { EmptyDatabase, query } from "./migrations/postgres.ts"
import { makeRole, serverDatabase, startFailure, urlOf } from "./roles.ts"

/** A database of its own role, and a hostile role that can connect. */
const scene = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [owner, mallory] = [yield* makeRole("owner"), yield* makeRole("mallory")]
  const [database] = yield* sql<{ name: string }>`SELECT current_database() AS name`
  const administrate = (statement: string) => sql.unsafe(statement).unprepared
  yield* administrate(`ALTER DATABASE ${database!.name} OWNER TO ${owner}`)
  const attacks = Effect.fnUntraced(function* (...statements: ReadonlyArray<string>) {
    yield* Effect.forEach(statements, (statement) => administrateAs(mallory, statement), { discard: true })
  })
  const administrateAs = (role: string, statement: string) =>
    sql.withTransaction(Effect.andThen(administrate(`SET LOCAL ROLE ${role}`), administrate(statement)))
  return { owner, mallory, database: database!.name, administrate, attacks }
})

/** A function that PostgreSQL prefers to its own, since usernames and e-mail addresses are of this type. */
const hostile = (schema: string) => [
  `CREATE FUNCTION "${schema}".lower(varchar) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE ''hijacked by lower''; END'`,
  `CREATE FUNCTION "${schema}".equals(varchar, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE ''hijacked by =''; END'`,
  `CREATE OPERATOR "${schema}".= (LEFTARG = varchar, RIGHTARG = text, FUNCTION = "${schema}".equals)`
]

describe("A role that wants a server or a migration to run its code", () => {
  it.live(
    "cannot do so in a schema that it may write to: nothing starts until the right is revoked and its code dropped",
    () =>
      Effect.gen(function* () {
        const { administrate, attacks, mallory, owner } = yield* scene
        // The default of PostgreSQL 14.
        yield* administrate("GRANT CREATE ON SCHEMA public TO PUBLIC")
        yield* attacks(...hostile("public"))
        const first = yield* startFailure(owner)
        assert.strictEqual(
          first?.message,
          `Schema "public" is not safe: role ${mallory} may create functions in it, and could have XFChat run its code. As an administrator of the database: REVOKE CREATE ON SCHEMA "public" FROM PUBLIC;`
        )
        yield* administrate("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        yield* administrate(`GRANT CREATE ON SCHEMA public TO ${mallory}`)
        assert.include((yield* startFailure(owner))?.message, `REVOKE CREATE ON SCHEMA "public" FROM "${mallory}";`)
        yield* administrate(`REVOKE CREATE ON SCHEMA public FROM ${mallory}`)
        const planted = yield* startFailure(owner)
        assert.strictEqual(planted?._tag, "SchemaNotTrusted")
        assert.include(planted?.message, `it has function public.lower(character varying) of role ${mallory}`)
        assert.deepStrictEqual(yield* query("SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace"), [])

        yield* administrate("DROP OPERATOR public.= (varchar, text)")
        yield* administrate("DROP FUNCTION public.equals, public.lower")
        assert.isUndefined(yield* startFailure(owner))
      }).pipe(Effect.scoped, Effect.provide(EmptyDatabase))
  )

  it.live("cannot do so in other schemas of the search path, nor with one named as the server's role", () =>
    Effect.gen(function* () {
      const { administrate, attacks, database, mallory, owner } = yield* scene
      assert.isUndefined(yield* startFailure(owner))
      yield* administrate(`GRANT CREATE ON DATABASE ${database} TO ${mallory}`)
      yield* administrate(`ALTER ROLE ${owner} SET search_path = "$user", public, later`)
      for (const schema of [owner, "later"]) {
        yield* attacks(
          `CREATE SCHEMA "${schema}"`,
          `GRANT ALL ON SCHEMA "${schema}" TO PUBLIC`,
          ...hostile(schema),
          `CREATE TABLE "${schema}".users (id uuid, username text, deleted_at timestamptz)`,
          `CREATE TABLE "${schema}".schema_migrations (id bigint, name text, checksum text, applied_at timestamptz)`,
          `CREATE DOMAIN "${schema}".uuid AS text CHECK (FALSE)`
        )
      }
      const url = yield* urlOf(owner)
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* sql`SHOW search_path`, [{ search_path: `"public", pg_temp` }])
        yield* sql`
          INSERT INTO users (username, email, password_hash) VALUES ('Ada', 'ada@example.com', '')`
        assert.deepStrictEqual(
          yield* sql`SELECT lower(username) AS name FROM users WHERE email = ${"ada@example.com"}::text`,
          [{ name: "ada" }]
        )
      }).pipe(Effect.provide(serverDatabase(url)))
      assert.deepStrictEqual(yield* query("SELECT username FROM public.users"), [{ username: "Ada" }])
      // Behind a pooler of transactions the path stays that of the role.
      const refused = yield* startFailure(owner, { DATABASE_POOLER: "transaction" })
      assert.strictEqual(refused?._tag, "SchemaNotTrusted")
      yield* administrate(`ALTER ROLE ${owner} SET search_path = public, pg_temp`)
      assert.isUndefined(yield* startFailure(owner, { DATABASE_POOLER: "transaction" }))
    }).pipe(Effect.scoped, Effect.provide(EmptyDatabase))
  )

  it.live("cannot hide a table by a temporary one", () =>
    Effect.gen(function* () {
      const { owner } = yield* scene
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TEMPORARY TABLE users (planted INT)`
        assert.deepStrictEqual(yield* sql`SELECT username FROM users`, [])
        // Otherwise PostgreSQL drops it after the connection, while its role is being dropped.
        yield* sql`DROP TABLE pg_temp.users`
      }).pipe(
        sqlInOneConnection,
        Effect.provide(serverDatabase(yield* urlOf(owner), { DATABASE_MAX_CONNECTIONS: "1" }))
      )
    }).pipe(Effect.scoped, Effect.provide(EmptyDatabase))
  )

  it.live("is no administrator, and no member of the role that owns the tables", () =>
    Effect.gen(function* () {
      const { administrate, mallory, owner } = yield* scene
      yield* administrate(`GRANT CREATE ON SCHEMA public TO ${mallory}`)
      yield* administrate(`GRANT ${owner} TO ${mallory}`)
      assert.isUndefined(yield* startFailure(owner))
      // A server of a role with fewer rights trusts the owner of the tables.
      const server = yield* makeRole("server")
      yield* administrate(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${server}`)
      assert.isUndefined(yield* startFailure(server))
    }).pipe(Effect.scoped, Effect.provide(EmptyDatabase))
  )

  it.live("does not keep a schema of its own from being used that the search path names", () =>
    Effect.gen(function* () {
      const { administrate, owner } = yield* scene
      yield* administrate(`CREATE SCHEMA "the chat" AUTHORIZATION ${owner}`)
      yield* administrate(`ALTER ROLE ${owner} SET search_path = "the chat", public`)
      assert.isUndefined(yield* startFailure(owner))
      assert.deepStrictEqual(
        yield* query("SELECT relnamespace::regnamespace::text AS schema FROM pg_class WHERE relname = 'users'"),
        [{ schema: '"the chat"' }]
      )
    }).pipe(Effect.scoped, Effect.provide(EmptyDatabase))
  )
})

/** A transaction has one connection. */
const sqlInOneConnection = <A, E>(statements: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(statements))
