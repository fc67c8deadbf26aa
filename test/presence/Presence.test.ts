import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { UserId } from "../../src/contract/Account.ts"
import type { PresencePage } from "../../src/contract/PresencePage.ts"
import { ChangeHint } from "../../src/changes/ChangeBus.ts"
import { aPerson, conversation, makeWorld, startProcess } from "./process.ts"

const statusOf = (page: PresencePage | undefined, user: UserId) => page?.people[user]?.status
const typersIn = (page: PresencePage | undefined) => page?.typing[conversation]
const nothing: PresencePage = { people: {}, typing: {} }

/** Lets everything run that has something to do now. */
const settle = TestClock.adjust("1 milli")
const seconds = (count: number) => TestClock.adjust(count * 1_000)

/** Ada and Grace, who see each other, and a process on which Ada looks on. */
const acquainted = Effect.gen(function* () {
  const [ada, grace] = [aPerson(), aPerson()]
  const world = makeWorld()
  world.acquaint(ada, grace)
  const here = yield* startProcess(world)
  const { told, whole } = yield* here.watch(ada)
  return { ada, grace, world, here, told, whole }
})

describe("Somebody is here", () => {
  it.effect("from when their first stream opens until a while after their last one has closed", () =>
    Effect.gen(function* () {
      const { grace, here, told, whole } = yield* acquainted
      assert.deepStrictEqual(yield* whole, nothing)
      yield* here.open(grace)
      yield* settle
      assert.strictEqual(statusOf(yield* told, grace), "online")
      yield* here.open(grace)
      yield* here.close(grace)
      yield* seconds(60)
      assert.isUndefined(yield* told)
      yield* here.close(grace)
      yield* seconds(14)
      assert.isUndefined(yield* told)
      assert.strictEqual(statusOf(yield* whole, grace), "online")
      yield* seconds(2)
      assert.strictEqual(statusOf(yield* told, grace), "offline")
      assert.deepStrictEqual(yield* whole, nothing)
    })
  )

  it.effect("without a break when they reconnect within that while", () =>
    Effect.gen(function* () {
      const { grace, here, told } = yield* acquainted
      yield* here.open(grace)
      yield* settle
      yield* told
      for (let times = 0; times < 5; times++) {
        yield* here.close(grace)
        yield* seconds(10)
        yield* here.open(grace)
        yield* seconds(10)
      }
      assert.isUndefined(yield* told)
    })
  )

  it.effect("for hours, while the process that has their stream says so again and again", () =>
    Effect.gen(function* () {
      const { grace, told, world } = yield* acquainted
      const there = yield* startProcess(world)
      yield* there.open(grace)
      yield* settle
      assert.strictEqual(statusOf(yield* told, grace), "online")
      yield* TestClock.adjust("2 hours")
      assert.isUndefined(yield* told)
    })
  )

  it.effect("while they have a stream anywhere, whichever other they close", () =>
    Effect.gen(function* () {
      const { grace, here, told, world } = yield* acquainted
      const there = yield* startProcess(world)
      yield* here.open(grace)
      yield* there.open(grace)
      yield* settle
      yield* told
      yield* here.close(grace)
      yield* seconds(60)
      assert.isUndefined(yield* told)
      yield* there.close(grace)
      yield* seconds(16)
      assert.strictEqual(statusOf(yield* told, grace), "offline")
    })
  )

  it.effect("although two of three times that it is said are lost", () =>
    Effect.gen(function* () {
      const { grace, told, world } = yield* acquainted
      const there = yield* startProcess(world)
      yield* there.open(grace)
      yield* settle
      yield* told
      // It is said after 20 and 40 seconds, and the lease is 50 long.
      yield* there.cutOff
      yield* seconds(45)
      yield* there.comeBack
      yield* seconds(60)
      assert.isUndefined(yield* told)
    })
  )

  it.effect("no more when their process has died: after a lease", () =>
    Effect.gen(function* () {
      const { grace, told, world } = yield* acquainted
      const there = yield* startProcess(world)
      yield* there.open(grace)
      yield* settle
      yield* told
      yield* there.cutOff
      yield* seconds(49)
      assert.isUndefined(yield* told)
      yield* seconds(2)
      assert.strictEqual(statusOf(yield* told, grace), "offline")
    })
  )

  for (const isClosed of [true, false]) {
    it.effect(
      `no more when their process has stopped, ${isClosed ? "just after" : "before"} their stream has closed: after a while`,
      () =>
        Effect.gen(function* () {
          const { grace, told, world } = yield* acquainted
          const there = yield* startProcess(world)
          yield* there.open(grace)
          yield* settle
          yield* told
          if (isClosed) yield* there.close(grace)
          yield* there.stop
          yield* seconds(14)
          assert.isUndefined(yield* told)
          yield* seconds(2)
          assert.strictEqual(statusOf(yield* told, grace), "offline")
        })
    )
  }
})

