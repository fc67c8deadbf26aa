import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { TestConsole } from "effect/testing"
import { mkdtemp, rm } from "node:fs/promises"
import { connect, createServer } from "node:net"
import { tmpdir, userInfo } from "node:os"
import { join } from "node:path"
import * as Database from "../../src/database/Database.ts"
import { parseDatabaseUrl } from "../../src/database/DatabaseUrl.ts"
import { ServicesLive } from "../../src/Server.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { disconnected, emptied } from "../process/database.ts"
import { freePort, listenWith, passwordRequest, proxy, refusal } from "../process/tcp.ts"

/** The database that a configuration names, instead of the environment's. */
const databaseOf = (configuration: Record<string, string>) =>
  Database.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(configuration))))

/** The error of building it. */
const failure = (configuration: Record<string, string>) =>
  Layer.build(databaseOf(configuration)).pipe(Effect.scoped, Effect.flip)

const numberOfUsers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [users] = yield* sql<{ count: number }>`SELECT count(*) AS count FROM users`
  return users?.count
})

describe("the required database, as a layer", () => {
  it.live("is connected, migrated and verified once it is built; its connections end with it", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      yield* emptied
      const count = yield* Effect.provide(numberOfUsers, databaseOf({ DATABASE_URL: Redacted.value(url) }))
      assert.strictEqual(count, 0)
      assert.deepStrictEqual(yield* TestConsole.errorLines, [
        "[STARTUP] DATABASE_URL is set",
        "[STARTUP] Database connection successful",
        "[STARTUP] Migrations completed",
        "[STARTUP] Database tables verified: 0 users"
      ])
      yield* disconnected
    }).pipe(Effect.provide([TestDatabase.layer, TestConsole.layer]))
  )

  for (const statement of ["schema_migrations", "pg_advisory_xact_lock", "EXISTS users (", "COMMIT", "FROM users"]) {
    it.live(`goes on when the answer to ${statement} is lost with its connection`, () =>
      Effect.gen(function* () {
        yield* emptied
        const database = yield* proxy((yield* TestDatabase).url)
        yield* database.loseAnswerTo(statement)
        const count = yield* Effect.provide(numberOfUsers, databaseOf({ DATABASE_URL: Redacted.value(database.url) }))
        assert.strictEqual(count, 0)
        assert.isTrue(database.hasLost())
        assert.deepStrictEqual(yield* TestConsole.errorLines, [
          "[STARTUP] DATABASE_URL is set",
          "[STARTUP] Database connection successful",
          "[STARTUP] Migrations completed",
          "[STARTUP] Database tables verified: 0 users"
        ])
      }).pipe(Effect.scoped, Effect.provide([TestDatabase.layer, TestConsole.layer]))
    )
  }

  it.live("fails once the time to start is over, when each connection is lost", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      // The last statement of each start ends its own connection.
      yield* sql`ALTER TABLE users RENAME TO kept`
      yield* sql`
        CREATE VIEW users AS SELECT kept.* FROM kept, LATERAL (SELECT pg_terminate_backend(pg_backend_pid())) ended`
      yield* sql`INSERT INTO kept (username, email, password_hash) VALUES ('ada', 'ada@example.com', '')`
      const error = yield* failure({
        DATABASE_URL: Redacted.value((yield* TestDatabase).url),
        DATABASE_STARTUP_TIMEOUT: "500 millis"
      })
      assert.strictEqual(error._tag, "DatabaseUnreachable")
    }).pipe(Effect.provide([TestDatabase.layer, TestConsole.layer]))
  )

  it.effect("fails a program that needs it, and every service, with an error that the program can tell apart", () =>
    Effect.gen(function* () {
      const unset = databaseOf({})
      const answer = numberOfUsers.pipe(
        Effect.provide(unset),
        Effect.catchTag("DatabaseUrlMissing", (error) => Effect.succeed(error.message))
      )
      assert.match(String(yield* answer), /^DATABASE_URL is not set: /)
      const error = yield* Layer.build(ServicesLive.pipe(Layer.provide(unset))).pipe(Effect.scoped, Effect.flip)
      assert.strictEqual(error._tag, "DatabaseUrlMissing")
    })
  )
})

