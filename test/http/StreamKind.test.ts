import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { Headers } from "effect/http"
import { streamKindOf } from "../../src/http/StreamKind.ts"
import { TestServer } from "../../src/testing/index.ts"
import { Person } from "../../src/conformance/Client.ts"

const kindOf = (headers: Record<string, string>, url = "/api/inbox") =>
  streamKindOf({ headers: Headers.fromInput(headers), url })

describe("The kind of stream that a request asks for", () => {
  it("is read from Subscribe, `?wait=` and Accept, in this order", () => {
    assert.strictEqual(kindOf({ subscribe: "true", accept: "text/event-stream" }, "/api/inbox?wait=1s"), "braid")
    assert.strictEqual(kindOf({ accept: "text/event-stream" }, "/api/inbox?after=1&wait=1s"), "poll")
    assert.strictEqual(kindOf({ accept: "application/x-ndjson, text/event-stream;q=0.9" }), "events")
    assert.strictEqual(kindOf({ accept: "Application/X-NDJSON" }), "lines")
  })

  it("is none for a Subscribe that says no, for other media types, and for `wait=` inside another parameter", () => {
    assert.isUndefined(kindOf({ subscribe: "false" }))
    assert.isUndefined(kindOf({ subscribe: "?0", accept: "*/*" }))
    assert.isUndefined(kindOf({ accept: "application/json" }))
    assert.isUndefined(kindOf({ accept: "x-text/event-stream" }))
    assert.isUndefined(kindOf({}, "/api/users?query=?wait=1s"))
    assert.isUndefined(kindOf({}, "/api/inbox?await=1s"))
  })
})

const limited = ConfigProvider.layerAdd(
  ConfigProvider.fromUnknown({ RATE_LIMIT_READING: "100", RATE_LIMIT_STREAMING: "100" }),
  { asPrimary: true }
)

describe("A request", () => {
  it.live("is counted as a stream exactly if it is answered with one", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* TestServer
      const ada = yield* Effect.promise(() => Person.signUp({ url: baseUrl }))
      const ask = (headers: Record<string, string>, query = "") =>
        Effect.promise(async () => {
          const answer = await fetch(`${baseUrl}/api/inbox${query}`, {
            headers: { ...ada.authorization, ...headers }
          })
          const type = answer.headers.get("content-type")?.split(";")[0]
          await answer.body?.cancel()
          return [type, /^"(\w+)"/.exec(answer.headers.get("ratelimit-policy") ?? "")?.[1]]
        })
      assert.deepStrictEqual(yield* ask({}), ["application/json", "reading"])
      assert.deepStrictEqual(yield* ask({ subscribe: "false" }), ["application/json", "reading"])
      assert.deepStrictEqual(yield* ask({ accept: "text/event-streams" }), ["application/json", "reading"])
      assert.deepStrictEqual(yield* ask({ accept: "Text/Event-Stream" }), ["text/event-stream", "streaming"])
      assert.deepStrictEqual(yield* ask({ accept: "application/x-ndjson" }), ["application/x-ndjson", "streaming"])
      assert.deepStrictEqual(yield* ask({}, "?wait=1s"), ["application/json", "streaming"])
    }).pipe(Effect.provide(TestServer.layerSocket.pipe(Layer.provide(limited))))
  )
})
