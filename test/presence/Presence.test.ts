import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { UserId } from "../../src/contract/Account.ts"
import type { PresencePage } from "../../src/contract/PresencePage.ts"
import { ChangeHint } from "../../src/changes/ChangeBus.ts"
import { aPerson, conversation, makeWorld, startProcess } from "./process.ts"

const statusOf = (page: PresencePage | undefined, user: UserId) => page?.people[user]?.status
const typersIn = (page: PresencePage | undefined) => page?.typing[conversation]
const nothing: PresencePage = { people: {}, typing: {}, cursor: null }

/** Lets everything run that is due now. */
const settle = TestClock.adjust("1 milli")
const seconds = (count: number) => TestClock.adjust(count * 1_000)

/** Ada and Grace, who see each other, and a process with a view of Ada's. */
const acquainted = Effect.gen(function* () {
  const [ada, grace] = [aPerson(), aPerson()]
  const world = makeWorld()
  world.acquaint(ada, grace)
  const here = yield* startProcess(world)
  const { changes, snapshot } = yield* here.watch(ada)
  return { ada, grace, world, here, changes, snapshot }
})

describe("Somebody is online", () => {
  it.effect("from when their first stream opens until the grace time after their last one has closed", () =>
    Effect.gen(function* () {
      const { grace, here, changes, snapshot } = yield* acquainted
      assert.deepStrictEqual(yield* snapshot, nothing)
      yield* here.open(grace)
      yield* settle
      assert.strictEqual(statusOf(yield* changes, grace), "online")
      yield* here.open(grace)
      yield* here.close(grace)
      yield* seconds(60)
      assert.isUndefined(yield* changes)
      yield* here.close(grace)
      yield* seconds(14)
      assert.isUndefined(yield* changes)
      assert.strictEqual(statusOf(yield* snapshot, grace), "online")
      yield* seconds(2)
      assert.strictEqual(statusOf(yield* changes, grace), "offline")
      assert.deepStrictEqual(yield* snapshot, nothing)
    })
  )

  it.effect("without a break when they reconnect within the grace time", () =>
    Effect.gen(function* () {
      const { grace, here, changes } = yield* acquainted
      yield* here.open(grace)
      yield* settle
      yield* changes
      for (let times = 0; times < 5; times++) {
        yield* here.close(grace)
        yield* seconds(10)
        yield* here.open(grace)
        yield* seconds(10)
      }
      assert.isUndefined(yield* changes)
    })
  )

  it.effect("for hours, while the process that has their stream renews their lease", () =>
    Effect.gen(function* () {
      const { grace, changes, world } = yield* acquainted
      const there = yield* startProcess(world)
      yield* there.open(grace)
      yield* settle
      assert.strictEqual(statusOf(yield* changes, grace), "online")
      yield* TestClock.adjust("2 hours")
      assert.isUndefined(yield* changes)
    })
  )

  it.effect("while they have a stream in any process, whichever other they close", () =>
    Effect.gen(function* () {
      const { grace, here, changes, world } = yield* acquainted
      const there = yield* startProcess(world)
      yield* here.open(grace)
      yield* there.open(grace)
      yield* settle
      yield* changes
      yield* here.close(grace)
      yield* seconds(60)
      assert.isUndefined(yield* changes)
      yield* there.close(grace)
      yield* seconds(16)
      assert.strictEqual(statusOf(yield* changes, grace), "offline")
    })
  )

  it.effect("although two renewals in a row are lost", () =>
    Effect.gen(function* () {
      const { grace, changes, world } = yield* acquainted
      const there = yield* startProcess(world)
      yield* there.open(grace)
      yield* settle
      yield* changes
      // Renewals are due after 20 and 40 seconds, and the lease is 50 seconds long.
      yield* there.cutOff
      yield* seconds(45)
      yield* there.comeBack
      yield* seconds(60)
      assert.isUndefined(yield* changes)
    })
  )

  it.effect("until a lease after their process has died", () =>
    Effect.gen(function* () {
      const { grace, changes, world } = yield* acquainted
      const there = yield* startProcess(world)
      yield* there.open(grace)
      yield* settle
      yield* changes
      yield* there.cutOff
      yield* seconds(49)
      assert.isUndefined(yield* changes)
      yield* seconds(2)
      assert.strictEqual(statusOf(yield* changes, grace), "offline")
    })
  )

  for (const isClosed of [true, false]) {
    it.effect(
      `until the grace time after their process has stopped, ${isClosed ? "just after" : "before"} their stream closes`,
      () =>
        Effect.gen(function* () {
          const { grace, changes, world } = yield* acquainted
          const there = yield* startProcess(world)
          yield* there.open(grace)
          yield* settle
          yield* changes
          if (isClosed) yield* there.close(grace)
          yield* there.stop
          yield* seconds(14)
          assert.isUndefined(yield* changes)
          yield* seconds(2)
          assert.strictEqual(statusOf(yield* changes, grace), "offline")
        })
    )
  }
})

