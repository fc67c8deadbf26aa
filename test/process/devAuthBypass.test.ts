import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { request } from "node:http"
import { TestDatabase } from "../../src/testing/index.ts"
import { Client, Person, type User } from "../../src/conformance/Client.ts"
import { subscribe } from "../../src/conformance/Stream.ts"
import { runtimes, startProcess, startServer } from "../serverProcess.ts"

const bypass = { DEV_AUTH_BYPASS: "1" }

/** The status of a GET with any headers, including `Host`. */
const statusOf = (url: string, headers: Record<string, string>) =>
  new Promise<number | undefined>((resolve, reject) => {
    request(url, { headers, agent: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
      .on("error", reject)
      .end()
  })

describe("DEV_AUTH_BYPASS", () => {
  for (const [when, runtime, environment, says] of [
    ["no address", "node", {}, /other machines may reach 0\.0\.0\.0/],
    ["all addresses of IPv6", "node", { SERVER_HOST: "::" }, /other machines may reach ::/],
    ["a public address", "deno", { SERVER_HOST: "192.0.2.1" }, /other machines may reach 192\.0\.2\.1/],
    ["a name", "node", { SERVER_HOST: "localhost.example.com" }, /other machines may reach localhost\.example\.com/],
    ["a fetch handler", "edge", { SERVER_HOST: "127.0.0.1" }, /a fetch handler cannot tell who/]
  ] as const) {
    it.live(`is refused on ${when}, in one line, before anything else, on ${runtime}`, () =>
      Effect.gen(function* () {
        const server = yield* startProcess(runtimes[runtime]("0"), { ...bypass, ...environment })
        assert.strictEqual(yield* server.exit, 1)
        assert.match(server.output(), /^DEV_AUTH_BYPASS=1 lets anyone act as any user, and .*\.\n$/)
        assert.match(server.output(), says)
      }).pipe(Effect.scoped)
    )
  }

  for (const runtime of ["node", "deno"] as const) {
    it.live(`lets clients of this machine act as any user, and warns about it, on ${runtime}`, () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const server = yield* startServer(runtime, (yield* TestDatabase).url, bypass)
        assert.match(server.errorOutput(), /^\[STARTUP\] WARNING: DEV_AUTH_BYPASS is on\..*$/m)
        const url = server.baseUrl
        const me = `${url}/api/auth/me`
        const as = (name: string) => new Client({ url }).get<User>("/api/auth/me", { "x-dev-user": name })
        yield* Effect.promise(async () => {
          const answers = await Promise.all(Array.from({ length: 5 }, () => as("ada")))
          const [ada] = answers
          for (const answer of answers) {
            assert.strictEqual(answer.status, 200, answer.text)
            assert.deepStrictEqual(answer.body, ada!.body)
          }
          assert.deepStrictEqual((await as("ADA")).body, ada!.body)
          assert.notStrictEqual((await as("grace")).body.id, ada!.body.id)

          for (const name of ["", "a", "Ada Lovelace", "a'--"]) assert.strictEqual((await as(name)).status, 401, name)
          assert.strictEqual(await statusOf(me, {}), 401)
          assert.strictEqual(await statusOf(me, { "x-dev-user": "ada", authorization: "Bearer none" }), 401)
          // As a page of another name would ask, or somebody through a proxy.
          assert.strictEqual(await statusOf(me, { "x-dev-user": "ada", host: "example.com" }), 401)
          assert.strictEqual(await statusOf(me, { "x-dev-user": "ada", host: "localhost:3000" }), 200)

          const grace = await Person.signUp({ url })
          assert.strictEqual((await grace.get("/api/auth/me", { "x-dev-user": "ada" })).status, 200)
          assert.deepStrictEqual((await grace.get<User>("/api/auth/me", { "x-dev-user": "ada" })).body, grace.user)

          const nobody = new Person({ url }, { token: "", expiresAt: "", user: ada!.body })
          Object.defineProperty(nobody, "authorization", { value: { "x-dev-user": "ada" } })
          await using inbox = await subscribe(nobody, "/api/inbox")
          await inbox.snapshot()
          assert.strictEqual((await nobody.post("/api/auth/logout")).status, 204)
          assert.strictEqual((await as("ada")).status, 200)
        })
        assert.lengthOf(yield* sql`SELECT FROM users WHERE lower(username) IN ('ada', 'grace')`, 2)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }

  it.live("is off by default: the header is ignored", () =>
    Effect.gen(function* () {
      for (const environment of [{}, { DEV_AUTH_BYPASS: "0" }]) {
        const server = yield* startServer("node", (yield* TestDatabase).url, environment)
        assert.notInclude(server.output(), "DEV_AUTH_BYPASS")
        const answer = yield* Effect.promise(() =>
          new Client({ url: server.baseUrl }).get("/api/auth/me", { "x-dev-user": "ada" })
        )
        assert.strictEqual(answer.status, 401)
      }
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
