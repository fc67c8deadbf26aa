import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { once } from "node:events"
import { connect } from "node:net"
import { TestDatabase } from "../../src/testing/index.ts"
import { Client, twoPeople, type Problem } from "../../src/conformance/Client.ts"
import { requestHead } from "../../src/conformance/Connection.ts"
import { subscribe } from "../../src/conformance/Stream.ts"
import { startServer, type Runtime } from "../serverProcess.ts"
import { lockUsers } from "../process/database.ts"

const runtimes: ReadonlyArray<Runtime> = ["node", "deno", "edge"]

const start = (runtime: Runtime, environment: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const { url } = yield* TestDatabase
    const { baseUrl, port } = yield* startServer(runtime, url, environment)
    return { url: baseUrl, port: Number(port) }
  })

/** Sends only the beginning of a request. Returns the answer, and a promise for the end of the connection. */
const sendPart = (port: number, text: string) =>
  Effect.promise(async () => {
    const socket = connect(port, "127.0.0.1").setEncoding("latin1")
    const closed = once(socket, "close")
    let answer = ""
    const answered = new Promise<void>((resolve) => {
      socket.on("data", (chunk: string) => {
        answer += chunk
        if (answer.endsWith("}")) resolve()
      })
    })
    socket.on("error", () => {}).write(text)
    await Promise.race([answered, closed])
    return { answer, closed, socket }
  })

/** Waits until that many streams and long polls are open. */
const streamsOpen = ({ url }: { readonly url: string }, count: number) =>
  Effect.promise(async () => (await fetch(`${url}/metrics`)).text()).pipe(
    Effect.repeat({
      until: (metrics) => metrics.includes(`\nxfchat_streams_open ${count}\n`),
      schedule: Schedule.spaced("20 millis")
    })
  )

/** Parses an answer as it came over the wire. */
const parse = (answer: string) => {
  const [head = "", body = ""] = answer.split("\r\n\r\n")
  return { status: Number(head.split(" ")[1]), head: head.toLowerCase(), body: JSON.parse(body) as Problem }
}

