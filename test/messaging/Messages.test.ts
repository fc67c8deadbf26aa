import { assert, layer } from "@effect/vitest"
import { Array, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { Position, type ConversationId } from "../../src/messaging/Conversation.ts"
import { Conversations } from "../../src/messaging/Conversations.ts"
import { MessageId, type Draft } from "../../src/messaging/Message.ts"
import { Messages } from "../../src/messaging/Messages.ts"
import { signedIn, TestServices } from "../../src/testing/index.ts"

const text = (content: string): Draft => ({ content, messageType: "text" })
const newId = () => MessageId.make(randomUUID())

const world = Effect.gen(function* () {
  const conversations = yield* Conversations
  const [ada, grace, eve] = [yield* signedIn(), yield* signedIn(), yield* signedIn()]
  const { conversation } = yield* conversations.direct(ada.id, grace.id)
  return { ada, grace, eve, id: conversation.id, messages: yield* Messages }
})

/** The whole log, page by page from its beginning. */
const wholeLog = Effect.fnUntraced(function* (id: ConversationId) {
  const messages = yield* Messages
  return yield* messages.since(id, Position.make(0), 10_000)
})

layer(TestServices)("Messages", (it) => {
  it.effect("a message is in the database before it is acknowledged", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { ada, id, messages } = yield* world
      const messageId = newId()
      const { created, message } = yield* messages.send(ada.id, id, messageId, text("hello"))
      const rows = yield* sql<{ content: string }>`SELECT content FROM chat_messages WHERE id = ${messageId}`
      assert.isTrue(created)
      assert.deepStrictEqual(rows, [{ content: "hello" }])
      assert.deepStrictEqual([message.id, message.conversationId, message.senderId], [messageId, id, ada.id])
      assert.deepStrictEqual([message.content, Number(message.seq), Number(message.version)], ["hello", 1, 1])
    })
  )

  it.effect("the same message sent fifty times at once is one message, and everyone is answered the same", () =>
    Effect.gen(function* () {
      const { ada, id, messages } = yield* world
      const messageId = newId()
      const outcomes = yield* Effect.all(Array.replicate(messages.send(ada.id, id, messageId, text("once")), 50), {
        concurrency: "unbounded"
      })
      assert.strictEqual(outcomes.filter(({ created }) => created).length, 1)
      for (const { message } of outcomes) assert.deepStrictEqual(message, outcomes[0]!.message)
      assert.strictEqual((yield* wholeLog(id)).length, 1)
    })
  )

  it.effect("an id stands for one message: other content, another author or another conversation is refused", () =>
    Effect.gen(function* () {
      const { ada, eve, grace, id, messages } = yield* world
      const { conversation: other } = yield* (yield* Conversations).direct(ada.id, eve.id)
      const messageId = newId()
      yield* messages.send(ada.id, id, messageId, text("first"))
      const refused = (send: ReturnType<typeof messages.send>) => Effect.map(Effect.flip(send), ({ _tag }) => _tag)
      assert.strictEqual(yield* refused(messages.send(ada.id, id, messageId, text("second"))), "MessageIdReused")
      assert.strictEqual(yield* refused(messages.send(grace.id, id, messageId, text("first"))), "Forbidden")
      assert.strictEqual(yield* refused(messages.send(ada.id, other.id, messageId, text("first"))), "MessageIdReused")
      assert.deepStrictEqual(
        (yield* wholeLog(id)).map(({ message }) => message.content),
        ["first"]
      )
    })
  )

  it.effect("who takes no part can neither write nor read, and changes nothing", () =>
    Effect.gen(function* () {
      const { ada, eve, id, messages } = yield* world
      const { message } = yield* messages.send(ada.id, id, newId(), text("between us"))
      const attempts: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        messages.send(eve.id, id, newId(), text("let me in")),
        messages.send(eve.id, id, message.id, text("between us")),
        messages.get(eve.id, id, message.id),
        messages.view(eve.id, id)
      ]
      for (const attempt of attempts) assert.strictEqual((yield* Effect.flip(attempt))._tag, "NotFound")
      assert.strictEqual((yield* wholeLog(id)).length, 1)
    })
  )

  it.effect("a hundred senders at once lose nothing and leave no gap; one refused send fails alone", () =>
    Effect.gen(function* () {
      const { ada, eve, grace, id, messages } = yield* world
      const outcomes = yield* Effect.forEach(
        Array.range(0, 99),
        (index) =>
          messages
            .send([ada, grace, eve][index % 3]!.id, id, newId(), text(`message ${index}`))
            .pipe(Effect.match({ onSuccess: ({ message }) => message.seq as number, onFailure: ({ _tag }) => _tag })),
        { concurrency: "unbounded" }
      )
      const positions = outcomes.filter((outcome) => typeof outcome === "number")
      assert.strictEqual(outcomes.filter((outcome) => outcome === "NotFound").length, 33)
      assert.deepStrictEqual(
        positions.toSorted((a, b) => a - b),
        Array.range(1, 67)
      )
      assert.deepStrictEqual(
        (yield* wholeLog(id)).map(({ position }) => position as number),
        Array.range(1, 67)
      )
      assert.strictEqual((yield* messages.view(ada.id, id)).head, 67)
    })
  )

  it.effect("pages lead from the newest message back to the first, each message once", () =>
    Effect.gen(function* () {
      const { ada, id, messages } = yield* world
      yield* Effect.forEach(Array.range(1, 25), (index) => messages.send(ada.id, id, newId(), text(`${index}`)))
      const view = yield* messages.view(ada.id, id)
      const seen: Array<unknown> = []
      let before: string | null | undefined
      do {
        const page = yield* messages.page(id, view, {
          limit: 10,
          before: before === undefined ? undefined : Position.make(Number(before))
        })
        seen.unshift(...page.messages.map(({ content }) => content))
        before = page.before
      } while (before !== null)
      assert.deepStrictEqual(seen, Array.range(1, 25).map(String))
    })
  )

  it.effect("pages lead forward from a position, and say when there is no more", () =>
    Effect.gen(function* () {
      const { ada, id, messages } = yield* world
      yield* Effect.forEach(Array.range(1, 7), (index) => messages.send(ada.id, id, newId(), text(`${index}`)))
      const view = yield* messages.view(ada.id, id)
      const first = yield* messages.page(id, view, { limit: 5, after: Position.make(0) })
      const second = yield* messages.page(id, view, { limit: 5, after: Position.make(5) })
      assert.deepStrictEqual([first.before, first.after], [null, "5"])
      assert.deepStrictEqual([second.before, second.after], ["6", null])
      assert.deepStrictEqual(
        second.messages.map(({ content }) => content),
        ["6", "7"]
      )
    })
  )

  it.effect("a page around a position shows both sides of it", () =>
    Effect.gen(function* () {
      const { ada, id, messages } = yield* world
      yield* Effect.forEach(Array.range(1, 20), (index) => messages.send(ada.id, id, newId(), text(`${index}`)))
      const view = yield* messages.view(ada.id, id)
      const page = yield* messages.page(id, view, { limit: 6, around: Position.make(10) })
      assert.deepStrictEqual(
        page.messages.map(({ content }) => content),
        ["8", "9", "10", "11", "12", "13"]
      )
      assert.deepStrictEqual([page.before, page.after], ["8", "13"])
    })
  )

  it.effect("a message is delivered and read when the cursors of all others have come to it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { ada, grace, id, messages } = yield* world
      const { message } = yield* messages.send(ada.id, id, newId(), text("read me"))
      assert.deepInclude(message, { isDelivered: false, isRead: false })
      const move = (seq: number, column: "last_delivered_seq" | "last_read_seq") => sql`
        UPDATE conversation_participants SET ${sql(column)} = ${seq} WHERE conversation_id = ${id} AND user_id = ${grace.id}`
      yield* move(1, "last_delivered_seq")
      assert.deepInclude(yield* messages.get(ada.id, id, message.id), { isDelivered: true, isRead: false })
      yield* move(1, "last_read_seq")
      assert.deepInclude(yield* messages.get(ada.id, id, message.id), { isDelivered: true, isRead: true })
    })
  )
})