describe("A process", () => {
  it.effect("learns who is online elsewhere when it starts, and when it hears the others again", () =>
    Effect.gen(function* () {
      const { ada, grace, here, world } = yield* acquainted
      yield* here.open(grace)
      yield* seconds(5)
      const late = yield* startProcess(world)
      yield* settle
      const { changes, snapshot } = yield* late.watch(ada)
      assert.strictEqual(statusOf(yield* snapshot, grace), "online")

      yield* late.cutOff
      yield* seconds(60)
      assert.strictEqual(statusOf(yield* changes, grace), "offline")
      yield* late.comeBack
      yield* settle
      assert.strictEqual(statusOf(yield* changes, grace), "online")
    })
  )

  it.effect("publishes its own users when the others hear it again", () =>
    Effect.gen(function* () {
      const { grace, changes, world } = yield* acquainted
      const there = yield* startProcess(world)
      yield* there.cutOff
      yield* there.open(grace)
      yield* seconds(5)
      assert.isUndefined(yield* changes)
      yield* there.comeBack
      yield* settle
      assert.strictEqual(statusOf(yield* changes, grace), "online")
    })
  )

  it.effect("publishes nothing while nobody is online", () =>
    Effect.gen(function* () {
      const { world } = yield* acquainted
      yield* settle
      world.published.length = 0
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(world.published, [])
    })
  )
})

describe("Somebody types", () => {
  it.effect("for six seconds, and for as long as they repeat it", () =>
    Effect.gen(function* () {
      const { grace, here, changes, snapshot } = yield* acquainted
      yield* here.setTyping(grace, conversation, true)
      yield* settle
      assert.deepStrictEqual(typersIn(yield* changes), [grace])
      for (let times = 0; times < 5; times++) {
        yield* seconds(5)
        yield* here.setTyping(grace, conversation, true)
      }
      yield* seconds(5)
      assert.isUndefined(yield* changes)
      assert.deepStrictEqual(typersIn(yield* snapshot), [grace])
      yield* seconds(2)
      assert.deepStrictEqual(typersIn(yield* changes), [])
      assert.deepStrictEqual(yield* snapshot, nothing)
    })
  )

  it.effect("until they stop or send their message, from whichever process", () =>
    Effect.gen(function* () {
      const { grace, here, changes, world } = yield* acquainted
      const there = yield* startProcess(world)
      for (const stop of [
        there.setTyping(grace, conversation, false),
        there.presence.stopTyping(grace, conversation)
      ]) {
        yield* here.setTyping(grace, conversation, true)
        yield* settle
        assert.deepStrictEqual(typersIn(yield* changes), [grace])
        yield* stop
        yield* settle
        assert.deepStrictEqual(typersIn(yield* changes), [])
      }
    })
  )

  it.effect("and a repetition within a second is neither published nor authorized again", () =>
    Effect.gen(function* () {
      const { grace, here, world } = yield* acquainted
      const typing = () => world.published.filter(({ _tag }) => _tag === "Typing")
      for (let times = 0; times < 20; times++) {
        yield* here.setTyping(grace, conversation, true)
        yield* TestClock.adjust("50 millis")
      }
      assert.deepStrictEqual(typing(), [
        ChangeHint.Typing({ conversationId: conversation, userId: grace, millis: 6_000 })
      ])
      assert.strictEqual(world.authorized, 1)
      yield* here.setTyping(grace, conversation, true)
      assert.strictEqual(typing().length, 2)
      assert.strictEqual(world.authorized, 2)
    })
  )

  it.effect("and nothing is published when somebody stops who was not typing", () =>
    Effect.gen(function* () {
      const { grace, here, world } = yield* acquainted
      yield* settle
      world.published.length = 0
      yield* here.presence.stopTyping(grace, conversation)
      yield* here.setTyping(grace, conversation, false)
      assert.deepStrictEqual(world.published, [])
    })
  )

  it.effect("only where they are a participant", () =>
    Effect.gen(function* () {
      const { here, changes, world } = yield* acquainted
      yield* settle
      world.published.length = 0
      for (const isTyping of [true, false]) {
        const { _tag } = yield* Effect.flip(here.setTyping(aPerson(), conversation, isTyping))
        assert.strictEqual(_tag, "NotFound")
      }
      yield* settle
      assert.deepStrictEqual(world.published, [])
      assert.isUndefined(yield* changes)
    })
  )
})

