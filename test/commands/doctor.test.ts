import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { TestDatabase } from "../../src/testing/index.ts"
import { digests } from "./world.ts"
import { emptied, having } from "../process/database.ts"
import { freePort } from "../process/tcp.ts"
import { hasRedis, startRedis } from "../redisServer.ts"
import { xfchat } from "./command.ts"

/** Runs the doctor, and returns its findings by subject. */
const doctor = Effect.fn("doctor")(function* (env: Record<string, string> = {}, runtime: "node" | "deno" = "node") {
  const { errorOutput, exit, output } = yield* xfchat(["doctor"], { env, runtime })
  const findings: Record<string, string> = {}
  for (const line of output.trimEnd().split("\n")) {
    const [, level, what, text] = /^(ok|warn|fail) +(\S+(?: \S+)*) {2,}(.+)$/.exec(line) ?? assert.fail(line)
    findings[what!] = `${level}: ${text}`
  }
  return { exit, errorOutput, findings, output }
})

const expect = (findings: Record<string, string>, expected: Record<string, RegExp>) => {
  for (const [what, says] of Object.entries(expected)) assert.match(findings[what] ?? "", says, what)
}

describe("xfchat doctor", () => {
  for (const runtime of ["node", "deno"] as const) {
    it.live(`finds nothing wrong in a healthy database, changes nothing, and exits with 0, on ${runtime}`, () =>
      Effect.gen(function* () {
        const before = yield* digests
        const { errorOutput, exit, findings, output } = yield* doctor({}, runtime)
        assert.deepStrictEqual([exit, errorOutput], [0, ""], output)
        expect(findings, {
          configuration: /^ok: /,
          database: /^ok: connected to xfchat_test_\w+ at 127\.0\.0\.1:\d+ as \w+$/,
          version: /^ok: PostgreSQL \d+/,
          TLS: /^ok: /,
          encoding: /^ok: UTF8, /,
          migrations: /^ok: all \d+ are applied$/,
          tables: /^ok: all are there, with 0 users$/,
          indexes: /^ok: /,
          "set aside": /^ok: /,
          clock: /^ok: /,
          connections: /^ok: a server takes up to 11 of \d+, /,
          "LISTEN/NOTIFY": /^ok: /
        })
        assert.deepStrictEqual(yield* digests, before)
      }).pipe(Effect.provide(TestDatabase.layer))
    )
  }

  it.live("tells of a function that another role created in the schema after the servers had started", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const mallory = `mallory_${randomUUID().slice(0, 8)}`
      yield* Effect.acquireRelease(sql`CREATE ROLE ${sql(mallory)} LOGIN`.unprepared, () =>
        Effect.orDie(
          Effect.andThen(
            sql`DROP OWNED BY ${sql(mallory)} CASCADE`.unprepared,
            sql`DROP ROLE ${sql(mallory)}`.unprepared
          )
        )
      )
      yield* having(
        `GRANT CREATE ON SCHEMA public TO ${mallory}`,
        `SET ROLE ${mallory}`,
        "CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT $1::text'",
        "RESET ROLE"
      )
      const granted = yield* doctor()
      assert.strictEqual(granted.exit, 1)
      expect(granted.findings, {
        database: new RegExp(`^fail: Schema "public" is not safe: role ${mallory} may create`)
      })
      yield* having(`REVOKE CREATE ON SCHEMA public FROM ${mallory}`)
      const planted = yield* doctor()
      assert.strictEqual(planted.exit, 1)
      expect(planted.findings, { database: new RegExp(`it has function .*lower.* of role ${mallory}`) })
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("finds what is broken in a database, says what to do, and exits with 1", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [database] = yield* sql<{ name: string }>`SELECT current_database() AS name`
      yield* having(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'users_email_key'::regclass",
        "INSERT INTO schema_migrations VALUES (29990101000000, 'later', 'x', 0)",
        "DROP TABLE friend_requests",
        "INSERT INTO set_aside (migration, source_table, reason, source_row) SELECT 'm', 'messages', 'r', '{}' FROM generate_series(1, 3)",
        `ALTER DATABASE ${database!.name} SET synchronous_commit = off`
      )
      const { errorOutput, exit, findings } = yield* doctor({ DATABASE_MAX_CONNECTIONS: "900" })
      assert.strictEqual(exit, 1)
      assert.match(errorOutput, /^4 checks failed: .*\n$/)
      expect(findings, {
        indexes: /^fail: not valid: REINDEX INDEX CONCURRENTLY users_email_key;$/,
        migrations: /^fail: 29990101000000_later is unknown: .* Start that version/,
        tables: /^fail: friend_requests: missing, although/,
        connections: /^fail: a server takes up to 901, and PostgreSQL gives \d+: lower DATABASE_MAX_CONNECTIONS/,
        durability: /^warn: .*synchronous_commit off: a crash loses messages/,
        "set aside": /^warn: an upgrade could not place 3 of messages: /
      })
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("only warns about an empty database, since a server creates the tables", () =>
    Effect.gen(function* () {
      yield* emptied
      const { exit, findings } = yield* doctor()
      assert.strictEqual(exit, 0)
      expect(findings, {
        migrations: /^warn: (\d+) of \1 are pending: `xfchat migrate up`/,
        tables: /^warn: .*not there yet/
      })
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("fails if the encoding of the database is not UTF-8", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { url } = yield* TestDatabase
      const latin = new URL(Redacted.value(url))
      latin.pathname += "_latin1"
      yield* Effect.acquireRelease(
        sql`CREATE DATABASE ${sql(latin.pathname.slice(1))} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'`.unprepared,
        () => Effect.orDie(sql`DROP DATABASE ${sql(latin.pathname.slice(1))} WITH (FORCE)`.unprepared)
      )
      const { exit, findings } = yield* doctor({ DATABASE_URL: latin.href })
      assert.strictEqual(exit, 1)
      expect(findings, { encoding: /^fail: the database is in LATIN1, .* make one with ENCODING 'UTF8'$/ })
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("says why there is no database or no Redis, without any secret", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const { exit, findings, output } = yield* doctor({
        DATABASE_URL: `postgresql://someone:canary@127.0.0.1:${port}/xfchat`,
        DATABASE_STARTUP_TIMEOUT: "300 millis",
        REDIS_URL: `redis://someone:canary@127.0.0.1:${port}`
      })
      assert.strictEqual(exit, 1)
      expect(findings, {
        database: /^fail: No connection to PostgreSQL at 127\.0\.0\.1:\d+ within 0\.3 s \(connection refused\)/,
        Redis: /^fail: .*check that it runs/
      })
      assert.notInclude(output, "canary")
      const malformed = yield* doctor({ SERVER_PORT: "canary" })
      assert.strictEqual(malformed.exit, 1)
      assert.match(malformed.output, /^fail {2}configuration .*SERVER_PORT must be a whole number/)
      assert.notInclude(malformed.output, "canary")
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live.skipIf(!hasRedis)("finds a Redis that answers", () =>
    Effect.gen(function* () {
      const { findings } = yield* doctor({ REDIS_URL: Redacted.value(yield* startRedis) })
      expect(findings, { Redis: /^ok: it answers$/ })
    }).pipe(Effect.provide(TestDatabase.layer))
  )
})
