import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { batched } from "../../src/database/Batched.ts"

/** A run that doubles its inputs, and records them. */
const doubling = Effect.gen(function* () {
  const runs: Array<ReadonlyArray<number>> = []
  const double = batched((inputs: ReadonlyArray<number>) =>
    Effect.suspend(() => {
      runs.push(inputs)
      return inputs.includes(0) ? Effect.fail("zero") : Effect.succeed(inputs.map((input) => input * 2))
    })
  )
  return { double, runs }
})

describe("Gathered calls", () => {
  it.effect("run as one, and each gets its own result", () =>
    Effect.gen(function* () {
      const { double, runs } = yield* doubling
      const answers = yield* Effect.forEach([1, 2, 3], double, { concurrency: "unbounded" })
      assert.deepStrictEqual(answers, [2, 4, 6])
      assert.deepStrictEqual(runs, [[1, 2, 3]])
      assert.strictEqual(yield* double(4), 8)
      assert.deepStrictEqual(runs[1], [4])
    })
  )

  it.effect("gather while the run before is under way", () =>
    Effect.gen(function* () {
      const runs: Array<ReadonlyArray<number>> = []
      const [begun, mayEnd] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const same = batched((inputs: ReadonlyArray<number>) =>
        Effect.suspend(() => {
          runs.push(inputs)
          return Effect.andThen(Deferred.succeed(begun, undefined), Effect.as(Deferred.await(mayEnd), inputs))
        })
      )
      const first = yield* Effect.forkChild(same(1), { startImmediately: true })
      yield* Deferred.await(begun)
      const others = yield* Effect.forkChild(
        Effect.forEach([2, 3], (input) => Effect.andThen(Effect.yieldNow, same(input)), { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      const interrupted = yield* Effect.forkChild(same(4), { startImmediately: true })
      yield* Fiber.interrupt(interrupted)
      assert.deepStrictEqual(runs, [[1]])
      yield* Deferred.succeed(mayEnd, undefined)
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(others)], [1, [2, 3]])
      assert.deepStrictEqual(runs, [[1], [2, 3]])
    })
  )

  it.effect("are not held up for long by a run that does not end", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const answer = batched((inputs: ReadonlyArray<string>) =>
        inputs.includes("stuck")
          ? Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
          : Effect.succeed(inputs)
      )
      yield* Effect.forkChild(answer("stuck"), { startImmediately: true })
      yield* Deferred.await(begun)
      const other = yield* Effect.forkChild(answer("other"), { startImmediately: true })
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* Fiber.join(other), "other")
    })
  )

  it.effect("run in parts if there are very many", () =>
    Effect.gen(function* () {
      const { double, runs } = yield* doubling
      const inputs = Array.from({ length: 600 }, (_, index) => index + 1)
      assert.deepStrictEqual(
        yield* Effect.forEach(inputs, double, { concurrency: "unbounded" }),
        inputs.map((input) => input * 2)
      )
      assert.isAtMost(Math.max(...runs.map(({ length }) => length)), 256)
    })
  )

  it.effect("fail together, without failing later ones", () =>
    Effect.gen(function* () {
      const { double } = yield* doubling
      const exits = yield* Effect.forEach([1, 0], (input) => Effect.exit(double(input)), { concurrency: "unbounded" })
      assert.deepStrictEqual(exits, [Exit.fail("zero"), Exit.fail("zero")])
      assert.strictEqual(yield* double(1), 2)
    })
  )
})
