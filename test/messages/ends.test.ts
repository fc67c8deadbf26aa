import { firstIncarnation } from "../../src/contract/Incarnation.ts"
import { assert, layer } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Redacted, Scope, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import { Sessions } from "../../src/auth/Sessions.ts"
import { Position } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageId } from "../../src/contract/Message.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { Draining } from "../../src/live/Draining.ts"
import { heartbeat, type Heartbeat } from "../../src/live/Feed.ts"
import { Subscriptions, type SubscriptionUpdate } from "../../src/messages/Subscriptions.ts"
import { signedIn, TestServer } from "../../src/testing/index.ts"

const patience = Duration.seconds(20)

/** A group of Ada's, who owns it, and Grace's, who subscribes to it. */
const group = Effect.gen(function* () {
  const conversations = yield* Conversations
  const messages = yield* Messages
  const subscriptions = yield* Subscriptions
  const sessions = yield* Sessions
  const [ada, grace] = [yield* signedIn(), yield* signedIn()]
  const { id } = yield* conversations.create(ada.id, { participantIds: [grace.id], history: "since_joining" })
  const session = yield* sessions.authenticate(Redacted.make(grace.token))
  const send = Effect.fnUntraced(function* (content: string) {
    const sent = yield* messages.send(ada.id, id, MessageId.make(randomUUID()), { content, messageType: "text" })
    return sent.message
  })
  const open = (position: number, as = session) =>
    Effect.map(
      subscriptions.open(as, id, {
        from: { incarnation: firstIncarnation, position: Position.make(position) },
        heartbeat: patience,
        sendsReceipts: false
      }),
      ({ feed, version }) => ({ head: version.position, next: feed.next(), updates: feed.updates })
    )
  return { ada, grace, id, open, send, session, sessions }
})

const describe = (updates: ReadonlyArray<SubscriptionUpdate | Heartbeat>) =>
  updates.flatMap((update) => {
    if (update === heartbeat) return []
    switch (update._tag) {
      case "Snapshot":
        return [`snapshot ${update.version.position}`]
      case "Change":
        return [update.frame.message.content]
      case "Receipts":
        return ["receipts"]
    }
  })

/** Listens in the background until the end. */
const listen = <E>(updates: Stream.Stream<SubscriptionUpdate | Heartbeat, E>) =>
  updates.pipe(Stream.runCollect, Effect.map(describe), Effect.forkChild({ startImmediately: true }))

const second = TestClock.adjust("1 second")

layer(TestServer.layer)("A subscription ends", (it) => {
  it.effect("within a second after its session, while that of another session continues", () =>
    Effect.gen(function* () {
      const { grace, open, send, session, sessions } = yield* group
      const { token } = yield* sessions.open(grace.id, { name: undefined, address: undefined })
      const other = yield* open(1, yield* sessions.authenticate(token))
      const goesOn = yield* listen(Stream.take(other.updates, 1))
      const ended = yield* listen((yield* open(1)).updates)
      yield* sessions.end(session.id)
      yield* second
      assert.deepStrictEqual(yield* Fiber.join(ended), [])
      yield* send("after")
      assert.deepStrictEqual(yield* Fiber.join(goesOn), ["after"])
    })
  )

  it.effect("within a second after its session has expired", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { open } = yield* group
      yield* sql`UPDATE sessions SET expires_at = ${new Date(100)}`
      const ended = yield* listen((yield* open(1)).updates)
      yield* second
      assert.deepStrictEqual(yield* Fiber.join(ended), [])
    })
  )

  it.effect("within a second after its conversation", () =>
    Effect.gen(function* () {
      const { ada, id, open } = yield* group
      const ended = yield* listen((yield* open(1)).updates)
      yield* (yield* Conversations).remove(ada.id, id)
      yield* second
      assert.deepStrictEqual(yield* Fiber.join(ended), [])
    })
  )

  it.effect("within a second also while it is a long poll, which brings nothing then", () =>
    Effect.gen(function* () {
      const { open, session, sessions } = yield* group
      const polled = yield* Effect.forkChild(Effect.flip((yield* open(1)).next), { startImmediately: true })
      yield* sessions.end(session.id)
      yield* second
      assert.isTrue(Cause.isDone(yield* Fiber.join(polled)))
    })
  )

  it.effect("at once when it is behind and its conversation is gone", () =>
    Effect.gen(function* () {
      const { ada, id, open, send } = yield* group
      yield* Effect.forEach(["a", "b", "c"], send)
      const { updates } = yield* open(1)
      yield* (yield* Conversations).remove(ada.id, id)
      assert.deepStrictEqual(yield* Fiber.join(yield* listen(updates)), [])
    })
  )

  it.effect("exactly where its user is removed", () =>
    Effect.gen(function* () {
      const { ada, grace, id, open, send } = yield* group
      const [live, late] = [yield* open(1), yield* open(1)]
      const received = yield* listen(live.updates)
      yield* send("before")
      yield* (yield* Participants).remove(ada.id, id, grace.id)
      yield* send("after")
      assert.deepStrictEqual(yield* Fiber.join(received), ["before"])
      // A client that reads only now gets nothing further.
      assert.deepStrictEqual(yield* Fiber.join(yield* listen(late.updates)), ["before"])
    })
  )

  for (const behind of [1, 100]) {
    it.effect(`before what they have not read yet is changed by those who stay, when ${behind} behind`, () =>
      Effect.gen(function* () {
        const { ada, grace, id, open, send } = yield* group
        yield* send("kept")
        const { id: changed } = yield* send("before")
        yield* Effect.forEach(Array.from({ length: behind - 1 }), () => send("more"), { concurrency: "unbounded" })
        // Read from the database only when the subscriber reads on.
        const { updates } = yield* open(1)
        yield* (yield* Participants).remove(ada.id, id, grace.id)
        yield* (yield* MessageChanges).edit(ada.id, { conversationId: id, id: changed }, "after")
        const received = yield* Fiber.join(yield* listen(updates))
        assert.strictEqual(received[0], behind === 1 ? "kept" : undefined)
        assert.notInclude(received, "after")
      })
    )
  }

  it.effect("at the position where its user leaves, and another starts where they come back", () =>
    Effect.gen(function* () {
      const { ada, grace, id, open, send } = yield* group
      const participants = yield* Participants
      yield* send("before")
      yield* participants.remove(grace.id, id, grace.id)
      yield* send("between")
      yield* participants.add(ada.id, id, grace.id)
      const { head, updates } = yield* open(2)
      yield* send("after")
      assert.deepStrictEqual(yield* Fiber.join(yield* listen(Stream.take(updates, 2))), [`snapshot ${head}`, "after"])
    })
  )
})

