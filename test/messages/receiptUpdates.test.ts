import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Fiber, Queue, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
import { setImmediate } from "node:timers/promises"
import { Sessions } from "../../src/auth/Sessions.ts"
import { Blocks } from "../../src/friends/Blocks.ts"
import { maxReceiptsListed, Position } from "../../src/contract/Conversation.ts"
import { haveReached, type ReceiptList } from "../../src/contract/Receipt.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { Receipts } from "../../src/conversations/Receipts.ts"
import { heartbeat } from "../../src/live/Feed.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Subscriptions } from "../../src/messages/Subscriptions.ts"
import { signedIn, TestServices, type TestUser } from "../../src/testing/index.ts"
import { groupOf, people, post } from "../world.ts"

/** A few seconds: less than the time that a lost hint may take. */
const seconds = Effect.replicateEffect(
  Effect.andThen(
    TestClock.adjust("1 second"),
    Effect.promise(() => setImmediate())
  ),
  4,
  { discard: true }
)

const request = { from: undefined, heartbeat: Duration.hours(1), sendsReceipts: true }

layer(TestServices)("A subscriber's receipts", (it) => {
  it.effect("come within seconds of each act that changes them, as the subscriber may see them", () =>
    Effect.gen(function* () {
      const subscriptions = yield* Subscriptions
      const receipts = yield* Receipts
      const participants = yield* Participants
      const blocks = yield* Blocks
      const messages = yield* Messages
      const [ada, bob, eve] = yield* people("ada", "bob", "eve")
      const id = yield* groupOf([ada, bob])
      const session = yield* (yield* Sessions).authenticate(Redacted.make(ada.token))
      const { feed } = yield* subscriptions.open(session, id, request)
      const seen = yield* Queue.unbounded<ReceiptList>()
      yield* feed.updates.pipe(
        Stream.runForEach((update) => {
          if (update === heartbeat || update._tag === "Change") return Effect.void
          const list =
            update._tag === "Snapshot" ? update.page.receipts : (JSON.parse(update.frame.body) as ReceiptList)
          return Queue.offer(seen, list)
        }),
        Effect.forkScoped
      )
      /** Waits for those that a GET shows. */
      const expectReceipts = Effect.fnUntraced(function* (count: number) {
        yield* seconds
        const expected = (yield* messages.view(ada.id, id)).receipts
        assert.strictEqual(expected.length, count)
        let list: ReceiptList | undefined
        while (JSON.stringify(list) !== JSON.stringify(expected)) list = yield* Queue.take(seen)
      })
      yield* expectReceipts(2)
      yield* post(bob, id, "one")
      yield* expectReceipts(2)
      yield* receipts.put(bob.id, id, { readSeq: Position.make(2) })
      yield* receipts.put(ada.id, id, { readSeq: Position.make(2) })
      yield* expectReceipts(2)
      yield* participants.add(ada.id, id, eve.id)
      yield* expectReceipts(3)
      yield* receipts.put(eve.id, id, { deliveredSeq: Position.make(3) })
      yield* expectReceipts(3)
      yield* blocks.block(ada.id, bob.id)
      yield* expectReceipts(2)
      yield* receipts.put(eve.id, id, { readSeq: Position.make(3) })
      yield* expectReceipts(2)
      yield* blocks.unblock(ada.id, bob.id)
      yield* expectReceipts(3)
      yield* participants.remove(eve.id, id, eve.id)
      yield* expectReceipts(2)
    }).pipe(Effect.scoped)
  )

  it.effect("do not come while they do not change", () =>
    Effect.gen(function* () {
      const subscriptions = yield* Subscriptions
      const receipts = yield* Receipts
      const [ada, bob] = yield* people("ada", "bob")
      const id = yield* groupOf([ada, bob])
      const session = yield* (yield* Sessions).authenticate(Redacted.make(ada.token))
      const { feed } = yield* subscriptions.open(session, id, request)
      const updates = yield* feed.updates.pipe(Stream.take(2), Stream.runCollect, Effect.forkChild)
      yield* TestClock.adjust("2 minutes")
      yield* receipts.put(bob.id, id, { deliveredSeq: Position.make(0) })
      yield* seconds
      yield* receipts.put(bob.id, id, { deliveredSeq: Position.make(1) })
      yield* seconds
      const [, update] = yield* Fiber.join(updates)
      assert(update !== heartbeat && update?._tag === "Receipts")
      assert.include(update.frame.body, `"deliveredSeq":1`)
    }).pipe(Effect.scoped)
  )

  it.effect("are at most four in a large group, from which the same follows as from all of them", () =>
    Effect.gen(function* () {
      const receipts = yield* Receipts
      const messages = yield* Messages
      const [ada] = yield* people("ada")
      const others = yield* Effect.forEach(Array.from({ length: maxReceiptsListed }), () => signedIn(), {
        concurrency: 8
      })
      const everyone: readonly [TestUser, ...ReadonlyArray<TestUser>] = [ada, ...others]
      const id = yield* groupOf(everyone)
      for (let n = 0; n < 6; n++) yield* post(everyone[n] ?? ada, id, `message ${n}`)
      yield* Effect.forEach(everyone, ({ id: user }, index) =>
        receipts.put(user, id, {
          deliveredSeq: Position.make(3 + (index % 5)),
          readSeq: Position.make(2 + ((index * 7) % 6))
        })
      )
      const view = yield* messages.view(ada.id, id)
      assert.isAtMost(view.receipts.length, 4)
      for (const message of (yield* messages.page(id, view, { limit: 50 })).messages) {
        const single = yield* messages.get(ada.id, id, message.id)
        assert.deepStrictEqual([message.isDelivered, message.isRead], [single.isDelivered, single.isRead])
        assert.strictEqual(haveReached(view.receipts, "readSeq", message), single.isRead)
      }
    })
  )
})
