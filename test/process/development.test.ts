import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { fileURLToPath } from "node:url"
import { TestDatabase } from "../../src/testing/index.ts"
import { startProcess } from "../serverProcess.ts"

// Processes take long to start where there is much else to do.
vi.setConfig({ testTimeout: 120_000 })

const root = fileURLToPath(new URL("../../", import.meta.url))

const commands = {
  node: [`${root}node_modules/.bin/node`, "src/cli.ts", "dev", "--demo"],
  deno: [`${root}node_modules/.bin/deno`, "run", "-A", "src/cli.ts", "dev", "--demo"]
} as const

describe("the server for development", () => {
  for (const [runtime, command] of Object.entries(commands)) {
    it.live(`prints three commands that work as printed, and stops on a signal, on ${runtime}`, () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const server = yield* startProcess(command, { DATABASE_URL: Redacted.value(url), SERVER_PORT: "0" })
        const [, signUp = ""] = yield* server.line(/# sign up\n(curl .*)\n/)
        const [, subscribe = ""] = yield* server.line(/# subscribe, as Ada.*\n(curl .*)\n/)
        const [, send = ""] = yield* server.line(/# send, as Grace.*\n(curl .*)\n/)
        const run = (line: string) => startProcess(["bash", "-c", line], {})

        const account = yield* run(signUp)
        yield* account.line(/"token":"[\w-]+"/)
        const subscriber = yield* run(subscribe)
        yield* subscriber.line(/HTTP 200 OK/)
        const sender = yield* run(send)
        assert.strictEqual(yield* sender.exit, 0)
        yield* subscriber.line(/"content":"Hello, Ada"/)

        yield* server.kill("SIGINT")
        assert.strictEqual(yield* server.exit, 0)
        yield* subscriber.exit
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }

  it.live("creates no demo people in your database unless asked, and listens on loopback only", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const sql = yield* SqlClient.SqlClient
      const [node, cli, dev] = commands.node
      const env = { DATABASE_URL: Redacted.value(url), SERVER_PORT: "0" }
      const server = yield* startProcess([node, cli, dev], env)
      yield* server.line(/# sign up\n(curl .*)\n/)
      yield* server.line(/listening on 127\.0\.0\.1:\d+/)
      yield* server.kill("SIGTERM")
      assert.strictEqual(yield* server.exit, 0)
      assert.notInclude(server.output(), "Bearer")
      assert.deepStrictEqual(yield* sql`SELECT username FROM users`, [])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