describe("a configuration of the database", () => {
  const malformed = {
    "canary word": "it does not start with postgresql://",
    "http://someone:canary@db/xfchat": "it does not start with postgresql://",
    '"postgresql://someone:canary@db/xfchat"': "it does not start with postgresql://",
    "postgresql://someone:canary@db:port/xfchat": "it is not a URL",
    "postgresql://someone:canary@[::1/xfchat": "it is not a URL",
    "postgresql://someone:canary@a,b,c/xfchat?port=1,2": "it does not have as many ports as hosts",
    "host=a,b hostaddr=127.0.0.1 password=canary": "it does not have as many hosts as addresses",
    "host=db password=can ary'": "a value in it must be quoted",
    "host=db password='canary": "a value in it must be quoted",
    "postgresql://someone:canary@a,b/xfchat?target_session_attrs=primary":
      "it has several hosts and target_session_attrs",
    "postgresql://someone:canary@db:70000/xfchat": "its port is not a number from 1 to 65535",
    "postgresql://someone:canary@db/xfchat?port=0": "its port is not a number from 1 to 65535",
    "postgresql://someone:canary%zz@db/xfchat": "it has a broken percent-encoding",
    "postgresql://some%one:canary@db/xfchat": "it has a broken percent-encoding",
    "postgresql://someone:p@canary/word@db/xfchat": "a / ? or # in it is not percent-encoded",
    "postgresql://someone:p@canary?word@db/xfchat": "a / ? or # in it is not percent-encoded",
    "postgresql://someone:p@canary#word@db/xfchat": "a / ? or # in it is not percent-encoded",
    "postgresql://someone:word@db/xfchat?sslmode=canary":
      "its sslmode is not one of disable, allow, prefer, require, verify-ca, verify-full",
    "postgresql://someone:word@db/xfchat?connect_timeout=canary": "its connect_timeout is not a whole number of seconds"
  }
  for (const [url, reason] of Object.entries(malformed)) {
    it.effect(`is refused before any attempt to connect: ${url}`, () =>
      Effect.gen(function* () {
        const error = yield* failure({ DATABASE_URL: url })
        assert.strictEqual(error._tag, "DatabaseUrlMalformed")
        assert.include(error.message, `DATABASE_URL is malformed: ${reason}`)
        assert.include(error.message, ". It must look like postgresql://USER:")
        assert.notMatch(error.message, /canary/)
        assert.deepStrictEqual(yield* TestConsole.errorLines, [])
      })
    )
  }

  it.effect("may have an empty DATABASE_URL, which counts as missing", () =>
    Effect.map(failure({ DATABASE_URL: "" }), ({ _tag }) => assert.strictEqual(_tag, "DatabaseUrlMissing"))
  )

  for (const wrong of [
    { DATABASE_MAX_CONNECTIONS: "0" },
    { DATABASE_MAX_CONNECTIONS: "many" },
    { DATABASE_STARTUP_TIMEOUT: "30" },
    { DATABASE_STARTUP_TIMEOUT: "soon" }
  ]) {
    it.effect(`is refused: ${JSON.stringify(wrong)}`, () =>
      Effect.map(failure({ DATABASE_URL: "postgresql://someone:word@127.0.0.1/xfchat", ...wrong }), ({ _tag }) =>
        assert.strictEqual(_tag, "ConfigError")
      )
    )
  }
})

describe("DATABASE_URL", () => {
  /** A folder with a socket that leads to the PostgreSQL of the test, as its own would be. */
  const socketFolder = Effect.fnUntraced(function* (port: number) {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "xfchat socket-"))),
      (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
    )
    const server = createServer((inside) => {
      const outside = connect({ host: "127.0.0.1", port })
      inside.on("error", () => outside.destroy()).on("close", () => outside.destroy())
      outside.on("error", () => inside.destroy()).on("close", () => inside.destroy())
      inside.pipe(outside).pipe(inside)
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.listen(join(folder, ".s.PGSQL.5433"), () => resume(Effect.void))
      }),
      () => Effect.sync(() => void server.close())
    )
    return folder
  })

  const forms: ReadonlyArray<
    (at: Record<"user" | "password" | "name" | "port" | "closed" | "folder", string>) => string
  > = [
    (at) => `postgres://${at.user}:${at.password}@localhost:${at.port}/${at.name}`,
    (at) => `postgresql://${at.user}:${at.password}@/${at.name}?host=${at.folder}&port=5433`,
    (at) => `postgresql://${at.user}:${at.password}@${encodeURIComponent(at.folder)}:5433/${at.name}`,
    (at) => `postgresql:///${at.name}?user=${at.user}&password=${at.password}&host=127.0.0.1&port=${at.port}`,
    (at) => `postgresql://${at.user}@:${at.port}/?dbname=${at.name}&host=127.0.0.1&password=${at.password}`,
    (at) => `postgresql://${at.user}:${at.password}@127.0.0.1:${at.closed},127.0.0.1:${at.port}/${at.name}`,
    (at) =>
      `postgresql://${at.user}:${at.password}@127.0.0.1,${encodeURIComponent(at.folder)}:5433/${at.name}?port=${at.closed},5433`,
    (at) => `postgresql://${at.user}:${at.password}@db.invalid:${at.port}/${at.name}?hostaddr=127.0.0.1&sslmode=prefer`,
    (at) => `postgresql://${at.user}:${at.password}@/${at.name}?host=${at.folder}&port=5433&sslmode=require`,
    (at) => `host=127.0.0.1 port=${at.port} user=${at.user} password=${at.password} dbname=${at.name}`,
    (at) =>
      `  host = '${at.folder}' port=5433 user='${at.user}' password = '${at.password.replaceAll(/(.)/g, "\\$1")}' dbname=${at.name} `,
    (at) =>
      `postgresql://${at.user}:${at.password}@127.0.0.1:${at.port}/${at.name}?application_name=a%40b&options=-c%20geqo%3Doff&connect_timeout=10`
  ]
  it.live("is accepted in every form of libpq", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const given = new URL(Redacted.value(url))
      const at = {
        user: given.username,
        password: decodeURIComponent(given.password),
        name: given.pathname.slice(1),
        port: given.port,
        closed: String(yield* freePort),
        folder: yield* socketFolder(Number(given.port))
      }
      for (const form of forms) {
        const asked = Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          return yield* sql`SELECT current_database() AS name, current_user AS user`
        })
        assert.deepStrictEqual(yield* Effect.provide(asked, databaseOf({ DATABASE_URL: form(at) })), [
          { name: at.name, user: at.user }
        ])
      }
      const settings = yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        return yield* sql`SELECT current_setting('application_name') AS name, current_setting('geqo') AS geqo`
      }).pipe(Effect.provide(databaseOf({ DATABASE_URL: forms.at(-1)?.(at) ?? "" })))
      assert.deepStrictEqual(settings, [{ name: "a@b", geqo: "off" }])
    }).pipe(Effect.provide([TestDatabase.layer, TestConsole.layer]))
  )

  it.effect("has libpq's defaults: the user of this machine, the database of that name, port 5432", () =>
    Effect.gen(function* () {
      const { username } = userInfo()
      for (const text of ["postgresql://", "postgresql:///", "user='' host="]) {
        const parsed = yield* parseDatabaseUrl(Redacted.make(text))
        assert.strictEqual(parsed.username, username)
        assert.strictEqual(parsed.database, username)
        assert.match(parsed.address, /^(localhost|\/.*):5432$/)
      }
      const named = yield* parseDatabaseUrl(Redacted.make("postgresql://ada@[::1]"))
      assert.deepStrictEqual([named.database, named.address], ["ada", "[::1]:5432"])
    })
  )
})

