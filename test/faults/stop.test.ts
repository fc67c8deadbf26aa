import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Random, Schedule } from "effect"
import { TestDatabase } from "../../src/testing/index.ts"
import { atOnce, Client, twoPeople } from "../../src/conformance/Client.ts"
import { lockUsers } from "../process/database.ts"
import { closed } from "../process/tcp.ts"
import { startLoad } from "./load.ts"
import { mortalServer } from "./server.ts"

describe("A server that stops under load", () => {
  it.live(
    "ends its streams between updates, exits with 0, and keeps all that it acknowledged",
    () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const { baseUrl, exit, restart, stop } = yield* mortalServer(url)
        const { acknowledges, counts, settle } = yield* startLoad({ database: url, servers: [baseUrl] })
        const rollOver = Effect.gen(function* () {
          yield* acknowledges(yield* Random.nextIntBetween(1, 50))
          yield* stop
          assert.strictEqual(yield* exit, 0)
          yield* restart
        })
        yield* Effect.repeat(rollOver, { times: 2 })
        yield* acknowledges(20)
        yield* settle
        assert.strictEqual(counts.cutOff, 0)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer)),
    120_000
  )

  it.live("answers all requests from before", () =>
    Effect.gen(function* () {
      const { baseUrl, exit, port, stop } = yield* mortalServer((yield* TestDatabase).url)
      const server = { url: baseUrl }
      const { ada, conversation } = yield* Effect.promise(() => twoPeople(server))
      const users = yield* lockUsers
      const sending = yield* Effect.forkChild(
        Effect.promise(() => atOnce(50, (index) => ada.send(conversation, `${index}`))),
        { startImmediately: true }
      )
      // Including the request for the metrics.
      const areThere = Effect.promise(async () => {
        const { text } = await new Client(server).get("/metrics")
        return /^xfchat_http_requests_in_flight 51$/m.test(text)
      })
      yield* Effect.repeat(areThere, { until: (all) => all, schedule: Schedule.spaced("20 millis") })
      yield* stop
      yield* closed(port)
      yield* users.release
      assert.lengthOf(yield* Fiber.join(sending), 50)
      assert.strictEqual(yield* exit, 0)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
