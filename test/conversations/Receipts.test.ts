import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Position, type ConversationId } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Outbox } from "../../src/messages/Outbox.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { Receipts } from "../../src/conversations/Receipts.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { groupOf, headOf, newId, people, post, refusal, text } from "../world.ts"

const at = (seq: number) => Position.make(seq)

/** A group of three, whose log is at 1. */
const world = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const conversations = yield* Conversations
  const [ada, grace, eve] = yield* people("ada", "grace", "eve")
  const id = yield* groupOf([ada, grace, eve])
  const cursors = Effect.fnUntraced(function* (person: TestUser) {
    const [row] = yield* sql<{ delivered: number; read: number }>`
      SELECT last_delivered_seq::int AS delivered, last_read_seq::int AS read FROM conversation_participants
      WHERE conversation_id = ${id} AND user_id = ${person.id}`
    return [row?.delivered, row?.read]
  })
  const unread = Effect.fnUntraced(function* (person: TestUser, conversation: ConversationId = id) {
    const { conversations: list } = yield* conversations.list(person.id, 200, undefined)
    return list.find((summary) => summary.id === conversation)?.unreadCount
  })
  return { ada, grace, eve, id, cursors, unread, receipts: yield* Receipts, messages: yield* Messages }
})

layer(TestServices)("Receipts", (it) => {
  it.effect("only grow, in whatever order they come", () =>
    Effect.gen(function* () {
      const { ada, cursors, grace, id, receipts } = yield* world
      for (let n = 0; n < 9; n++) yield* post(ada, id, `message ${n}`)
      yield* receipts.put(grace.id, id, { deliveredSeq: at(6), readSeq: at(4) })
      assert.deepStrictEqual(yield* cursors(grace), [6, 4])
      yield* receipts.put(grace.id, id, { deliveredSeq: at(5), readSeq: at(2) })
      yield* receipts.put(grace.id, id, {})
      assert.deepStrictEqual(yield* cursors(grace), [6, 4])
      yield* Effect.forEach(
        [7, 10, 8, 3, 9],
        (seq) => receipts.put(grace.id, id, { readSeq: at(seq), deliveredSeq: at(1) }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(yield* cursors(grace), [10, 10])
    })
  )

  it.effect("a message that is read was delivered, but one that is delivered may be unread", () =>
    Effect.gen(function* () {
      const { ada, cursors, grace, id, receipts } = yield* world
      for (let n = 0; n < 4; n++) yield* post(ada, id, `message ${n}`)
      yield* receipts.put(grace.id, id, { deliveredSeq: at(2) })
      assert.deepStrictEqual(yield* cursors(grace), [2, 0])
      yield* receipts.put(grace.id, id, { readSeq: at(3) })
      assert.deepStrictEqual(yield* cursors(grace), [3, 3])
    })
  )

  it.effect("do not go past the head: later messages are neither delivered nor read", () =>
    Effect.gen(function* () {
      const { ada, cursors, grace, id, receipts, unread } = yield* world
      yield* post(ada, id, "one")
      yield* receipts.put(grace.id, id, { deliveredSeq: at(1_000_000), readSeq: at(999_999) })
      assert.deepStrictEqual(yield* cursors(grace), [2, 2])
      yield* post(ada, id, "two")
      assert.strictEqual(yield* unread(grace), 1)
    })
  )

  it.effect("are those of the participants", () =>
    Effect.gen(function* () {
      const { id, receipts } = yield* world
      const [bob] = yield* people("bob")
      assert.strictEqual(yield* refusal(receipts.put(bob.id, id, { readSeq: at(1) })), "NotFound")
    })
  )

  it.effect("a message in a group is delivered and read when all others have reached it", () =>
    Effect.gen(function* () {
      const { ada, eve, grace, id, messages, receipts } = yield* world
      const earlier = yield* post(ada, id, "earlier")
      const { id: later, seq } = yield* post(ada, id, "later")
      const flags = Effect.gen(function* () {
        const page = yield* messages.page(id, yield* messages.view(ada.id, id), { limit: 2 })
        const { isDelivered, isRead } = yield* messages.get(ada.id, id, later)
        const [, inPage] = page.messages
        assert.deepInclude(inPage, { isDelivered, isRead })
        return { isDelivered, isRead, isEarlierRead: page.messages[0]?.isRead }
      })
      const none = { isDelivered: false, isRead: false, isEarlierRead: false }
      assert.deepStrictEqual(yield* flags, none)
      yield* receipts.put(grace.id, id, { readSeq: seq })
      assert.deepStrictEqual(yield* flags, none)
      yield* receipts.put(eve.id, id, { deliveredSeq: seq, readSeq: earlier.seq })
      assert.deepStrictEqual(yield* flags, { isDelivered: true, isRead: false, isEarlierRead: true })
      yield* receipts.put(eve.id, id, { readSeq: seq })
      assert.deepStrictEqual(yield* flags, { isDelivered: true, isRead: true, isEarlierRead: true })
    })
  )

  it.effect("a person who joins or leaves does not keep a message from being read", () =>
    Effect.gen(function* () {
      const { ada, eve, grace, id, messages, receipts } = yield* world
      const participants = yield* Participants
      const [bob] = yield* people("bob")
      const { id: sent, seq } = yield* post(ada, id, "read me")
      yield* receipts.put(grace.id, id, { readSeq: seq })
      assert.isFalse((yield* messages.get(ada.id, id, sent)).isRead)
      yield* participants.remove(eve.id, id, eve.id)
      assert.isTrue((yield* messages.get(ada.id, id, sent)).isRead)
      yield* participants.add(ada.id, id, bob.id)
      assert.isTrue((yield* messages.get(ada.id, id, sent)).isRead)
    })
  )

  it.effect("a message that nobody else can get is neither delivered nor read", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const alone = yield* groupOf([ada])
      const sent = yield* post(ada, alone, "hello?")
      const found = yield* (yield* Messages).get(ada.id, alone, sent.id)
      assert.deepInclude(found, { isDelivered: false, isRead: false })
    })
  )
})

