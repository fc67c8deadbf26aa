import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import { TestDatabase } from "../../src/testing/index.ts"
import { startLoad } from "./load.ts"
import { mortalServer } from "./server.ts"

/** The number of kills; `KILLS=5` for a quick look. */
const kills = Number(process.env["KILLS"] ?? 50)

describe("under load", () => {
  it.live(
    `a server killed ${kills} times delivers everything that it acknowledged, once and in order`,
    () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const { baseUrl, die, restart } = yield* mortalServer(url)
        const { acknowledges, settle } = yield* startLoad({ database: url, servers: [baseUrl] })
        const kill = Effect.gen(function* () {
          yield* acknowledges(yield* Random.nextIntBetween(1, 50))
          yield* die
          yield* restart
        })
        yield* Effect.repeat(kill, { times: kills - 1 })
        yield* acknowledges(20)
        const { cutOff, notReached } = yield* settle
        assert.isAtLeast(cutOff, kills)
        assert.isAtLeast(notReached, kills)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer)),
    30_000 + kills * 20_000
  )

  it.live(
    "clients of a killed process go on at the other, and miss nothing",
    () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const processes = yield* Effect.all([mortalServer(url), mortalServer(url)], { concurrency: 2 })
        const servers = processes.map(({ baseUrl }) => baseUrl)
        const { acknowledges, settle } = yield* startLoad({ database: url, servers })
        for (const { die, restart } of processes) {
          yield* acknowledges(50)
          yield* die
          // With the other process alone.
          yield* acknowledges(50)
          yield* restart
        }
        const { cutOff } = yield* settle
        assert.isAtLeast(cutOff, 2)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer)),
    300_000
  )
})