describe("A process", () => {
  it.effect("knows at once who is here elsewhere when it starts, and when it hears the others again", () =>
    Effect.gen(function* () {
      const { ada, grace, here, world } = yield* acquainted
      yield* here.open(grace)
      yield* seconds(5)
      const late = yield* startProcess(world)
      yield* settle
      const { told, whole } = yield* late.watch(ada)
      assert.strictEqual(statusOf(yield* whole, grace), "online")

      yield* late.cutOff
      yield* seconds(60)
      assert.strictEqual(statusOf(yield* told, grace), "offline")
      yield* late.comeBack
      yield* settle
      assert.strictEqual(statusOf(yield* told, grace), "online")
    })
  )

  it.effect("tells the others of its own people at once when they hear it again", () =>
    Effect.gen(function* () {
      const { grace, told, world } = yield* acquainted
      const there = yield* startProcess(world)
      yield* there.cutOff
      yield* there.open(grace)
      yield* seconds(5)
      assert.isUndefined(yield* told)
      yield* there.comeBack
      yield* settle
      assert.strictEqual(statusOf(yield* told, grace), "online")
    })
  )

  it.effect("says nothing for ever when nobody is there", () =>
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
  it.effect("for six seconds, and on for as long as they say so again", () =>
    Effect.gen(function* () {
      const { grace, here, told, whole } = yield* acquainted
      yield* here.type(grace, conversation, true)
      yield* settle
      assert.deepStrictEqual(typersIn(yield* told), [grace])
      for (let times = 0; times < 5; times++) {
        yield* seconds(5)
        yield* here.type(grace, conversation, true)
      }
      yield* seconds(5)
      assert.isUndefined(yield* told)
      assert.deepStrictEqual(typersIn(yield* whole), [grace])
      yield* seconds(2)
      assert.deepStrictEqual(typersIn(yield* told), [])
      assert.deepStrictEqual(yield* whole, nothing)
    })
  )

  it.effect("no more when they say so, or have sent their message, from whichever process", () =>
    Effect.gen(function* () {
      const { grace, here, told, world } = yield* acquainted
      const there = yield* startProcess(world)
      for (const stop of [there.type(grace, conversation, false), there.presence.stopTyping(grace, conversation)]) {
        yield* here.type(grace, conversation, true)
        yield* settle
        assert.deepStrictEqual(typersIn(yield* told), [grace])
        yield* stop
        yield* settle
        assert.deepStrictEqual(typersIn(yield* told), [])
      }
    })
  )

  it.effect("is told once a second at most, and who says so more often is not asked for their right to", () =>
    Effect.gen(function* () {
      const { grace, here, world } = yield* acquainted
      const typing = () => world.published.filter(({ _tag }) => _tag === "Typing")
      for (let times = 0; times < 20; times++) {
        yield* here.type(grace, conversation, true)
        yield* TestClock.adjust("50 millis")
      }
      assert.deepStrictEqual(typing(), [
        ChangeHint.Typing({ conversationId: conversation, userId: grace, millis: 6_000 })
      ])
      assert.strictEqual(world.rights, 1)
      yield* here.type(grace, conversation, true)
      assert.strictEqual(typing().length, 2)
      assert.strictEqual(world.rights, 2)
    })
  )

  it.effect("is not said of who does not type: of a message nobody announced, the others hear nothing here", () =>
    Effect.gen(function* () {
      const { grace, here, world } = yield* acquainted
      yield* settle
      world.published.length = 0
      yield* here.presence.stopTyping(grace, conversation)
      yield* here.type(grace, conversation, false)
      assert.deepStrictEqual(world.published, [])
    })
  )

  it.effect("only where they take part: nobody hears of anything else", () =>
    Effect.gen(function* () {
      const { here, told, world } = yield* acquainted
      yield* settle
      world.published.length = 0
      for (const isTyping of [true, false]) {
        const { _tag } = yield* Effect.flip(here.type(aPerson(), conversation, isTyping))
        assert.strictEqual(_tag, "NotFound")
      }
      yield* settle
      assert.deepStrictEqual(world.published, [])
      assert.isUndefined(yield* told)
    })
  )
})

describe("Who sees whom", () => {
  it.effect("is asked when somebody begins to look on, and then once a minute, whatever happens", () =>
    Effect.gen(function* () {
      const { ada, grace, here, told, world } = yield* acquainted
      assert.deepStrictEqual(world.reads, [[ada]])
      for (let times = 0; times < 5; times++) {
        yield* here.open(grace)
        yield* here.type(grace, conversation, true)
        yield* seconds(10)
        yield* here.close(grace)
        yield* told
      }
      assert.deepStrictEqual(world.reads, [[ada]])
      yield* seconds(12)
      assert.deepStrictEqual(world.reads, [[ada], [ada]])
      yield* seconds(61)
      assert.deepStrictEqual(world.reads, [[ada], [ada], [ada]])
    })
  )

  it.effect("is asked for all who begin at once by one statement, and by none for who has left", () =>
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

  it.effect("is asked again when somebody changes it: friends, a block, or a wish not to be seen", () =>
    Effect.gen(function* () {
      const { ada, grace, here, told, world } = yield* acquainted
      yield* here.open(grace)
      yield* settle
      yield* told

      world.circles.delete(ada)
      world.circles.delete(grace)
      // It is enough that one of two is said to have changed.
      yield* here.publish(ChangeHint.Person({ userId: grace }))
      yield* settle
      assert.strictEqual(statusOf(yield* told, grace), "offline")

      world.acquaint(ada, grace)
      yield* here.publish(ChangeHint.Person({ userId: grace }))
      yield* settle
      assert.strictEqual(statusOf(yield* told, grace), "online")
    })
  )

  it.effect("is asked again of all who took part in a conversation, or do, when others join or leave", () =>
    Effect.gen(function* () {
      const { ada, grace, here, told, world } = yield* acquainted
      const alan = aPerson()
      const alans = yield* here.watch(alan)
      yield* here.open(grace)
      yield* here.type(grace, conversation, true)
      yield* settle
      assert.deepStrictEqual(typersIn(yield* told), [grace])
      assert.isUndefined(yield* alans.told)

      world.acquaint(grace, alan)
      world.circles.delete(ada)
      yield* here.publish(ChangeHint.Participation({ conversationId: conversation }))
      yield* settle
      const seen = yield* alans.told
      assert.strictEqual(statusOf(seen, grace), "online")
      assert.deepStrictEqual(typersIn(seen), [grace])
      const lost = yield* told
      assert.strictEqual(statusOf(lost, grace), "offline")
      assert.deepStrictEqual(typersIn(lost), [])
    })
  )

  it.effect("is not asked for anybody's sake where nobody looks on", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const here = yield* startProcess(world)
      yield* here.publish(ChangeHint.Person({ userId: aPerson() }))
      yield* here.publish(ChangeHint.Participation({ conversationId: conversation }))
      yield* seconds(61)
      assert.deepStrictEqual(world.reads, [])
    })
  )

  it.effect("is asked again and again while the database is away: nobody begins, and who looks on is told later", () =>
    Effect.gen(function* () {
      const { ada, grace, here, told, world } = yield* acquainted
      yield* here.open(grace)
      yield* settle
      yield* told
      world.isAway = true
      assert.strictEqual((yield* Effect.flip(Effect.scoped(here.watch(grace))))._tag, "DatabaseUnavailable")
      world.circles.delete(ada)
      yield* here.publish(ChangeHint.Person({ userId: ada }))
      yield* seconds(70)
      assert.isUndefined(yield* told)
      world.isAway = false
      yield* seconds(1)
      assert.strictEqual(statusOf(yield* told, grace), "offline")
    })
  )
})
