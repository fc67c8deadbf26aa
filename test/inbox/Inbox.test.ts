import { firstIncarnation } from "../../src/contract/Incarnation.ts"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Queue } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { Inbox } from "../../src/inbox/Inbox.ts"
import { Position, type ConversationId } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageId } from "../../src/contract/Message.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { Receipts } from "../../src/conversations/Receipts.ts"
import { signedIn, TestServices, type TestUser } from "../../src/testing/index.ts"

const world = Effect.gen(function* () {
  const conversations = yield* Conversations
  const inbox = yield* Inbox
  const messages = yield* Messages
  const [ada, grace] = [yield* signedIn(), yield* signedIn()]
  const { conversation } = yield* conversations.direct(ada.id, grace.id)
  const send = (sender: TestUser, id: ConversationId = conversation.id) =>
    messages.send(sender.id, id, MessageId.make(randomUUID()), { content: "hello", messageType: "text" })
  return { ada, grace, id: conversation.id, inbox, send, conversations }
})

layer(TestServices)("Inbox", (it) => {
  it.effect("shows each conversation with its last message and unread count", () =>
    Effect.gen(function* () {
      const { ada, grace, id, inbox, send } = yield* world
      yield* send(grace)
      yield* send(grace)
      const { conversations, ids } = yield* inbox.read(ada.id, undefined)
      assert.deepStrictEqual(ids, [id])
      const [conversation] = conversations
      assert.strictEqual(conversation?.unreadCount, 2)
      assert.strictEqual(conversation?.other?.id, grace.id)
      assert.strictEqual(conversation?.lastMessage?.preview, "hello")
    })
  )

  it.effect("returns the changes since a horizon, and nothing else", () =>
    Effect.gen(function* () {
      const { ada, conversations, grace, id, inbox, send } = yield* world
      const quiet = yield* conversations.create(ada.id, { participantIds: [] })
      const known = yield* inbox.read(ada.id, undefined)
      yield* send(grace)
      const first = yield* inbox.read(ada.id, known)
      assert.includeMembers(
        first.conversations.map((conversation) => conversation.id),
        [id]
      )
      assert.sameMembers([...first.ids], [id, quiet.id])
      yield* (yield* Receipts).put(ada.id, id, { readSeq: Position.make(1) })
      const second = yield* inbox.read(ada.id, first)
      assert.strictEqual(second.conversations.find((conversation) => conversation.id === id)?.unreadCount, 0)
      // A transaction of others' that has ended can repeat an item once, but not for ever.
      let since = second
      const later = yield* Effect.suspend(() => inbox.read(ada.id, since)).pipe(
        Effect.tap((state) => Effect.sync(() => void (since = state))),
        Effect.repeat({ until: ({ conversations }) => conversations.length === 0 })
      )
      assert.sameMembers([...later.ids], [id, quiet.id])
    })
  )

  it.effect("misses no transaction that was open when it was read", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { ada, id, inbox } = yield* world
      const [started, mayCommit] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const slow = yield* sql`UPDATE conversations SET name = 'slow' WHERE id = ${id}`.pipe(
        Effect.andThen(Deferred.succeed(started, undefined)),
        Effect.andThen(Deferred.await(mayCommit)),
        sql.withTransaction,
        Effect.forkChild
      )
      yield* Deferred.await(started)
      // A later transaction commits before it.
      yield* signedIn()
      const during = yield* inbox.read(ada.id, undefined)
      assert.isNull(during.conversations[0]?.name)
      yield* Deferred.succeed(mayCommit, undefined)
      yield* Fiber.join(slow)
      const after = yield* inbox.read(ada.id, during)
      assert.strictEqual(after.conversations[0]?.name, "slow")
    })
  )

  it.effect("returns everything for a horizon of another database", () =>
    Effect.gen(function* () {
      const { ada, inbox } = yield* world
      const { acquaintances, conversations, isWhole } = yield* inbox.read(ada.id, {
        incarnation: firstIncarnation,
        horizon: { next: 2 ** 40, running: [] },
        last: null,
        revision: 0,
        seen: [],
        digests: new Map()
      })
      assert.isTrue(isWhole)
      assert.strictEqual(conversations.length, 1)
      assert.isNotNull(acquaintances)
    })
  )

  it.effect("notifies its listeners of messages, receipts, and people who join or leave", () =>
    Effect.gen(function* () {
      const { ada, conversations, grace, id, inbox, send } = yield* world
      const woken = yield* Queue.unbounded<void>()
      const listener = yield* inbox.follow(ada.id, { wake: () => Queue.offerUnsafe(woken, undefined) })
      const told = Effect.map(Queue.take(woken), () => assert.isTrue(listener.consumeWakeUp()))
      listener.acknowledge(yield* inbox.read(ada.id, undefined))
      yield* send(grace)
      yield* told
      yield* (yield* Receipts).put(ada.id, id, { readSeq: Position.make(1) })
      yield* told
      const group = yield* conversations.create(grace.id, { participantIds: [] })
      const participants = yield* Participants
      yield* participants.add(grace.id, group.id, ada.id)
      yield* told
      listener.acknowledge(yield* inbox.read(ada.id, undefined))
      yield* participants.remove(grace.id, group.id, ada.id)
      yield* told
      assert.deepStrictEqual((yield* inbox.read(ada.id, undefined)).ids, [id])
    })
  )
})