describe("An audience", () => {
  it.effect("is read when somebody subscribes, and then once a minute, whatever happens", () =>
    Effect.gen(function* () {
      const { ada, grace, here, changes, world } = yield* acquainted
      assert.deepStrictEqual(world.reads, [[ada]])
      for (let times = 0; times < 5; times++) {
        yield* here.open(grace)
        yield* here.setTyping(grace, conversation, true)
        yield* seconds(10)
        yield* here.close(grace)
        yield* changes
      }
      assert.deepStrictEqual(world.reads, [[ada]])
      yield* seconds(12)
      assert.deepStrictEqual(world.reads, [[ada], [ada]])
      yield* seconds(61)
      assert.deepStrictEqual(world.reads, [[ada], [ada], [ada]])
    })
  )

  it.effect("is read with those of others in one statement, and no longer after they have left", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const here = yield* startProcess(world)
      const everybody = Array.from({ length: 50 }, aPerson)
      const scope = yield* Scope.make()
      yield* Effect.forEach(everybody, (user) => Scope.provide(here.watch(user), scope), {
        concurrency: "unbounded"
      })
      assert.strictEqual(world.reads.length, 1)
      assert.sameMembers([...(world.reads[0] ?? [])], everybody)
      yield* Scope.close(scope, Exit.void)
      world.reads.length = 0
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(world.reads, [])
    })
  )

  it.effect("is read again when a person changes: friends, a block, or hidden presence", () =>
    Effect.gen(function* () {
      const { ada, grace, here, changes, world } = yield* acquainted
      yield* here.open(grace)
      yield* settle
      yield* changes

      world.audiences.delete(ada)
      world.audiences.delete(grace)
      // A hint about one of the two is enough.
      yield* here.publish(ChangeHint.Person({ userId: grace }))
      yield* settle
      assert.strictEqual(statusOf(yield* changes, grace), "offline")

      world.acquaint(ada, grace)
      yield* here.publish(ChangeHint.Person({ userId: grace }))
      yield* settle
      assert.strictEqual(statusOf(yield* changes, grace), "online")
    })
  )

  it.effect("is read again for former and present participants when people join or leave", () =>
    Effect.gen(function* () {
      const { ada, grace, here, changes, world } = yield* acquainted
      const alan = aPerson()
      const alans = yield* here.watch(alan)
      yield* here.open(grace)
      yield* here.setTyping(grace, conversation, true)
      yield* settle
      assert.deepStrictEqual(typersIn(yield* changes), [grace])
      assert.isUndefined(yield* alans.changes)

      world.acquaint(grace, alan)
      world.audiences.delete(ada)
      yield* here.publish(ChangeHint.Participation({ conversationId: conversation }))
      yield* settle
      const seen = yield* alans.changes
      assert.strictEqual(statusOf(seen, grace), "online")
      assert.deepStrictEqual(typersIn(seen), [grace])
      const lost = yield* changes
      assert.strictEqual(statusOf(lost, grace), "offline")
      assert.deepStrictEqual(typersIn(lost), [])
    })
  )

  it.effect("is not read where nobody is subscribed", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const here = yield* startProcess(world)
      yield* here.publish(ChangeHint.Person({ userId: aPerson() }))
      yield* here.publish(ChangeHint.Participation({ conversationId: conversation }))
      yield* seconds(61)
      assert.deepStrictEqual(world.reads, [])
    })
  )

  it.effect("is read again once the database is back; until then new subscriptions fail", () =>
    Effect.gen(function* () {
      const { ada, grace, here, changes, world } = yield* acquainted
      yield* here.open(grace)
      yield* settle
      yield* changes
      world.isAway = true
      assert.strictEqual((yield* Effect.flip(Effect.scoped(here.watch(grace))))._tag, "DatabaseUnavailable")
      world.audiences.delete(ada)
      yield* here.publish(ChangeHint.Person({ userId: ada }))
      yield* seconds(70)
      assert.isUndefined(yield* changes)
      world.isAway = false
      yield* seconds(1)
      assert.strictEqual(statusOf(yield* changes, grace), "offline")
    })
  )
})
