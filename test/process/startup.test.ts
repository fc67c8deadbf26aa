import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import { readdir } from "node:fs/promises"
import { createServer as createHttpServer } from "node:http"
import { createServer } from "node:net"
import { version } from "../../src/contract/Version.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { Client, Person } from "../../src/conformance/Client.ts"
import { runtimes, startProcess, startServer, type Runtime, type ServerProcess } from "../serverProcess.ts"
import { emptied, having, lockUsers } from "./database.ts"
import { freePort, listen, listens, listenWith, proxy } from "./tcp.ts"

type Environment = Record<string, string>

const everywhere: ReadonlyArray<Runtime> = ["node", "deno", "edge"]

/** Found in any output, as it is or percent-encoded, the word in it gives the password away. */
const password = "canary/€"
const leak = /canary/i

/** A database on a port of 127.0.0.1, for a user with the password that must not be seen, to be there soon. */
const secretDatabase = (port: number): Environment => ({
  DATABASE_URL: `postgresql://someone:${encodeURIComponent(password)}@127.0.0.1:${port}/xfchat`,
  DATABASE_STARTUP_TIMEOUT: "500 millis"
})

/** The URL of the test's database, changed. */
const testDatabase = (change: (url: URL) => void = () => {}) =>
  Effect.map(TestDatabase, ({ url }): Environment => {
    const changed = new URL(Redacted.value(url))
    change(changed)
    return { DATABASE_URL: changed.href }
  })

/** The URL of the test's database for a new user with the password that must not be seen, and no rights but to connect. */
const newUser = (change: (url: URL) => void = () => {}) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const name = `someone_${randomUUID().replaceAll("-", "")}`
    yield* Effect.acquireRelease(sql.unsafe(`CREATE ROLE ${name} LOGIN PASSWORD '${password}'`), () =>
      Effect.orDie(sql.unsafe(`DROP ROLE ${name}`))
    )
    return yield* testDatabase((url) => {
      url.username = name
      url.password = encodeURIComponent(password)
      change(url)
    })
  })

const startOn = (runtime: Runtime, environment: Environment) =>
  startProcess(runtimes[runtime](environment["SERVER_PORT"] ?? "0"), {
    SERVER_HOST: "127.0.0.1",
    SERVER_PORT: "0",
    ...environment
  })

const checks = (server: ServerProcess) => server.output().match(/^\[STARTUP\] .*$/gm) ?? []

