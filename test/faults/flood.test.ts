import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Array as Arrays, Effect, Random, Redacted, Schema, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { HttpApi, type HttpApiEndpoint } from "effect/http-api"
import { execFileSync } from "node:child_process"
import { randomBytes, randomUUID } from "node:crypto"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { fileURLToPath } from "node:url"
import { Api } from "../../src/contract/Api.ts"
import { Draft } from "../../src/contract/Message.ts"
import { isLines } from "../../src/http/PayloadBounds.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { Client, password, Person, twoPeople } from "../../src/conformance/Client.ts"
import { startServer } from "../serverProcess.ts"

/** The sockets open at once: ten thousand, or as many as the limit on open files allows. */
const limit = Number(execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim()) || Infinity
const manySockets = Math.min(10_000, limit - 1_000)

/** A server that reports its memory in use after a garbage collection. */
const start = Effect.gen(function* () {
  const { url } = yield* TestDatabase
  const memory = fileURLToPath(new URL("inProcess/memory.ts", import.meta.url))
  const server = yield* startServer("node", url, { NODE_OPTIONS: `--import=${memory}` })
  let asked = 0
  const bytesInUse = Effect.gen(function* () {
    yield* server.kill("SIGUSR2")
    const [, bytes] = yield* server.line(new RegExp(`In use \\(${++asked}\\): (\\d+) bytes`))
    return Number(bytes)
  })
  return { ...server, port: Number(server.port), bytesInUse }
})
type Flooded = Effect.Success<typeof start>

/** A metric of the server. */
const gauge = (text: string, name: string) => Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1])

/** Room for compiled code and caches; a leak of a kilobyte for each socket would exceed it. */
const tolerated = 8 * 1_024 * 1_024

/**
 * Floods a server twice. It must keep serving, hold at most the memory and the connections of the first time, and log
 * neither a failure nor a secret.
 */
const survives = Effect.fnUntraced(function* (server: Flooded, flood: Effect.Effect<void, never, Scope.Scope>) {
  const { ada, conversation } = yield* Effect.promise(() => twoPeople({ url: server.baseUrl }))
  const rest = Effect.gen(function* () {
    yield* Effect.scoped(flood)
    yield* Effect.promise(() => ada.send(conversation, "still here"))
    return yield* server.bytesInUse
  })
  const before = yield* rest
  assert.isBelow(yield* rest, before + tolerated)

  const { text } = yield* Effect.promise(() => ada.get("/metrics"))
  assert.strictEqual(gauge(text, "xfchat_http_requests_in_flight"), 1)
  assert.strictEqual(gauge(text, "xfchat_streams_open"), 0)
  const sql = yield* SqlClient.SqlClient
  const connections = yield* sql`
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'xfchat'`
  assert.isAtMost(connections.length, 11)

  assert.notMatch(server.output(), /Request failed|ERROR/)
  const { url } = yield* TestDatabase
  for (const secret of [password, ada.token ?? "", new URL(Redacted.value(url)).password]) {
    assert.notInclude(server.output(), secret)
  }
})

const opened = async (port: number): Promise<Socket> => {
  const socket = connect(port, "127.0.0.1").on("error", () => {})
  await once(socket, "connect")
  return socket
}

/** Opens sockets, some at a time, and closes them with the scope. */
const sockets = (port: number, count: number, use: (socket: Socket, index: number) => void) =>
  Effect.forEach(
    Arrays.range(1, count),
    (index) =>
      Effect.acquireRelease(
        Effect.promise(async () => {
          const socket = await opened(port)
          use(socket, index)
          return socket
        }),
        (socket) => Effect.sync(() => socket.destroy())
      ),
    { concurrency: 64 }
  )

/** Waits until the server has closed them all. */
const closed = (all: ReadonlyArray<Socket>) =>
  Effect.promise(() =>
    Promise.all(all.map((socket) => (socket.destroyed ? undefined : once(socket.resume(), "close"))))
  )

const heads = [
  "GET /api/auth/me HTTP/1.1\r\nHost: x\r\nAuthori",
  "PUT /api/conversations/x/messages/y HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
  'POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"login":',
  'POST /api/auth/signup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"username"',
  "G"
]

