import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Latch, Layer, PubSub, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import { UserId } from "../../src/contract/Account.ts"
import { ChangeBus, ChangeHint } from "../../src/changes/ChangeBus.ts"
import { followChanges, makeBacklog } from "../../src/changes/Follower.ts"

const hintOf = () => ChangeHint.Person({ userId: UserId.make(randomUUID()) })

/** Lets everything run that is due now. */
const settle = TestClock.adjust("1 milli")

/** A follower that records what it does, and the bus that it follows. */
const following = Effect.fnUntraced(function* (options: { readonly hasCatchUp: boolean }) {
  const changes = yield* PubSub.unbounded<ChangeHint>()
  const missed = yield* PubSub.unbounded<void>()
  const bus = ChangeBus.of({
    publish: (published) => PubSub.publishAll(changes, published),
    changes: Stream.fromPubSub(changes),
    delay: Effect.succeed(Duration.zero),
    missed: Stream.fromPubSub(missed)
  })
  const record: Array<ChangeHint | "sweep" | "catch up"> = []
  const note = (entry: ChangeHint | "sweep" | "catch up") => Effect.sync(() => void record.push(entry))
  const fault = { isThere: false }
  const orFault = (effect: Effect.Effect<void>) =>
    Effect.andThen(
      effect,
      Effect.suspend(() => (fault.isThere ? Effect.die("a fault") : Effect.void))
    )
  yield* followChanges({
    hear: (hint) => orFault(note(hint)),
    sweep: orFault(note("sweep")),
    every: "5 seconds",
    ...(options.hasCatchUp ? { catchUp: note("catch up") } : {})
  }).pipe(Effect.provide(Layer.succeed(ChangeBus, bus)))
  return { bus, fault, miss: PubSub.publish(missed, undefined), record: () => record.splice(0) }
})

describe("A follower", () => {
  it.effect("hears every hint in turn, and sweeps at once and in each interval", () =>
    Effect.gen(function* () {
      const { bus, record } = yield* following({ hasCatchUp: false })
      yield* settle
      assert.deepStrictEqual(record(), ["sweep"])
      const hints = [hintOf(), hintOf(), hintOf()]
      yield* bus.publish(hints)
      yield* settle
      assert.deepStrictEqual(record(), hints)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(record(), ["sweep", "sweep"])
    })
  )

  for (const hasCatchUp of [false, true]) {
    it.effect(`${hasCatchUp ? "catches up" : "sweeps"} when the bus may have missed hints`, () =>
      Effect.gen(function* () {
        const { miss, record } = yield* following({ hasCatchUp })
        yield* settle
        record()
        yield* miss
        yield* settle
        assert.deepStrictEqual(record(), [hasCatchUp ? "catch up" : "sweep"])
      })
    )
  }

  it.effect("continues after a defect", () =>
    Effect.gen(function* () {
      const { bus, fault, miss, record } = yield* following({ hasCatchUp: false })
      yield* settle
      fault.isThere = true
      const act = Effect.andThen(Effect.andThen(bus.publish([hintOf()]), miss), TestClock.adjust("5 seconds"))
      yield* act
      fault.isThere = false
      record()
      yield* act
      assert.deepStrictEqual(
        record().map((entry) => (typeof entry === "string" ? entry : entry._tag)),
        ["Person", "sweep", "sweep"]
      )
    })
  )
})

describe("A backlog", () => {
  it.effect("hands over all that came while the last batch was handled, one batch at a time", () =>
    Effect.gen(function* () {
      const batches: Array<ReadonlyArray<number>> = []
      const free = Latch.makeUnsafe()
      const add = yield* makeBacklog<number>((items) =>
        Effect.andThen(
          Effect.sync(() => batches.push(items)),
          free.await
        )
      )
      add(1)
      yield* settle
      for (const item of [2, 3, 4]) add(item)
      yield* settle
      assert.deepStrictEqual(batches, [[1]])
      free.openUnsafe()
      yield* settle
      assert.deepStrictEqual(batches, [[1], [2, 3, 4]])
    })
  )

  it.effect("gathers for as long as it is asked to, from the first item on", () =>
    Effect.gen(function* () {
      const batches: Array<ReadonlyArray<number>> = []
      const add = yield* makeBacklog<number>((items) => Effect.sync(() => batches.push(items)), {
        gatherTime: "500 millis"
      })
      yield* TestClock.adjust("1 minute")
      add(1)
      yield* TestClock.adjust("400 millis")
      add(2)
      assert.deepStrictEqual(batches, [])
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(batches, [[1, 2]])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(batches, [[1, 2]])
    })
  )

  it.effect("ends with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const handled = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      const add = yield* Scope.provide(
        makeBacklog<number>(() =>
          Effect.andThen(Deferred.succeed(handled, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
          )
        ),
        scope
      )
      add(1)
      yield* Deferred.await(handled)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(yield* Deferred.isDone(ended))
    })
  )
})