/** Start-up fails: exit code 1 and, after the checks that passed, one plain line on standard error. */
const fails = (
  when: string,
  environment: Effect.Effect<Environment, SqlError.SqlError, TestDatabase | SqlClient.SqlClient | Scope.Scope>,
  says: RegExp,
  on: ReadonlyArray<Runtime> = ["node"]
) => {
  for (const runtime of on) {
    it.live(`${when}, on ${runtime}`, () =>
      Effect.gen(function* () {
        const server = yield* startOn(runtime, yield* environment)
        assert.strictEqual(yield* server.exit, 1, server.output())
        const lines = server.errorOutput().trimEnd().split("\n")
        assert.match(lines.at(-1) ?? "", says)
        assert.deepStrictEqual(checks(server), lines.slice(0, -1))
        assert.notMatch(server.output(), leak)
        assert.notMatch(server.output(), /listening/i)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }
}

describe("without a database there is no server, but one plain line that says what to do:", () => {
  fails(
    "DATABASE_URL is missing",
    Effect.succeed({}),
    /^DATABASE_URL is not set: XFChat needs PostgreSQL\. Set it to postgresql:\/\/USER:PASSWORD@HOST:5432\/DATABASE,/,
    everywhere
  )
  fails(
    "DATABASE_URL is another kind of URL",
    Effect.succeed({ DATABASE_URL: `http://someone:${encodeURIComponent(password)}@127.0.0.1/xfchat` }),
    /^DATABASE_URL is malformed: it does not start with postgresql:\/\/\. It must look like postgresql:\/\/USER:/
  )
  fails(
    "nothing listens",
    Effect.map(freePort, secretDatabase),
    /^No connection to PostgreSQL at 127\.0\.0\.1:\d+ within 0\.5 s \(connection refused\)\. Check that it runs, /,
    everywhere
  )
  fails(
    "what listens there speaks HTTP",
    Effect.map(listen(createHttpServer()), secretDatabase),
    /^No connection to PostgreSQL at 127\.0\.0\.1:\d+ within 0\.5 s \(the program that answers there is not PostgreSQL\)\. /
  )
  fails(
    "what listens there never answers",
    Effect.map(
      listenWith(() => {}),
      secretDatabase
    ),
    /^No connection to PostgreSQL at 127\.0\.0\.1:\d+ within 0\.5 s \(no answer\)\. /
  )
  fails(
    "the password is wrong",
    testDatabase((url) => (url.password = encodeURIComponent(password))),
    /^PostgreSQL at \S+ refused user "\w+" \(password authentication failed .*\): check the user name and the password in /,
    everywhere
  )
  fails(
    "the database does not exist",
    newUser((url) => (url.pathname = "/nowhere")),
    /^There is no database "nowhere" at \S+: create it \(createdb "nowhere"\) or correct DATABASE_URL\.$/
  )
  fails(
    "a migration fails",
    emptied.pipe(Effect.andThen(having("CREATE VIEW users AS SELECT 1 AS id")), Effect.andThen(testDatabase())),
    /^Migration \d{14}_\w+ failed: PostgreSQL says ".+" \(SQLSTATE \w{5}\)\. Nothing of it was kept: correct /
  )
  fails(
    "the database has a migration that this XFChat does not know",
    having("INSERT INTO schema_migrations VALUES (29990101000000, 'later', 'x', 0)").pipe(
      Effect.andThen(testDatabase())
    ),
    /^The database has migration 29990101000000_later .* Start that version, /
  )
  fails(
    "a migration was changed after it ran",
    having("UPDATE schema_migrations SET checksum = 'x' WHERE id = 20240101000000").pipe(
      Effect.andThen(testDatabase())
    ),
    /^Migration 20240101000000_initial_schema was changed after it ran on this database: restore its file, /
  )
  fails(
    "a table is missing although its migration is recorded",
    having("DROP TABLE friend_requests").pipe(Effect.andThen(testDatabase())),
    /^Table "friend_requests" is missing although the migrations are recorded as applied: .* Restore it from a backup\.$/,
    everywhere
  )
})

describe("without a port there is no server, but one plain line that says what to do:", () => {
  const on = (port: string) => Effect.map(testDatabase(), (environment) => ({ ...environment, SERVER_PORT: port }))
  fails(
    "SERVER_PORT is taken",
    Effect.flatMap(listen(createServer()), (port) => on(String(port))),
    /^Cannot listen on 127\.0\.0\.1:\d+ \(the port is taken\): stop what listens there, or set SERVER_PORT to another port\.$/,
    ["node", "deno"]
  )
  fails(
    "SERVER_PORT is none",
    on("canary"),
    /^SERVER_PORT must be a whole number from 0 to 65535\. Correct it in the environment\.$/
  )
})

describe("start-up", () => {
  for (const runtime of everywhere) {
    it.live(`reports each check in order, and listens only after the last, on ${runtime}`, () =>
      Effect.gen(function* () {
        yield* having(`
          INSERT INTO users (username, email, password_hash)
          SELECT 'user_' || n, n || '@example.com', '' FROM generate_series(1, 3) n`)
        const users = yield* lockUsers
        const port = yield* freePort
        const server = yield* startOn(runtime, { ...(yield* testDatabase()), SERVER_PORT: String(port) })
        yield* users.somebodyWaits
        const before = [
          "[STARTUP] DATABASE_URL is set",
          "[STARTUP] Database connection successful",
          "[STARTUP] Migrations completed"
        ]
        assert.deepStrictEqual(checks(server), before)
        assert.isFalse(yield* listens(port))

        yield* users.release
        yield* server.line(/listening on/i)
        assert.isTrue(yield* listens(port))
        assert.deepStrictEqual(checks(server), [
          ...before,
          "[STARTUP] Database tables verified: 3 users",
          ...(runtime === "edge" ? [] : [`[STARTUP] XFChat ${version} listening on 127.0.0.1:${port}`])
        ])
      }).pipe(Effect.provide(TestDatabase.layer))
    )

    it.live(`waits for a PostgreSQL that comes up later, on ${runtime}`, () =>
      Effect.gen(function* () {
        const database = yield* proxy((yield* TestDatabase).url)
        yield* database.breakDown
        const server = yield* startOn(runtime, { DATABASE_URL: Redacted.value(database.url) })
        yield* database.triedInVain
        assert.deepStrictEqual(checks(server), ["[STARTUP] DATABASE_URL is set"])
        yield* database.recover
        yield* server.line(/listening on/i)
      }).pipe(Effect.provide(TestDatabase.layer))
    )
  }

  it.live("of ten processes at once on an empty database migrates once, and all ten serve", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { url } = yield* TestDatabase
      const files = yield* Effect.promise(() => readdir(new URL("../../migrations", import.meta.url)))
      const migrations = files.flatMap((file) => /^(.*)\.up\.sql$/.exec(file)?.[1] ?? [])
      yield* emptied

      const runtimes = Array.from({ length: 10 }, (_, index) => (index === 0 ? "node" : "deno"))
      const servers = yield* Effect.forEach(runtimes, (runtime) => startServer(runtime, url), {
        concurrency: "unbounded"
      })
      const runs = servers.flatMap((server) => [...server.output().matchAll(/Migration (\S+) applied/g)])
      assert.deepStrictEqual(runs.map(([, name]) => name).sort(), migrations.sort())
      assert.strictEqual((yield* sql`SELECT FROM schema_migrations`).length, migrations.length)

      const { token } = yield* Effect.promise(() => Person.signUp({ url: servers[0]!.baseUrl }))
      for (const { baseUrl } of servers) {
        const answer = yield* Effect.promise(() => new Client({ url: baseUrl }, token).get("/api/auth/me"))
        assert.strictEqual(answer.status, 200)
      }
    }).pipe(Effect.provide(TestDatabase.layer))
  )
})
