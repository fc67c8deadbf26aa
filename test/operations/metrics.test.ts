import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { randomUUID } from "node:crypto"
import { connect } from "node:net"
import { TestDatabase, TestServer } from "../../src/testing/index.ts"
import { atOnce, twoPeople } from "../../src/conformance/Client.ts"
import { subscribe } from "../../src/conformance/Stream.ts"
import { startServer, type Runtime } from "../serverProcess.ts"
import { lockUsers } from "../process/database.ts"

const runtimes: ReadonlyArray<Runtime> = ["node", "deno", "edge"]

/** The values of `/metrics`, by name and labels as they are written there. */
const scrape = async (baseUrl: string, ask: TestServer["Service"]["fetch"] = fetch) => {
  const answer = await ask(`${baseUrl}/metrics`)
  assert.strictEqual(answer.status, 200)
  assert.strictEqual(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8")
  const values = new Map<string, number>()
  for (const line of (await answer.text()).trimEnd().split("\n")) {
    if (line.startsWith("#")) continue
    const [, series = "", value] = /^([a-z_]+(?:\{.*\})?) (\S+)$/.exec(line) ?? []
    assert.isFalse(values.has(series), `${series} is there twice`)
    values.set(series, Number(value))
  }
  return values
}

const messages = 'method="PUT",route="/api/conversations/:id/messages/:messageId"'

describe("/metrics", () => {
  for (const runtime of runtimes) {
    it.live(`counts and times requests by the template of their route, and messages, on ${runtime}`, () =>
      Effect.gen(function* () {
        const { baseUrl } = yield* startServer(runtime, (yield* TestDatabase).url)
        const values = yield* Effect.promise(async () => {
          const { ada, conversation, grace } = await twoPeople({ url: baseUrl })
          await atOnce(20, (n) => (n % 2 === 0 ? ada : grace).send(conversation, `message ${n}`))
          await ada.put(`${conversation}/messages/${randomUUID()}`, {})
          await Promise.all([randomUUID(), randomUUID(), "%"].map((id) => ada.get(`/nowhere/${id}`)))
          return scrape(baseUrl)
        })
        assert.strictEqual(values.get(`xfchat_http_requests_total{${messages},status="201"}`), 20)
        assert.strictEqual(values.get(`xfchat_http_requests_total{${messages},status="422"}`), 1)
        assert.strictEqual(values.get(`xfchat_http_requests_total{method="*",route="*",status="404"}`), 3)
        assert.strictEqual(values.get(`xfchat_http_request_seconds_count{${messages}}`), 21)
        assert.strictEqual(values.get(`xfchat_http_request_seconds_bucket{${messages},le="+Inf"}`), 21)
        assert.isAbove(values.get(`xfchat_http_request_seconds_sum{${messages}}`) ?? 0, 0)
        assert.strictEqual(values.get("xfchat_outbox_batch_size_sum"), 20)
        assert.isAtMost(values.get("xfchat_outbox_batch_size_count") ?? 0, 20)
        assert.strictEqual(
          values.get("xfchat_outbox_commit_seconds_count"),
          values.get("xfchat_outbox_batch_size_count")
        )
        assert.isAbove(values.get("process_cpu_seconds_total") ?? 0, 0)
        assert.isAbove(values.get("process_resident_memory_bytes") ?? 0, 0)
        for (const name of ["xfchat_outbox_waiting", "xfchat_changes_delay_seconds", "xfchat_database_waiting"]) {
          assert.isTrue(values.has(name), name)
        }
        assert.isAbove(values.get("xfchat_database_connections") ?? 0, 0)
        assert.isAbove(values.get("xfchat_database_statement_seconds_count") ?? 0, 0)
        // The labels are the routes that exist, not the paths that are asked for.
        assert.notMatch([...values.keys()].join("\n"), /nowhere|[0-9a-f]{8}-/)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }

  it.live("shows the open streams, and how long messages took to reach them", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* startServer("node", (yield* TestDatabase).url)
      const values = Effect.promise(() => scrape(baseUrl))
      const { ada, conversation, grace, messages } = yield* Effect.promise(() => twoPeople({ url: baseUrl }))
      const stream = yield* Effect.acquireRelease(
        Effect.promise(() => subscribe(ada, messages)),
        (stream) => Effect.promise(() => stream[Symbol.asyncDispose]())
      )
      yield* Effect.promise(() => stream.snapshot())
      const poll = yield* Effect.forkChild(
        Effect.promise(() => ada.get(`${messages}?wait=25s&after=0`)),
        { startImmediately: true }
      )
      // Only the scrape itself is in progress: waiting long polls do not count.
      const waiting = yield* Effect.repeat(values, {
        until: (values) =>
          values.get("xfchat_streams_open") === 2 && values.get("xfchat_http_requests_in_flight") === 1,
        schedule: Schedule.spaced("20 millis")
      })
      assert.strictEqual(waiting.get("xfchat_conversations_followed"), 1)
      assert.strictEqual(waiting.get("xfchat_delivery_delay_seconds_count"), 0)
      yield* Effect.promise(() => grace.send(conversation, "one"))
      yield* Effect.promise(() => stream.appendsAfter(0, 1))
      yield* Fiber.join(poll)
      assert.strictEqual((yield* values).get("xfchat_delivery_delay_seconds_count"), 1)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("shows the requests in progress, and counts those whose client goes away", () =>
    Effect.gen(function* () {
      const { baseUrl, port } = yield* startServer("node", (yield* TestDatabase).url)
      const values = Effect.promise(() => scrape(baseUrl))
      const { ada } = yield* Effect.promise(() => twoPeople({ url: baseUrl }))
      const users = yield* lockUsers
      const socket = connect(Number(port), "127.0.0.1")
      socket.write(`GET /api/auth/me HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ada.token}\r\n\r\n`)
      yield* users.somebodyWaits
      // The blocked request, and the scrape.
      assert.strictEqual((yield* values).get("xfchat_http_requests_in_flight"), 2)
      // A client that only closes its sending side may still read the answer; a reset means that it is gone.
      socket.resetAndDestroy()
      const after = yield* Effect.repeat(values, {
        until: (values) => values.get("xfchat_http_requests_in_flight") === 1,
        schedule: Schedule.spaced("20 millis")
      })
      assert.strictEqual(after.get('xfchat_http_requests_total{method="GET",route="/api/auth/me",status="499"}'), 1)
      yield* users.release
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.effect("has no more series after thousands of random paths and methods than after a few", () =>
    Effect.gen(function* () {
      const { baseUrl, fetch } = yield* TestServer
      const paths = [
        () => `/${randomUUID()}`,
        () => `/api/${randomUUID()}/${randomUUID()}?wait=${randomUUID()}`,
        () => `/api/conversations/${randomUUID()}/messages`,
        () => `/api/conversations/%00${randomUUID()}/messages/${randomUUID()}`,
        () => `/livez/${"../".repeat(3)}${randomUUID()}`,
        () => `/metrics?${randomUUID()}`
      ]
      const methods = [() => "GET", () => "HEAD", () => "PROPFIND", () => `M${randomUUID()}`, () => "PATCH"]
      const askRandomly = Effect.promise(async () => {
        for (const path of paths) for (const method of methods) await fetch(baseUrl + path(), { method: method() })
        return [...(await scrape(baseUrl, fetch)).keys()].sort()
      })
      yield* askRandomly
      const few = yield* askRandomly
      for (let round = 0; round < 100; round++) yield* askRandomly
      const many = yield* askRandomly
      assert.deepStrictEqual(many, few)
      assert.isBelow(many.filter((series) => series.startsWith("xfchat_http_")).length, 200)
    }).pipe(Effect.provide(TestServer.layer))
  )
})
