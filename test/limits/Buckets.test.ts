import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Duration, Effect, Schema } from "effect"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { Buckets } from "../../src/limits/Buckets.ts"

const minute = 60_000

describe("A bucket", () => {
  const refill = { limit: 3, interval: 20_000 }

  it("gives the tokens that it holds at once, and then each one as it comes back", () => {
    const buckets = new Buckets()
    const left = (now: number) => buckets.take("ada", 1, refill, now)[0]
    assert.deepStrictEqual([0, 0, 0, 0].map(left), [2, 1, 0, -1])
    assert.deepStrictEqual([19_999, 20_000, 20_001].map(left), [-1, 0, -1])
    assert.deepStrictEqual([10 * minute, 10 * minute].map(left), [2, 1])
  })

  it("belongs to one key", () => {
    const buckets = new Buckets()
    for (let n = 0; n < 4; n++) buckets.take("ada", 1, refill, 0)
    assert.deepStrictEqual(buckets.take("grace", 1, refill, 0), [2, 0])
  })

  it("keeps its tokens when the clock is set back", () => {
    const buckets = new Buckets()
    buckets.take("ada", 1, refill, 10 * minute)
    assert.deepStrictEqual(buckets.take("ada", 1, refill, minute), [1, 0])
  })
})

describe("Buckets", () => {
  it("are forgotten after the time that they take to fill", () => {
    const buckets = new Buckets()
    for (let n = 0; n < 100_000; n++) {
      buckets.take(`${n}`, 1, { limit: 60, interval: 1_000 }, n)
      // Each bucket lacks one token, and is full after a second.
      assert.isAtMost(buckets.size, 2 * 1_000)
    }
  })

  it("are remembered until then", () => {
    const buckets = new Buckets()
    const take = (key: string, now: number) => buckets.take(key, 1, { limit: 1, interval: minute }, now)[0]
    assert.deepStrictEqual([take("ada", 0), take("grace", minute - 1)], [0, 0])
    assert.deepStrictEqual(
      [take("grace", minute), take("grace", 2 * minute - 2), take("grace", 2 * minute - 1)],
      [-1, -1, 0]
    )
  })

  const Step = Schema.Struct({
    key: Schema.Literals(["ada", "grace", "eve"]),
    tokens: Schema.Literals([1, 1, 1, 2]),
    later: Schema.Literals([0, 0, 1, 999, 1_000, 9_000, 25_000, 61_000]),
    mayOwe: Schema.Literals([false, false, false, true])
  })
  const limits = { ada: 5, grace: 1, eve: 60 }

  it.effect.prop(
    "give what Effect's own store gives, which forgets nothing",
    [Arbitrary.array(Arbitrary.schema(Step), { maxLength: 60 })],
    ([steps]) =>
      Effect.gen(function* () {
        const store = yield* RateLimiter.RateLimiterStore
        const buckets = new Buckets()
        let now = 0
        for (const { key, later, mayOwe, tokens } of steps) {
          now += later
          yield* TestClock.setTime(now)
          const limit = limits[key]
          const interval = minute / limit
          const refillRate = Duration.millis(interval)
          assert.deepStrictEqual(
            buckets.take(key, tokens, { limit, interval }, now, mayOwe),
            yield* store.tokenBucket({ key, tokens, limit, refillRate, allowOverflow: mayOwe })
          )
        }
      }).pipe(Effect.provide(RateLimiter.layerStoreMemory, { local: true })),
    { arbitrary: { runs: 300 } }
  )
})
