import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, type Redacted } from "effect"
import { fileURLToPath } from "node:url"
import { TestDatabase } from "../../src/testing/index.ts"
import { Client, password, Person, twoPeople, type SignedIn } from "../../src/conformance/Client.ts"
import { subscribe } from "../../src/conformance/Stream.ts"
import { poll } from "../../src/conformance/Subscriber.ts"
import { startServer } from "../serverProcess.ts"

/** A server whose clock can be set back by an hour. */
const start = Effect.fnUntraced(function* (url: Redacted.Redacted, env: Record<string, string> = {}) {
  const clock = fileURLToPath(new URL("inProcess/clock.ts", import.meta.url))
  const server = yield* startServer("node", url, { NODE_OPTIONS: `--import=${clock}`, ...env })
  return { ...server, setBack: Effect.andThen(server.kill("SIGUSR2"), server.line(/The clock was set back/)) }
})

describe("when the clock of a server is set back by an hour", () => {
  it.live("sessions stay valid, and streams and long polls keep their times", () =>
    Effect.gen(function* () {
      const { baseUrl, setBack } = yield* start((yield* TestDatabase).url)
      const server = { url: baseUrl }
      const { ada, conversation, grace, messages } = yield* Effect.promise(() => twoPeople(server))
      const { seq } = yield* Effect.promise(() => grace.send(conversation, "before"))
      const stream = yield* Effect.acquireRelease(
        Effect.promise(() => subscribe(ada, messages, { heartbeats: "1" })),
        (stream) => Effect.promise(() => stream[Symbol.asyncDispose]())
      )
      yield* Effect.promise(() => stream.snapshot())
      const source = { fetch, url: baseUrl + messages, token: ada.token ?? "" }
      const polling = yield* Effect.forkChild(
        Effect.promise(() => poll(source, "2s", String(seq))),
        { startImmediately: true }
      )
      yield* setBack

      const { updates, version } = yield* Fiber.join(polling)
      assert.deepStrictEqual([updates, version], [[], String(seq)])
      yield* Effect.promise(async () => {
        await stream.heartbeat()
        const { body, status } = await new Client(server).post<SignedIn>("/api/auth/login", {
          login: grace.user.username,
          password
        })
        assert.strictEqual(status, 200)
        await new Person(server, body).send(conversation, "after")
        for (let isTold = false; !isTold;) {
          const event = await stream.next()
          assert.include(["Heartbeat", "Patches"], event?._tag)
          isTold = event?._tag === "Patches"
        }
        assert.strictEqual((await ada.get("/api/auth/sessions")).status, 200)
      })
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("a rate limit ends as soon as before", () =>
    Effect.gen(function* () {
      const { baseUrl, setBack } = yield* start((yield* TestDatabase).url, { RATE_LIMIT_READING: "10" })
      const ada = yield* Effect.promise(() => Person.signUp({ url: baseUrl }))
      // Without the client, which waits for the limit.
      const ask = Effect.promise(async () => {
        const response = await fetch(`${baseUrl}/api/auth/me`, { headers: ada.authorization })
        await response.arrayBuffer()
        return response.status
      })
      yield* Effect.repeat(ask, { until: (status) => status === 429 })
      yield* setBack
      // One comes back in six seconds.
      assert.strictEqual(
        yield* Effect.repeat(ask, { until: (status) => status === 200, schedule: Schedule.spaced("100 millis") }),
        200
      )
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("a person who left is offline when their lease ends", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const lease = { PRESENCE_LEASE: "2 seconds" }
      const [here, there] = yield* Effect.all([start(url, lease), startServer("node", url, lease)], { concurrency: 2 })
      const { ada, grace } = yield* Effect.promise(() => twoPeople({ url: here.baseUrl }))
      const graceThere = new Person(
        { url: there.baseUrl },
        { token: grace.token ?? "", user: grace.user, expiresAt: "" }
      )
      const stream = yield* Effect.promise(() => subscribe(graceThere, "/api/inbox"))
      yield* Effect.promise(() => stream.snapshot())
      const online = Effect.promise(
        async () =>
          (await ada.get<{ people: Record<string, { status: string }> }>("/api/presence")).body.people[grace.id]?.status
      )
      const often = Schedule.spaced("100 millis")
      yield* Effect.repeat(online, { until: (status) => status === "online", schedule: often })
      yield* here.setBack
      yield* there.kill("SIGKILL")
      yield* Effect.repeat(online, { until: (status) => status !== "online", schedule: often })
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