layer(TestServices)("A person who writes", (it) => {
  it.effect("has read up to there: nothing is unread, and others' messages are delivered and read", () =>
    Effect.gen(function* () {
      const { ada, cursors, eve, grace, id, messages, receipts, unread } = yield* world
      const asked = [yield* post(ada, id, "one?"), yield* post(ada, id, "two?")] as const
      assert.strictEqual(yield* unread(grace), 2)
      const answer = yield* post(grace, id, "yes, twice")
      assert.deepStrictEqual([yield* cursors(grace), yield* unread(grace)], [[answer.seq, answer.seq], 0])
      assert.deepStrictEqual([yield* unread(ada), yield* unread(eve)], [1, 3])
      const isRead = Effect.map(messages.get(ada.id, id, asked[1].id), ({ isRead }) => isRead)
      assert.isFalse(yield* isRead)
      yield* receipts.put(eve.id, id, { readSeq: asked[1].seq })
      assert.isTrue(yield* isRead)
    })
  )

  it.effect("moves no cursor by repeated or refused sends, and none back by an older receipt", () =>
    Effect.gen(function* () {
      const { ada, cursors, grace, id, messages, receipts, unread } = yield* world
      const sent = yield* post(grace, id, "first")
      yield* post(ada, id, "second")
      const draft = text("first")
      assert.isFalse((yield* messages.send(grace.id, id, sent.id, draft)).created)
      assert.strictEqual(
        yield* refusal(messages.send(grace.id, id, newId(), { ...draft, replyTo: newId() })),
        "ValidationFailed"
      )
      yield* receipts.put(grace.id, id, { deliveredSeq: at(1), readSeq: at(1) })
      assert.deepStrictEqual([yield* cursors(grace), yield* unread(grace)], [[sent.seq, sent.seq], 1])
    })
  )

  it.effect("and sends receipts at the same time ends at the later position, in any processes", () =>
    Effect.gen(function* () {
      const { ada, cursors, eve, grace, id, receipts } = yield* world
      const other = yield* groupOf([eve, grace, ada])
      const processes = [yield* Outbox, yield* Effect.map(Layer.build(Layer.fresh(Outbox.layer)), Context.get(Outbox))]
      const sends = processes.flatMap(({ append }) =>
        [ada, grace, eve].flatMap((person) =>
          [id, other].flatMap((conversationId) =>
            Array.from({ length: 10 }, () =>
              append({ ...text("?"), conversationId, id: newId(), senderId: person.id }).pipe(
                Effect.andThen(headOf(person, conversationId)),
                Effect.flatMap((head) =>
                  Effect.all(
                    [
                      receipts.put(person.id, conversationId, { readSeq: head }),
                      append({ ...text("!"), conversationId, id: newId(), senderId: person.id })
                    ],
                    { concurrency: "unbounded" }
                  )
                )
              )
            )
          )
        )
      )
      const outcomes = yield* Effect.all(sends, { concurrency: "unbounded" })
      assert.isTrue(outcomes.every(([, { created }]) => created))
      const head = 1 + 2 * 2 * 3 * 10
      assert.strictEqual(yield* headOf(ada, id), head)
      const all = yield* Effect.forEach([ada, grace, eve], cursors)
      assert.isTrue(all.every(([delivered, read]) => delivered === read))
      assert.strictEqual(Math.max(...all.map(([, read]) => read ?? 0)), head)
    })
  )
})