layer(TestServer.layer)("A subscription of a person who sees only messages from after joining", (it) => {
  it.effect("is silent about earlier messages: a long poll keeps waiting", () =>
    Effect.gen(function* () {
      const { ada, id, open, send } = yield* group
      const early = yield* send("early")
      const alan = yield* signedIn()
      yield* (yield* Participants).add(ada.id, id, alan.id)
      const session = yield* (yield* Sessions).authenticate(Redacted.make(alan.token))
      const { head, updates } = yield* open(3, session)
      assert.strictEqual(head, 3)
      const polled = yield* Effect.forkChild((yield* open(3, session)).next, { startImmediately: true })
      const received = yield* listen(Stream.take(updates, 1))
      yield* (yield* MessageChanges).edit(ada.id, { conversationId: id, id: early.id }, "edited")
      yield* (yield* MessageChanges).react(ada.id, { conversationId: id, id: early.id }, "👍")
      yield* send("theirs")
      assert.deepStrictEqual(describe(yield* Fiber.join(polled)), ["theirs"])
      assert.deepStrictEqual(yield* Fiber.join(received), ["theirs"])
    })
  )
})

layer(TestServer.layer)("The streams of a session and of a user", (it) => {
  it.effect("are limited: one more gets 429 in every encoding, until one has ended", () =>
    Effect.gen(function* () {
      const { grace, id, open, sessions } = yield* group
      const { baseUrl, fetch } = yield* TestServer
      const ask = (token: string, query: string, headers: Record<string, string>) =>
        Effect.promise(() =>
          fetch(`${baseUrl}/api/conversations/${id}/messages${query}`, {
            headers: { authorization: `Bearer ${token}`, ...headers }
          })
        )
      const refused = Effect.fnUntraced(function* (token: string) {
        for (const headers of [
          { subscribe: "true" },
          { accept: "text/event-stream" },
          { accept: "application/x-ndjson" }
        ]) {
          const answer = yield* ask(token, "", headers)
          assert.strictEqual(answer.status, 429)
          assert.include(yield* Effect.promise(() => answer.text()), '"RateLimited"')
        }
        assert.strictEqual((yield* ask(token, "?wait=1s", {})).status, 429)
        assert.strictEqual((yield* ask(token, "", {})).status, 200)
      })

      const [first, ...others] = yield* Effect.forEach(Array.from({ length: 32 }), () => Scope.make())
      for (const scope of [first, ...others]) yield* Scope.provide(open(1), scope ?? assert.fail())
      yield* refused(grace.token)
      yield* Scope.close(first ?? assert.fail(), Exit.void)
      yield* open(1)

      const openSession = sessions.open(grace.id, { name: undefined, address: undefined })
      for (let number = 0; number < 3; number++) {
        const session = yield* sessions.authenticate((yield* openSession).token)
        yield* Effect.forEach(Array.from({ length: 32 }), () => open(1, session), { concurrency: 8 })
      }
      yield* refused(Redacted.value((yield* openSession).token))
    })
  )
})

layer(TestServer.layer)("A subscription that has done nothing wrong", (it) => {
  it.effect("ends after an hour, or six minutes before or after, so that not all come back at once", () =>
    Effect.gen(function* () {
      const { open, send } = yield* group
      const { updates } = yield* open(1)
      const aged = yield* listen(updates)
      yield* TestClock.adjust("53 minutes")
      yield* send("still there")
      assert.deepStrictEqual(yield* Fiber.join(yield* listen(Stream.take((yield* open(1)).updates, 1))), [
        "still there"
      ])
      assert.isUndefined(aged.pollUnsafe())
      yield* TestClock.adjust("14 minutes")
      assert.deepStrictEqual(yield* Fiber.join(aged), ["still there"])
    })
  )

  it.effect("ends when the server is about to stop, a long poll too", () =>
    Effect.gen(function* () {
      const { open } = yield* group
      const streamed = yield* listen((yield* open(1)).updates)
      const polled = yield* Effect.forkChild(Effect.flip((yield* open(1)).next), { startImmediately: true })
      yield* (yield* Draining).begin
      assert.deepStrictEqual(yield* Fiber.join(streamed), [])
      assert.isTrue(Cause.isDone(yield* Fiber.join(polled)))
    })
  )
})
