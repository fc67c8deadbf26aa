import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { TestDatabase } from "../src/testing/index.ts"
import { xfchat } from "./commands/command.ts"
import { startServer } from "./serverProcess.ts"

/** A word that must not appear anywhere but where it belongs. */
const canary = (name: string) => `canary${name}${randomUUID().replaceAll("-", "").slice(0, 12)}`

it.live(
  "No password, token, message text or database URL is in a log line, even at the lowest level, or in an error",
  () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const password = canary("Password")
      const wrong = canary("Wrong")
      const text = canary("Text")
      const databasePassword = canary("Database")
      const admin = canary("Admin")
      const exporter = canary("Exporter")
      const role = canary("role").toLowerCase()
      yield* Effect.acquireRelease(
        sql.unsafe(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${databasePassword}'`),
        () => Effect.ignore(sql.unsafe(`DROP ROLE ${role}`))
      )
      const address = new URL(Redacted.value((yield* TestDatabase).url))
      address.username = role
      address.password = databasePassword
      const server = yield* startServer("node", Redacted.make(address.href), {
        LOG_LEVEL: "trace",
        ADMIN_TOKEN: admin,
        OTEL_EXPORTER_OTLP_HEADERS: `authorization=${exporter}`
      })

      const errors: Array<string> = []
      const ask = (method: string, path: string, token: string | undefined, body?: unknown) =>
        Effect.promise(async () => {
          const response = await fetch(`http://127.0.0.1:${server.port}/api${path}`, {
            method,
            headers: {
              "content-type": "application/json",
              ...(token === undefined ? {} : { authorization: `Bearer ${token}` })
            },
            ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
          })
          const answer = await response.text()
          if (response.status >= 400) errors.push(answer)
          return { status: response.status, answer }
        })

      const username = `u${randomUUID().replaceAll("-", "").slice(0, 20)}`
      const account = { username, email: `${username}@example.com`, password }
      const { answer } = yield* ask("POST", "/auth/signup", undefined, account)
      const { token } = JSON.parse(answer) as { token: string }
      yield* ask("POST", "/auth/signup", undefined, account)
      yield* ask("POST", "/auth/signup", undefined, { ...account, username: password, displayName: `${wrong}\u0000` })
      yield* ask("POST", "/auth/login", undefined, { login: username, password: wrong })
      yield* ask("POST", "/auth/login", undefined, `{"login":"${username}","password":"${password}"`)
      yield* ask("PUT", "/auth/password", token, { currentPassword: wrong, newPassword: password })
      yield* ask("PUT", "/auth/password", token, { currentPassword: password, newPassword: "x" })
      yield* ask("GET", "/auth/me", `${token}x`)
      yield* ask("GET", "/admin/database", canary("Guess"))
      assert.strictEqual((yield* ask("GET", "/admin/database", admin)).status, 200)
      const group = yield* ask("POST", "/conversations", token, { name: "A group", participantIds: [] })
      const { id } = JSON.parse(group.answer) as { id: string }
      const messages = `/conversations/${id}/messages`
      const first = randomUUID()
      assert.strictEqual((yield* ask("PUT", `${messages}/${first}`, token, { content: text })).status, 201)
      yield* ask("PUT", `${messages}/${first}`, token, { content: `${text} again` })
      yield* ask("PUT", `${messages}/${randomUUID()}`, token, { content: text, messageType: "image" })
      yield* ask("PUT", `${messages}/${randomUUID()}`, token, { content: `${text}\u0000`, colour: text })
      yield* ask("PUT", `${messages}/first`, token, { content: text })
      yield* ask("GET", `/messages/search?q=${text}&limit=${text}`, token)
      // PostgreSQL quotes the whole row that breaks a constraint.
      yield* sql.unsafe("ALTER TABLE chat_messages ADD CONSTRAINT broken CHECK (false) NOT VALID")
      const refused = yield* ask("PUT", `${messages}/${randomUUID()}`, token, { content: text })
      assert.isAtLeast(refused.status, 500)
      yield* sql.unsafe("ALTER TABLE users ADD CONSTRAINT broken CHECK (false) NOT VALID")
      assert.isAtLeast((yield* ask("PATCH", "/auth/me", token, { displayName: "Ada" })).status, 500)
      // The role can no longer connect, and the pool's connections are cut.
      yield* sql.unsafe(`ALTER ROLE ${role} NOLOGIN`)
      yield* sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ${role}`
      assert.strictEqual((yield* ask("GET", "/auth/me", token)).status, 503)
      yield* server.kill("SIGTERM")
      yield* server.exit

      assert.isAbove(errors.length, 15)
      assert.include(server.output(), "DEBUG")
      for (const secret of [password, wrong, text, databasePassword, token, admin, exporter]) {
        assert.notInclude(server.output(), secret)
        for (const error of errors) assert.notInclude(error, secret)
      }
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer)),
  60_000
)

it.live(
  "No password or database URL is in the log lines of a command, even at the lowest level",
  () =>
    Effect.gen(function* () {
      const password = canary("Password")
      const databasePassword = canary("Database")
      const { url } = yield* TestDatabase
      const name = `u${randomUUID().replaceAll("-", "").slice(0, 20)}`
      const run = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const given = new URL(Redacted.value(url))
        // In a mistyped URL the secret may stand in another part.
        if (args[0] === "doctor") given.password = databasePassword
        const env = { DATABASE_URL: given.href, DATABASE_STARTUP_TIMEOUT: "1 second", LOG_LEVEL: "trace" }
        const { errorOutput, output } = yield* xfchat(args, { env, input: `${password}\n` })
        for (const secret of [password, databasePassword, decodeURIComponent(new URL(Redacted.value(url)).password)]) {
          if (secret !== "") assert.notInclude(output + errorOutput, secret)
        }
        return output + errorOutput
      })
      assert.include(yield* run("user", "create", name, `${name}@example.com`, "--password-stdin"), "created")
      assert.include(yield* run("user", "reset-password", name, "--password-stdin"), "new password")
      yield* run("doctor")
    }).pipe(Effect.provide(TestDatabase.layer)),
  180_000
)
