import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { Capacity, CurrentSlot, RequestSlot, requireRoom, whileWaiting } from "../../src/http/Capacity.ts"

const inSlot = (capacity: Capacity) => {
  const slot = new RequestSlot(capacity)
  slot.take()
  return Effect.provideService(CurrentSlot, slot)
}

describe("A request that waits for its client", () => {
  it.effect("gives its slot to others, and takes it again afterwards", () =>
    Effect.gen(function* () {
      const capacity = new Capacity(1)
      const arrival = yield* Deferred.make<string>()
      const waiting = yield* Effect.forkChild(inSlot(capacity)(whileWaiting(Deferred.await(arrival))), {
        startImmediately: true
      })
      assert.strictEqual(capacity.taken, 0)
      yield* Deferred.succeed(arrival, "body")
      assert.strictEqual(yield* Fiber.join(waiting), "body")
      assert.strictEqual(capacity.taken, 1)
    })
  )

  it.effect("is refused afterwards if others have taken all slots", () =>
    Effect.gen(function* () {
      const capacity = new Capacity(1)
      const other = new RequestSlot(capacity)
      const wait = Effect.andThen(whileWaiting(Effect.sync(() => other.take())), requireRoom)
      assert.strictEqual((yield* Effect.flip(inSlot(capacity)(wait)))._tag, "ServerBusy")
    })
  )

  it.effect("takes no slot if it fails, or is interrupted", () =>
    Effect.gen(function* () {
      const capacity = new Capacity(1)
      yield* Effect.flip(inSlot(capacity)(whileWaiting(Effect.fail("no body"))))
      assert.strictEqual(capacity.taken, 0)
      const waiting = yield* Effect.forkChild(inSlot(capacity)(whileWaiting(Effect.never)), { startImmediately: true })
      yield* Fiber.interrupt(waiting)
      assert.strictEqual(capacity.taken, 0)
    })
  )
})