layer(TestServices)("The unread count", (it) => {
  it.effect("counts others' messages past the read cursor, without deleted and system messages", () =>
    Effect.gen(function* () {
      const { ada, eve, grace, id, receipts, unread } = yield* world
      assert.deepStrictEqual([yield* unread(ada), yield* unread(grace)], [0, 0])
      const first = yield* post(ada, id, "one")
      yield* post(grace, id, "two")
      yield* post(ada, id, "three")
      assert.deepStrictEqual([yield* unread(ada), yield* unread(grace), yield* unread(eve)], [0, 1, 3])
      yield* (yield* Conversations).update(ada.id, id, { name: "Engines" })
      assert.strictEqual(yield* unread(eve), 3)
      yield* receipts.put(eve.id, id, { deliveredSeq: yield* headOf(eve, id) })
      assert.strictEqual(yield* unread(eve), 3)
      yield* receipts.put(eve.id, id, { readSeq: first.seq })
      assert.deepStrictEqual([yield* unread(grace), yield* unread(eve)], [1, 2])
      yield* receipts.put(eve.id, id, { readSeq: yield* headOf(eve, id) })
      assert.strictEqual(yield* unread(eve), 0)
    })
  )

  it.effect("decreases with deletions, and does not change with edits and reactions", () =>
    Effect.gen(function* () {
      const { ada, grace, id, receipts, unread } = yield* world
      const changes = yield* MessageChanges
      const [first, second, third] = [
        yield* post(ada, id, "one"),
        yield* post(ada, id, "two"),
        yield* post(ada, id, "three")
      ]
      const targetOf = ({ id: message }: typeof first) => ({ conversationId: id, id: message })
      yield* receipts.put(grace.id, id, { readSeq: first.seq })
      assert.strictEqual(yield* unread(grace), 2)
      // A message that was read stays read after an edit.
      yield* changes.edit(ada.id, targetOf(first), "one more")
      yield* changes.edit(ada.id, targetOf(second), "two more")
      yield* changes.react(ada.id, targetOf(second), "👍")
      assert.strictEqual(yield* unread(grace), 2)
      yield* changes.erase(ada.id, targetOf(first))
      assert.strictEqual(yield* unread(grace), 2)
      yield* changes.erase(ada.id, targetOf(second))
      yield* changes.erase(ada.id, targetOf(second))
      assert.strictEqual(yield* unread(grace), 1)
      yield* receipts.put(grace.id, id, { readSeq: third.seq })
      assert.strictEqual(yield* unread(grace), 0)
    })
  )

  it.effect("begins at zero for a person who joins, whatever the history", () =>
    Effect.gen(function* () {
      const { ada, eve, id, unread } = yield* world
      const [bob] = yield* people("bob")
      yield* post(ada, id, "before")
      yield* (yield* Participants).add(ada.id, id, bob.id)
      assert.deepStrictEqual([yield* unread(bob), yield* unread(eve)], [0, 1])
      yield* post(ada, id, "after")
      assert.deepStrictEqual([yield* unread(bob), yield* unread(eve)], [1, 2])
    })
  )

  it.effect("is at most a thousand", () =>
    Effect.gen(function* () {
      const { ada, grace, id, receipts, unread } = yield* world
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO chat_messages (conversation_id, id, sender_id, message_type, content, seq, version, created_at)
        SELECT ${id}::uuid, gen_random_uuid(), ${ada.id}::uuid, 'text', 'message ' || n, n, n, now()
        FROM generate_series(2, 1501) n`
      yield* sql`UPDATE conversations SET head = 1501 WHERE id = ${id}`
      assert.strictEqual(yield* unread(grace), 1_000)
      yield* receipts.put(grace.id, id, { readSeq: at(501) })
      assert.strictEqual(yield* unread(grace), 1_000)
      yield* receipts.put(grace.id, id, { readSeq: at(502) })
      assert.strictEqual(yield* unread(grace), 999)
    })
  )
})