describe("a request", () => {
  for (const runtime of runtimes) {
    it.live(`whose path or header fields are too long is refused, on ${runtime}`, () =>
      Effect.gen(function* () {
        const server = yield* start(runtime)
        const client = new Client(server)
        yield* Effect.promise(async () => {
          const long = await client.get(`/api/users?query=${"a".repeat(8_000)}`)
          assert.deepStrictEqual([long.status, long.body.type], [414, "UriTooLong"])
          const large = await client.get("/livez", { "x-note": "a".repeat(16_500) })
          assert.deepStrictEqual([large.status, large.body.type], [431, "HeadersTooLarge"])
          const all = await client.get("/livez", { "x-note": "a".repeat(12_000), accept: "application/json" })
          assert.strictEqual(all.status, 200)
        })
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live(`whose body does not arrive gets 408, on ${runtime}`, () =>
      Effect.gen(function* () {
        const { port } = yield* start(runtime, { SERVER_REQUEST_TIMEOUT: "1 second" })
        const head =
          "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n"
        const { answer, closed, socket } = yield* sendPart(port, `${head}content-length: 100\r\n\r\n{"login":`)
        const { body, status } = parse(answer)
        assert.deepStrictEqual([status, body.type], [408, "RequestTimeout"])
        // A host of a fetch handler keeps the connection until the body has come.
        if (runtime !== "edge") yield* Effect.promise(() => closed)
        socket.destroy()
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }

  for (const runtime of ["node", "deno"] as const) {
    it.live(`whose head does not arrive gets 408, on ${runtime}`, () =>
      Effect.gen(function* () {
        const { port } = yield* start(runtime, { SERVER_HEADERS_TIMEOUT: "1 second" })
        const { answer, closed } = yield* sendPart(port, "GET /livez HTTP/1.1\r\nhost:")
        yield* Effect.promise(() => closed)
        const { body, head, status } = parse(answer)
        assert.deepStrictEqual([status, body.type], [408, "RequestTimeout"])
        assert.include(head, "content-type: application/problem+json")
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live(`whose head arrives a byte at a time is ended, however many there are, on ${runtime}`, () =>
      Effect.gen(function* () {
        const { port } = yield* start(runtime, { SERVER_HEADERS_TIMEOUT: "1 second" })
        const head = `GET /livez HTTP/1.1\r\nhost: x\r\nx-note: ${"a".repeat(1_000)}`
        yield* Effect.promise(() =>
          Promise.all(
            Array.from({ length: 100 }, async () => {
              const socket = connect(port, "127.0.0.1").on("error", () => {})
              socket.resume()
              let sent = 0
              const dripping = setInterval(() => socket.writable && socket.write(head[sent++] ?? "a"), 100)
              await once(socket, "close")
              clearInterval(dripping)
            })
          )
        )
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live(`keeps its slot until its answer is sent, or dropped because nobody reads it, on ${runtime}`, () =>
      Effect.gen(function* () {
        const server = yield* start(runtime, { SERVER_ANSWER_TIMEOUT: "2 seconds" })
        yield* Effect.promise(async () => {
          const { ada, conversation, messages } = await twoPeople(server)
          for (let count = 0; count < 9; count++) await ada.send(conversation, "\u0001".repeat(65_536))
          const inFlight = async () => {
            const metrics = await (await fetch(`${server.url}/metrics`)).text()
            return Number(/^xfchat_http_requests_in_flight (\d+)$/m.exec(metrics)?.[1])
          }
          // The system takes the first megabytes of what nobody reads.
          const head = requestHead(server, "GET", `${messages}`, ada.authorization)
          const sockets = Array.from({ length: 4 }, () => connect(server.port, "127.0.0.1").on("error", () => {}))
          for (const socket of sockets) socket.pause().write(head.repeat(40))
          // One of them is that of the question.
          while ((await inFlight()) < 4) continue
          while ((await inFlight()) > 1) continue
          for (const socket of sockets) socket.destroy()
        })
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }

  it.live("that is not HTTP is refused like any other", () =>
    Effect.gen(function* () {
      const { port } = yield* start("node")
      const { answer, closed } = yield* sendPart(port, "hello\r\n\r\n")
      yield* Effect.promise(() => closed)
      const { body, head, status } = parse(answer)
      assert.deepStrictEqual([status, body.type], [400, "MalformedRequest"])
      assert.match(head, /^x-request-id: [0-9a-f-]{36}$/m)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})

describe("more requests at once than the server takes", () => {
  for (const runtime of runtimes) {
    it.live(`get 503, except probes, streams and long polls, on ${runtime}`, () =>
      Effect.gen(function* () {
        const server = yield* start(runtime, { SERVER_MAX_REQUESTS: "2" })
        const { ada, grace, conversation, messages } = yield* Effect.promise(() => twoPeople(server))
        // Streams and long polls do not count: of each there are more than the server takes requests.
        const polls = yield* Effect.forEach([1, 2, 3], (open) =>
          Effect.forkChild(
            Effect.promise(() => grace.get(`${messages}?wait=25s&after=0`)),
            { startImmediately: true }
          ).pipe(Effect.tap(streamsOpen(server, open)))
        )
        const streams = yield* Effect.forEach([1, 2, 3], () => Effect.promise(() => subscribe(ada, messages)))

        const users = yield* lockUsers
        const working = yield* Effect.forEach([ada, grace], (person) =>
          Effect.forkChild(
            Effect.promise(() => person.get("/api/auth/me")),
            { startImmediately: true }
          )
        )
        yield* users.somebodyWaits
        const busy = yield* Effect.promise(() => ada.get("/api/auth/me")).pipe(
          Effect.repeat({ until: ({ status }) => status === 503 })
        )
        assert.strictEqual(busy.body.type, "ServerBusy")
        assert.match(busy.headers.get("retry-after") ?? "", /^\d+$/)
        assert.strictEqual((yield* Effect.promise(() => ada.get("/livez"))).status, 200)
        assert.strictEqual((yield* Effect.promise(() => ada.get("/metrics"))).status, 200)
        yield* users.release
        for (const fiber of working) assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
        yield* Effect.promise(() => grace.send(conversation, "all goes on"))
        for (const fiber of polls) assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
        for (const stream of streams) yield* Effect.promise(() => stream[Symbol.asyncDispose]())
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live(`do not include those whose bodies are still arriving, on ${runtime}`, () =>
      Effect.gen(function* () {
        const server = yield* start(runtime, { SERVER_MAX_REQUESTS: "2" })
        const { ada } = yield* Effect.promise(() => twoPeople(server))
        const head = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        yield* Effect.promise(async () => {
          const sockets = [1, 2, 3].map(() => connect(server.port, "127.0.0.1").setEncoding("latin1"))
          for (const socket of sockets) {
            socket.write(`${head}content-length: 100\r\nexpect: 100-continue\r\n\r\n`)
            const [answer] = await once(socket, "data")
            assert.include(answer, "HTTP/1.1 100 Continue")
          }
          assert.strictEqual((await ada.get("/api/auth/me")).status, 200)
          for (const socket of sockets) socket.destroy()
        })
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }
})

describe("scripts of other origins", () => {
  const app = "https://app.example.com"
  const environment = { CORS_ORIGINS: `${app},http://localhost:5173` }

  for (const runtime of runtimes) {
    it.live(`may read answers, problems and streams if their origin is listed, on ${runtime}`, () =>
      Effect.gen(function* () {
        const server = yield* start(runtime, environment)
        const { ada, messages } = yield* Effect.promise(() => twoPeople(server))
        yield* Effect.promise(async () => {
          const preflight = await fetch(`${server.url}${messages}/x`, {
            method: "OPTIONS",
            headers: {
              origin: app,
              "access-control-request-method": "PUT",
              "access-control-request-headers": "authorization,content-type,parents"
            }
          })
          assert.strictEqual(preflight.status, 204)
          assert.strictEqual(preflight.headers.get("access-control-allow-origin"), app)
          assert.strictEqual(
            preflight.headers.get("access-control-allow-headers"),
            "authorization,content-type,parents"
          )
          assert.include(preflight.headers.get("access-control-allow-methods"), "PUT")

          for (const [path, expected] of [
            [messages, 200],
            ["/api/nowhere", 404],
            ["/api/conversations/1", 422]
          ] as const) {
            const { headers, status } = await ada.get(path, { origin: app })
            assert.strictEqual(status, expected)
            assert.strictEqual(headers.get("access-control-allow-origin"), app)
            assert.include(headers.get("access-control-expose-headers"), "Version")
            assert.include(headers.get("vary"), "Origin")
            assert.isNull(headers.get("access-control-allow-credentials"))
          }

          const stream = await fetch(server.url + messages, {
            headers: { ...ada.authorization, origin: app, accept: "text/event-stream" }
          })
          assert.strictEqual(stream.headers.get("access-control-allow-origin"), app)
          assert.match(stream.headers.get("vary") ?? "", /Accept.*Origin/)
          await stream.body?.cancel()
        })
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }

  it.live("may read nothing if their origin is not listed, or nothing is listed", () =>
    Effect.gen(function* () {
      const [listing, silent] = [yield* start("node", environment), yield* start("node")]
      yield* Effect.promise(async () => {
        for (const [server, origin] of [
          [listing, "https://evil.example.com"],
          [listing, "https://app.example.com.evil.example"],
          [silent, app]
        ] as const) {
          const preflight = await fetch(`${server.url}/api/auth/me`, {
            method: "OPTIONS",
            headers: { origin, "access-control-request-method": "GET" }
          })
          assert.strictEqual(preflight.status, 405)
          assert.isNull(preflight.headers.get("access-control-allow-origin"))
          const answer = await fetch(`${server.url}/livez`, { headers: { origin } })
          assert.isNull(answer.headers.get("access-control-allow-origin"))
          await answer.text()
        }
      })
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("may read answers from any origin if `*` is listed", () =>
    Effect.gen(function* () {
      const server = yield* start("node", { CORS_ORIGINS: "*" })
      const answer = yield* Effect.promise(() => fetch(`${server.url}/livez`, { headers: { origin: app } }))
      assert.strictEqual(answer.headers.get("access-control-allow-origin"), app)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})

describe("every answer", () => {
  for (const runtime of runtimes) {
    it.live(`has security headers, and is never cached, on ${runtime}`, () =>
      Effect.gen(function* () {
        const server = yield* start(runtime)
        const { ada, messages } = yield* Effect.promise(() => twoPeople(server))
        yield* Effect.promise(async () => {
          const paths = [
            "/api/auth/me",
            messages,
            "/api/inbox",
            "/api/nowhere",
            "/api/conversations/1",
            "/livez",
            "/metrics"
          ]
          for (const path of [...paths, `${messages}?stream`]) {
            const isStream = path.endsWith("?stream")
            const answer = await fetch(server.url + (isStream ? messages : path), {
              headers: { ...ada.authorization, ...(isStream ? { subscribe: "true" } : {}) }
            })
            const { headers } = answer
            assert.strictEqual(headers.get("x-content-type-options"), "nosniff", path)
            assert.strictEqual(headers.get("referrer-policy"), "no-referrer", path)
            assert.strictEqual(
              headers.get("content-security-policy"),
              "default-src 'none'; frame-ancestors 'none'",
              path
            )
            assert.include(headers.get("cache-control"), "no-store", path)
            assert.isNull(headers.get("strict-transport-security"), path)
            await answer.body?.cancel()
          }
        })
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }

  it.live("asks clients that came by TLS to use only TLS", () =>
    Effect.gen(function* () {
      const server = yield* start("node", { TRUSTED_PROXIES: "127.0.0.1" })
      const ask = (protocol: string) =>
        Effect.promise(() =>
          new Client(server).get("/livez", { "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": protocol })
        )
      assert.strictEqual((yield* ask("https")).headers.get("strict-transport-security"), "max-age=31536000")
      assert.isNull((yield* ask("http")).headers.get("strict-transport-security"))
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})

describe("the page of the documentation", () => {
  it.live("loads nothing that its policy forbids", () =>
    Effect.gen(function* () {
      const server = yield* start("node")
      yield* Effect.promise(async () => {
        const answer = await fetch(`${server.url}/docs`)
        const policy = new Map(
          (answer.headers.get("content-security-policy") ?? "").split("; ").map((directive) => {
            const [name = "", ...sources] = directive.split(" ")
            return [name, sources]
          })
        )
        const page = await answer.text()
        // Its scripts are in it, as the policy allows; nothing else is loaded by tags.
        assert.isAbove(page.match(/<script>/g)?.length ?? 0, 1)
        assert.deepStrictEqual(policy.get("script-src"), ["'unsafe-inline'"])
        assert.notMatch(page.replaceAll(/<script>[^]*?<\/script>/g, ""), /<(script|link|img|iframe|style)\b/)
        assert.deepStrictEqual(policy.get("style-src"), ["'unsafe-inline'"])
        assert.deepStrictEqual(policy.get("connect-src"), ["'self'"])
        assert.deepStrictEqual(policy.get("frame-ancestors"), ["'none'"])
      })
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
