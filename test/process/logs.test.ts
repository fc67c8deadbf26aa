import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { createServer, type IncomingMessage } from "node:http"
import { TestDatabase, TestServer } from "../../src/testing/index.ts"
import * as Log from "../../src/platform/Log.ts"
import { Client, twoPeople } from "../../src/conformance/Client.ts"
import { startServer, type Runtime, type ServerProcess } from "../serverProcess.ts"
import { having } from "./database.ts"
import { listen } from "./tcp.ts"

const runtimes: ReadonlyArray<Runtime> = ["node", "deno", "edge"]

interface Line extends Record<string, unknown> {
  readonly level: string
  readonly message: string
}

/** The log lines so far: each must be JSON, except those about the start. */
const linesOf = (server: Pick<ServerProcess, "output">): ReadonlyArray<Line> =>
  server
    .output()
    .split("\n")
    .filter((line) => line !== "" && !/^\[STARTUP\]|^Listening on|^deno serve/.test(line))
    .map((line) => JSON.parse(line) as Line)

/** Stands for a secret: it must not appear in any log. */
const canary = "canary"

/** Drops a table that authentication needs: requests get 500. */
const breakSignIn = having("DROP TABLE sessions CASCADE")

describe("the log of a server", () => {
  for (const runtime of runtimes) {
    it.live(`has one line of JSON for each event, with the id of its request, on ${runtime}`, () =>
      Effect.gen(function* () {
        const server = yield* startServer(runtime, (yield* TestDatabase).url)
        yield* breakSignIn
        const answer = yield* Effect.promise(() => new Client({ url: server.baseUrl }, canary).get("/api/auth/me"))
        assert.strictEqual(answer.status, 500)
        yield* server.line(/Request failed/)
        const failed = linesOf(server).find(({ message }) => message === "Request failed")
        assert.isDefined(failed)
        assert.strictEqual(failed["level"], "ERROR")
        assert.strictEqual(failed["module"], "xfchat/http")
        assert.strictEqual(failed["requestId"], answer.headers.get("x-request-id"))
        assert.match(String(failed["time"]), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
        assert.match(String(failed["cause"]), /sessions/)
        assert.notInclude(server.output(), canary)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }

  it.live("is readable text if LOG_FORMAT asks for it", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const server = yield* startServer("node", url, { LOG_FORMAT: "pretty" })
      yield* breakSignIn
      yield* Effect.promise(() => new Client({ url: server.baseUrl }, canary).get("/api/auth/me"))
      yield* server.line(/ERROR .*: Request failed/)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("shows statements and requests, but no values, if a module logs at level debug", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const server = yield* startServer("node", url, { LOG_LEVEL: "warn,xfchat/database=debug,xfchat/http=debug" })
      const { ada, conversation } = yield* Effect.promise(() => twoPeople({ url: server.baseUrl }))
      yield* Effect.promise(() => ada.send(conversation, `${canary} sings`))
      const { headers } = yield* Effect.promise(() => ada.get(`/api/messages/search?q=${canary}`))
      yield* server.line(/COMMIT/)
      const requestId = headers.get("x-request-id")
      const ofRequest = linesOf(server).filter((line) => line["requestId"] === requestId)
      assert.deepStrictEqual([...new Set(ofRequest.map((line) => line["module"]))].sort(), [
        "xfchat/database",
        "xfchat/http"
      ])
      const search = ofRequest.find(({ message }) => message.includes("::tsquery"))
      assert.match(String(search?.message), /^SELECT .* terms @@ \$\d+::tsquery/)
      const request = ofRequest.find((line) => line["module"] === "xfchat/http")
      assert.strictEqual(request?.message, "GET /api/messages/search")
      assert.strictEqual(request?.["status"], 200)
      assert.isNumber(request?.["milliseconds"])
      assert.notInclude(server.output(), canary)
      assert.notInclude(server.output(), ada.token ?? canary)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("omits lines below its level, which RUST_LOG sets if LOG_LEVEL does not", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const statements = (environment: Record<string, string>) =>
        Effect.gen(function* () {
          const server = yield* startServer("deno", url, environment)
          yield* Effect.promise(() => twoPeople({ url: server.baseUrl }))
          return linesOf(server).filter((line) => line["module"] === "xfchat/database").length
        }).pipe(Effect.scoped)
      assert.strictEqual(yield* statements({}), 0)
      assert.isAbove(yield* statements({ RUST_LOG: "info,xfchat::database=debug" }), 0)
      assert.strictEqual(yield* statements({ RUST_LOG: "debug", LOG_LEVEL: "info" }), 0)
    }).pipe(Effect.provide(TestDatabase.layer))
  )
})

describe("the id of a request", () => {
  it.effect("is the one from its proxy, if that is well formed", () =>
    Effect.gen(function* () {
      const { baseUrl, fetch } = yield* TestServer
      const idOf = (given: string) =>
        Effect.promise(async () => {
          const { headers } = await fetch(`${baseUrl}/livez`, { headers: { "x-request-id": given } })
          return headers.get("x-request-id") ?? ""
        })
      for (const given of ["7d44b28e-8e7c-4b0e-9d4a-2f6b8ac7a001", "1-67891233-abcdef012345678912345678"]) {
        assert.strictEqual(yield* idOf(given), given)
      }
      for (const given of ["", "short", "x".repeat(129), "with a space", '"quoted-12345"', "<script>alert(1)"]) {
        assert.match(yield* idOf(given), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      }
    }).pipe(Effect.provide(TestServer.layer))
  )
})

describe("levels", () => {
  const decode = Schema.decodeUnknownSync(Log.LogLevelsFromString)
  const level = (text: string, module?: string) => Log.levelOf(decode(text), module)

  it("apply to all modules, unless a module has its own: the longest name wins", () => {
    assert.strictEqual(level("warn"), "Warn")
    assert.strictEqual(level("DEBUG", "xfchat/http"), "Debug")
    assert.strictEqual(level("xfchat/http=debug"), "Info")
    const mixed = "error,xfchat=warn,xfchat/live=debug,xfchat/live/Draining=off"
    assert.strictEqual(level(mixed), "Error")
    assert.strictEqual(level(mixed, "xfchat/http"), "Warn")
    assert.strictEqual(level(mixed, "xfchat/live"), "Debug")
    assert.strictEqual(level(mixed, "xfchat/live/Feed"), "Debug")
    assert.strictEqual(level(mixed, "xfchat/live/Draining"), "None")
    assert.strictEqual(level(mixed, "xfchat/lives"), "Warn")
    assert.strictEqual(level("xfchat::live=trace", "xfchat/live"), "Trace")
  })

  it("are refused if malformed", () => {
    for (const text of ["loud", "info,", "info;debug", "=debug", "xfchat=", "xfchat=loud"]) {
      assert.throws(() => decode(text), undefined, undefined, text)
    }
  })
})

describe("OpenTelemetry", () => {
  it.live("receives traces of requests and log lines, with the configured headers", () =>
    Effect.gen(function* () {
      const received = new Map<string, { headers: IncomingMessage["headers"]; body: Buffer }>()
      const collector = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          const earlier = received.get(request.url ?? "")?.body ?? Buffer.of()
          received.set(request.url ?? "", { headers: request.headers, body: Buffer.concat([earlier, ...chunks]) })
          response.end()
        })
      })
      const port = yield* listen(collector)
      const server = yield* startServer("node", (yield* TestDatabase).url, {
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20abc,x-tenant=engines",
        OTEL_SERVICE_NAME: "chat-of-test"
      })
      const { ada } = yield* Effect.promise(() => twoPeople({ url: server.baseUrl }))
      yield* Effect.promise(() => ada.get(`/api/users?query=${canary}`))
      yield* Effect.promise(() => ada.get(`/api/messages/search?q=${canary}`))
      yield* breakSignIn
      const { headers } = yield* Effect.promise(() => new Client({ url: server.baseUrl }, canary).get("/api/auth/me"))
      // Unsent lines are sent at the end.
      yield* server.kill("SIGTERM")
      yield* server.exit
      const [traces, logs] = [received.get("/v1/traces"), received.get("/v1/logs")]
      assert.isDefined(traces)
      assert.isDefined(logs)
      for (const { body, headers } of [traces, logs]) {
        assert.strictEqual(headers["authorization"], "Bearer abc")
        assert.strictEqual(headers["x-tenant"], "engines")
        assert.isTrue(body.includes("chat-of-test"))
        assert.isFalse(body.includes(canary))
      }
      for (const text of ["/api/auth/me", "Accounts.create", "SELECT"]) assert.isTrue(traces.body.includes(text), text)
      assert.isTrue(logs.body.includes("Request failed"))
      assert.isTrue(logs.body.includes(headers.get("x-request-id") ?? "nothing"))
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
