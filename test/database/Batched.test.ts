import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { batched } from "../../src/database/Batched.ts"

/** A run that doubles its inputs, and records them. */
const doubling = Effect.gen(function* () {
  const runs: Array<ReadonlyArray<number>> = []
  const double = yield* batched((inputs: ReadonlyArray<number>) =>
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

  it.effect("fail together, without failing later ones", () =>
    Effect.gen(function* () {
      const { double } = yield* doubling
      const exits = yield* Effect.forEach([1, 0], (input) => Effect.exit(double(input)), { concurrency: "unbounded" })
      assert.deepStrictEqual(exits, [Exit.fail("zero"), Exit.fail("zero")])
      assert.strictEqual(yield* double(1), 2)
    })
  )
})
