import { firstIncarnation } from "../../src/contract/Incarnation.ts"
import { assert, layer } from "@effect/vitest"
import { Array, Duration, Effect, Fiber, Redacted, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import { Position } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageId } from "../../src/contract/Message.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { heartbeat, type Heartbeat } from "../../src/live/Feed.ts"
import { Subscriptions, type SubscriptionUpdate } from "../../src/messages/Subscriptions.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import { signedIn, TestServices, type TestUser } from "../../src/testing/index.ts"

const patience = Duration.seconds(20)

const sessionOf = ({ token }: TestUser) =>
  Effect.flatMap(Sessions, (sessions) => sessions.authenticate(Redacted.make(token)))

const at = (position: number) => ({ incarnation: firstIncarnation, position: Position.make(position) })

const world = Effect.gen(function* () {
  const conversations = yield* Conversations
  const messages = yield* Messages
  const subscriptions = yield* Subscriptions
  const [ada, grace, eve] = [yield* signedIn(), yield* signedIn(), yield* signedIn()]
  const { conversation } = yield* conversations.direct(ada.id, grace.id)
  const session = yield* sessionOf(ada)
  const send = (content: string) =>
    messages.send(grace.id, conversation.id, MessageId.make(randomUUID()), { content, messageType: "text" })
  const subscribe = (position?: number) =>
    Effect.map(
      subscriptions.open(session, conversation.id, {
        from: position === undefined ? undefined : at(position),
        heartbeat: patience,
        sendsReceipts: false
      }),
      ({ feed, version }) => ({ head: version.position, updates: feed.updates })
    )
  return { ada, grace, eve, id: conversation.id, send, subscribe, subscriptions }
})

const describe = (update: SubscriptionUpdate | Heartbeat) => {
  if (update === heartbeat) return "heartbeat"
  switch (update._tag) {
    case "Snapshot":
      return `snapshot ${update.version.position}: ${update.page.messages.map(({ content }) => content).join(" ")}`
    case "Change":
      return `change ${update.frame.position}`
    case "Receipts":
      return "receipts"
  }
}

/** Collects the next updates in the background. */
const collect = <E>(updates: Stream.Stream<SubscriptionUpdate | Heartbeat, E>, count: number) =>
  updates.pipe(Stream.take(count), Stream.runCollect, Effect.map(Array.map(describe)), Effect.forkChild)

layer(TestServices)("Subscriptions", (it) => {
  it.effect("begin with a snapshot, and go on with each message once, in order", () =>
    Effect.gen(function* () {
      const { send, subscribe } = yield* world
      yield* send("a")
      yield* send("b")
      const { head, updates } = yield* subscribe()
      const received = yield* collect(updates, 3)
      yield* send("c")
      yield* send("d")
      assert.strictEqual(head, 2)
      assert.deepStrictEqual(yield* Fiber.join(received), ["snapshot 2: a b", "change 3", "change 4"])
    })
  )

  it.effect("resume with exactly the missing messages, or with none", () =>
    Effect.gen(function* () {
      const { send, subscribe } = yield* world
      yield* Effect.forEach(["a", "b", "c", "d"], send)
      const behind = yield* subscribe(1)
      assert.deepStrictEqual(yield* Fiber.join(yield* collect(behind.updates, 3)), ["change 2", "change 3", "change 4"])
      const caughtUp = yield* subscribe(4)
      const received = yield* collect(caughtUp.updates, 1)
      yield* send("e")
      assert.deepStrictEqual(yield* Fiber.join(received), ["change 5"])
    })
  )

  it.effect("give one snapshot to a subscriber that is too far behind, or sends an unknown position", () =>
    Effect.gen(function* () {
      const { send, subscribe } = yield* world
      yield* Effect.forEach(Array.range(1, 1_002), (index) => send(`${index}`), { concurrency: "unbounded" })
      const first = ({ updates }: { updates: Stream.Stream<SubscriptionUpdate | Heartbeat, unknown> }) =>
        Effect.map(Effect.flatMap(collect(updates, 1), Fiber.join), ([update]) => update?.split(":")[0])
      assert.strictEqual(yield* first(yield* subscribe(1)), "snapshot 1002")
      assert.strictEqual(yield* first(yield* subscribe(2)), "change 3")
      assert.strictEqual(yield* first(yield* subscribe(1_003)), "snapshot 1002")
    })
  )

  it.effect("lose nothing when messages arrive while they are opened", () =>
    Effect.gen(function* () {
      const { send, subscribe } = yield* world
      const sending = yield* Effect.forEach(Array.range(1, 200), (index) => send(`${index}`), { concurrency: 10 }).pipe(
        Effect.forkChild
      )
      const subscribers = yield* Effect.forEach(Array.range(1, 20), () =>
        Effect.flatMap(subscribe(0), ({ updates }) => collect(updates, 200))
      )
      yield* Fiber.join(sending)
      for (const subscriber of subscribers) {
        assert.deepStrictEqual(
          yield* Fiber.join(subscriber),
          Array.range(1, 200).map((position) => `change ${position}`)
        )
      }
    })
  )

  it.effect("send heartbeats at the requested interval", () =>
    Effect.gen(function* () {
      const { send, subscribe } = yield* world
      const { updates } = yield* subscribe(0)
      const received = yield* collect(updates, 3)
      yield* TestClock.adjust(patience)
      yield* TestClock.adjust(patience)
      yield* send("a")
      assert.deepStrictEqual(yield* Fiber.join(received), ["heartbeat", "heartbeat", "change 1"])
    })
  )

  it.effect("get from a sweep the messages whose hint was lost", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { id, subscribe } = yield* world
      const { updates } = yield* subscribe(0)
      const received = yield* collect(updates, 1)
      // As if another process did it, and its hint got lost.
      yield* sql`UPDATE conversations SET head = 1 WHERE id = ${id}`
      yield* sql`
        INSERT INTO chat_messages (conversation_id, id, content, seq, version)
        VALUES (${id}, ${randomUUID()}, 'unheard of', 1, 1)`
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* Fiber.join(received), ["change 1"])
    })
  )

  it.effect("are refused to outsiders", () =>
    Effect.gen(function* () {
      const { eve, id, subscriptions } = yield* world
      const refused = yield* Effect.flip(
        subscriptions.open(yield* sessionOf(eve), id, { from: undefined, heartbeat: patience, sendsReceipts: false })
      )
      assert.strictEqual(refused._tag, "NotFound")
    })
  )
})