describe("A server survives", () => {
  it.live(
    `${manySockets} open sockets, and keeps serving`,
    () =>
      Effect.gen(function* () {
        const server = yield* start
        const flood = Effect.gen(function* () {
          yield* sockets(server.port, manySockets, () => {})
          yield* Effect.promise(() => Person.signUp({ url: server.baseUrl }))
        })
        yield* survives(server, flood)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer)),
    300_000
  )

  it.live(
    "a flood of garbage",
    () =>
      Effect.gen(function* () {
        const server = yield* start
        // The server refuses all of this, and closes the connections.
        const flood = Effect.flatMap(
          sockets(server.port, 1_000, (socket, index) =>
            socket.end(Buffer.concat([randomBytes(index), Buffer.from("\r\n\r\n")]))
          ),
          closed
        )
        yield* survives(server, flood)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer)),
    300_000
  )

  it.live(
    "a flood of requests that end halfway",
    () =>
      Effect.gen(function* () {
        const server = yield* start
        const flood = Effect.gen(function* () {
          const all = yield* sockets(server.port, 1_000, (socket, index) =>
            socket.write(heads[index % heads.length] ?? "")
          )
          yield* Effect.promise(() => Person.signUp({ url: server.baseUrl }))
          for (const [index, socket] of all.entries()) {
            if (index % 2 === 0) socket.end()
            else socket.resetAndDestroy()
          }
          yield* closed(all)
        })
        yield* survives(server, flood)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer)),
    300_000
  )

  it.live(
    "a flood of generated requests, with and without a session: no crash, no 500",
    () =>
      Effect.gen(function* () {
        const server = yield* start
        yield* survives(server, Effect.orDie(requestsOf(server.baseUrl)))
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer)),
    300_000
  )
})

const endpoints: Array<HttpApiEndpoint.Top> = []
HttpApi.reflect(Api, { onGroup: () => {}, onEndpoint: ({ endpoint }) => void endpoints.push(endpoint) })

/** Values that a schema accepts, encoded as in a request. */
const samples = (schema: Schema.Top, count: number) =>
  Arbitrary.sampleEffect(Arbitrary.schema(Schema.toEncoded(schema)), { count, maxDiscards: 10_000 })

/** Bodies of requests that the schema of a payload accepts. Only messages come as lines. */
const bodies = (payload: Schema.Top, count: number) =>
  isLines(payload)
    ? Effect.map(samples(Draft, 3 * count), (all) =>
        Arrays.chunksOf(all, 3).map((lines) => ({
          headers: { "content-type": "application/x-ndjson" },
          body: lines.map((line) => JSON.stringify(Object.assign({ id: randomUUID() }, line))).join("\n")
        }))
      )
    : Effect.map(samples(payload, count), (all) => all.map((json) => ({ json })))

/** The number of requests of each caller to each endpoint. */
const each = 4

/** Requests to every endpoint, with payloads that its schemas accept, and with known and unknown ids. */
const requestsOf = Effect.fnUntraced(function* (url: string) {
  const meet = Effect.promise(() => twoPeople({ url }))
  let people = yield* meet
  for (const endpoint of endpoints) {
    // New people, if these have signed out, blocked each other or left.
    const greeting = yield* Effect.promise(() =>
      people.ada.put(`${people.messages}/${randomUUID()}`, { content: "hello" })
    )
    if (greeting.status !== 201) people = yield* meet
    const { ada, grace, conversation } = people
    const message = yield* Effect.promise(() => ada.send(conversation, "hello"))
    const ids: Record<string, ReadonlyArray<string>> = {
      id: [message.conversationId, message.id],
      messageId: [message.id, randomUUID()],
      userId: [grace.id, ada.id, randomUUID()],
      emoji: ["👍", "a", "\u0000", "👩‍👩‍👧"]
    }
    const [payload] = [...endpoint.payload.values()].flatMap(({ schemas }) => schemas)
    const requests = payload === undefined ? [] : yield* bodies(payload, each)
    const queries = endpoint.query === undefined ? [] : yield* samples(endpoint.query, each)
    for (const index of Arrays.range(0, each - 1)) {
      let path: string = endpoint.path
      for (const [name, values] of Object.entries(ids)) {
        path = path.replace(`:${name}`, encodeURIComponent(yield* Random.choice([...values, randomUUID(), "x"])))
      }
      // Without long polls.
      const query = { ...(queries[index] as Record<string, string> | undefined) }
      delete query["wait"]
      const search = new URLSearchParams(query).toString()
      for (const client of [ada, new Client({ url })]) {
        const { status, text } = yield* Effect.promise(() =>
          client.request(endpoint.method, search === "" ? path : `${path}?${search}`, requests[index])
        )
        assert.isBelow(status, 500, `${endpoint.method} ${path}?${search} ${JSON.stringify(requests[index])}: ${text}`)
      }
    }
  }
})