describe("a database that cannot be used", () => {
  const at = (host: string, port: number) => ({
    DATABASE_URL: `postgresql://someone:canary@${host}:${port}/xfchat`,
    DATABASE_STARTUP_TIMEOUT: "500 millis"
  })
  const unreachable = (configuration: Record<string, string>, reason: RegExp) =>
    Effect.gen(function* () {
      const [duration, error] = yield* Effect.timed(failure(configuration))
      assert.strictEqual(error._tag, "DatabaseUnreachable")
      assert.match(error.message, reason)
      assert.notMatch(error.message, /canary|\n/)
      return Duration.toMillis(duration)
    }).pipe(Effect.provide(TestConsole.layer))

  it.live("is tried for as long as configured, whatever happens there", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const silent = yield* listenWith(() => {})
      const closing = yield* listenWith((socket) => socket.end())
      for (const [configuration, reason] of [
        [
          at("127.0.0.1", port),
          /^No connection to PostgreSQL at 127\.0\.0\.1:\d+ within 0\.5 s \(connection refused\)\./
        ],
        [at("127.0.0.1", silent), /^No connection to PostgreSQL at 127\.0\.0\.1:\d+ within 0\.5 s \(no answer\)\./],
        [at("127.0.0.1", closing), /\(the connection was closed\)/],
        [
          at("xfchat.invalid", 5432),
          /^No connection to PostgreSQL at xfchat\.invalid:5432 .*\((host not found|no answer)\)/
        ]
      ] as const) {
        const milliseconds = yield* unreachable(configuration, reason)
        assert.isAtLeast(milliseconds, 490)
        // A single attempt may take 5 s, and is cut short.
        assert.isBelow(milliseconds, 4000)
      }
    })
  )

  for (const [sqlState, words] of [
    ["57P03", "the database system is starting up"],
    ["53300", "sorry, too many clients already"]
  ] as const) {
    it.live(`is tried again while PostgreSQL says: ${words}`, () =>
      Effect.gen(function* () {
        let attempts = 0
        const port = yield* listenWith((socket) => {
          attempts++
          socket.end(refusal(sqlState, words))
        })
        yield* unreachable(at("127.0.0.1", port), new RegExp(`\\(${words}\\)`))
        assert.isAbove(attempts, 1)
      })
    )
  }

  it.live("because of missing rights is reported at once, in PostgreSQL's words", () =>
    Effect.gen(function* () {
      const words = 'no pg_hba.conf entry for host "192.0.2.1"'
      const port = yield* listenWith((socket) => socket.end(refusal("28000", words)))
      const error = yield* failure({ ...at("127.0.0.1", port), DATABASE_STARTUP_TIMEOUT: "10 minutes" })
      assert.strictEqual(error._tag, "DatabaseAccessDenied")
      assert.include(error.message, `refused user "someone" (${words}): check`)
    }).pipe(Effect.provide(TestConsole.layer))
  )

  it.live("because of a missing password in DATABASE_URL is reported at once", () =>
    Effect.gen(function* () {
      const port = yield* listenWith((socket) => socket.write(passwordRequest))
      const error = yield* failure({ DATABASE_URL: `postgresql://someone@127.0.0.1:${port}/xfchat` })
      assert.strictEqual(error._tag, "DatabaseAccessDenied")
      assert.include(error.message, 'refused user "someone" (The server requested password authentication): check')
    }).pipe(Effect.provide(TestConsole.layer))
  )
})
