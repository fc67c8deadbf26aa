import { assert, layer } from "@effect/vitest"
import { Array, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Position } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import type { Draft } from "../../src/contract/Message.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { signedIn, TestServices } from "../../src/testing/index.ts"
import { newId, refusal, text, wholeLog } from "../world.ts"

const world = Effect.gen(function* () {
  const conversations = yield* Conversations
  const [ada, grace, eve] = [yield* signedIn(), yield* signedIn(), yield* signedIn()]
  const { conversation } = yield* conversations.direct(ada.id, grace.id)
  return { ada, grace, eve, id: conversation.id, messages: yield* Messages }
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

  it.effect("the same message sent fifty times at once is one message, and every answer is the same", () =>
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

  it.effect("an id belongs to one message: other content, another author or another conversation is refused", () =>
    Effect.gen(function* () {
      const { ada, eve, grace, id, messages } = yield* world
      const { conversation: other } = yield* (yield* Conversations).direct(ada.id, eve.id)
      const messageId = newId()
      yield* messages.send(ada.id, id, messageId, text("first"))
      assert.strictEqual(yield* refusal(messages.send(ada.id, id, messageId, text("second"))), "MessageIdReused")
      assert.strictEqual(yield* refusal(messages.send(grace.id, id, messageId, text("first"))), "Forbidden")
      assert.strictEqual(yield* refusal(messages.send(ada.id, other.id, messageId, text("first"))), "MessageIdReused")
      assert.deepStrictEqual(
        (yield* wholeLog(id)).map(({ message }) => message.content),
        ["first"]
      )
    })
  )

  it.effect("an outsider can neither write nor read, and changes nothing", () =>
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

  it.effect("pages lead forward from a position, and show where the log ends", () =>
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

  it.effect("a message is delivered and read when the cursors of all others have reached it", () =>
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

  it.effect("a page around a position leads on to both sides, however small it is", () =>
    Effect.gen(function* () {
      const { ada, id, messages } = yield* world
      yield* Effect.forEach(Array.range(1, 5), (index) => messages.send(ada.id, id, newId(), text(`${index}`)))
      const view = yield* messages.view(ada.id, id)
      const page = yield* messages.page(id, view, { limit: 1, around: Position.make(3) })
      assert.deepStrictEqual(
        page.messages.map(({ content }) => content),
        ["3"]
      )
      assert.deepStrictEqual([page.before, page.after], ["3", "3"])
    })
  )

  it.effect("an image and a file come back as they were sent, in every way to read them", () =>
    Effect.gen(function* () {
      const { ada, grace, id, messages } = yield* world
      const url = "https://example.com/a.png"
      const drafts: ReadonlyArray<Draft> = [
        { messageType: "image", content: { url } },
        { messageType: "image", content: { url, thumbnailUrl: url, width: 640, height: 480, caption: 'a "view"' } },
        { messageType: "file", content: { url, filename: "a.png", size: 0, mimeType: "image/png" } }
      ]
      for (const draft of drafts) {
        const messageId = newId()
        const { message } = yield* messages.send(ada.id, id, messageId, draft)
        assert.deepInclude(message, { messageType: draft.messageType, content: draft.content })
        assert.deepStrictEqual(yield* messages.get(grace.id, id, messageId), message)
        assert.deepStrictEqual(yield* messages.send(ada.id, id, messageId, draft), { message, created: false })
        const asText = { ...draft, messageType: "text" as const }
        assert.strictEqual(yield* refusal(messages.send(ada.id, id, messageId, asText)), "MessageIdReused")
      }
      const view = yield* messages.view(grace.id, id)
      const page = yield* messages.page(id, view, { limit: 10 })
      const contents = drafts.map(({ content }) => content)
      assert.deepStrictEqual(
        page.messages.map(({ content }) => content),
        contents
      )
      assert.deepStrictEqual(
        (yield* wholeLog(id)).map(({ message }) => message.content),
        contents
      )
    })
  )

  it.effect("a reply must be to a message of the same conversation", () =>
    Effect.gen(function* () {
      const { ada, eve, grace, id, messages } = yield* world
      const { conversation: other } = yield* (yield* Conversations).direct(ada.id, eve.id)
      const { message: question } = yield* messages.send(ada.id, id, newId(), text("why?"))
      const { message: elsewhere } = yield* messages.send(ada.id, other.id, newId(), text("elsewhere"))
      const answer = { ...text("because"), replyTo: question.id }
      const { message } = yield* messages.send(grace.id, id, newId(), answer)
      assert.strictEqual(message.replyTo, question.id)
      const itself = newId()
      for (const [messageId, replyTo] of [
        [newId(), elsewhere.id],
        [newId(), newId()],
        [itself, itself]
      ] as const) {
        const error = yield* Effect.flip(messages.send(ada.id, id, messageId, { ...text("lost"), replyTo }))
        assert.strictEqual(error._tag, "ValidationFailed")
        if (error._tag !== "ValidationFailed") continue
        assert.deepStrictEqual(error.errors[0]?.path, ["payload", "replyTo"])
      }
      assert.strictEqual((yield* wholeLog(id)).length, 2)
    })
  )

  it.effect("a message mentions the participants whom its text names, whatever the case, and nobody else", () =>
    Effect.gen(function* () {
      const { ada, eve, grace, id, messages } = yield* world
      const name = grace.account.username
      const mentions = (content: string) =>
        Effect.map(messages.send(ada.id, id, newId(), text(content)), ({ message }) => message.mentions)
      assert.deepStrictEqual(yield* mentions(`@${name}`), [grace.id])
      assert.deepStrictEqual(yield* mentions(`(@${name.toUpperCase()}), and again @${name}!`), [grace.id])
      assert.sameMembers([...(yield* mentions(`@${name} and @${ada.account.username}`))], [ada.id, grace.id])
      for (const content of [
        `@${eve.account.username} is not here`,
        `${name} without the sign`,
        `write to someone@${name}`,
        `@${name}_and_more`,
        "@nobody_of_this_name",
        "@"
      ]) {
        assert.deepStrictEqual(yield* mentions(content), [])
      }
    })
  )

  it.effect("an edited message that is sent again is answered with its current text; another content is refused", () =>
    Effect.gen(function* () {
      const { ada, grace, id, messages } = yield* world
      const changes = yield* MessageChanges
      const messageId = newId()
      const target = { conversationId: id, id: messageId }
      yield* messages.send(ada.id, id, messageId, text("first"))
      for (const content of ["second", "third"]) yield* changes.edit(ada.id, target, content)
      const edited = yield* messages.get(ada.id, id, messageId)
      assert.deepStrictEqual(yield* messages.send(ada.id, id, messageId, text("first")), {
        message: edited,
        created: false
      })
      for (const content of ["second", "third", "never said"]) {
        assert.strictEqual(yield* refusal(messages.send(ada.id, id, messageId, text(content))), "MessageIdReused")
      }
      const reply = { ...text("first"), replyTo: messageId }
      assert.strictEqual(yield* refusal(messages.send(ada.id, id, messageId, reply)), "MessageIdReused")
      assert.strictEqual(yield* refusal(messages.send(grace.id, id, messageId, text("first"))), "Forbidden")
      assert.strictEqual((yield* messages.view(ada.id, id)).head, edited.version)
    })
  )

  it.effect("a deleted message that its author sends again is answered with its tombstone", () =>
    Effect.gen(function* () {
      const { ada, grace, id, messages } = yield* world
      const changes = yield* MessageChanges
      const messageId = newId()
      yield* messages.send(ada.id, id, messageId, text("first"))
      yield* changes.edit(ada.id, { conversationId: id, id: messageId }, "second")
      yield* changes.erase(ada.id, { conversationId: id, id: messageId })
      const tombstone = yield* messages.get(grace.id, id, messageId)
      const again = yield* messages.send(ada.id, id, messageId, text("first"))
      assert.deepStrictEqual(again, { message: tombstone, created: false })
      assert.strictEqual(yield* refusal(messages.send(grace.id, id, messageId, text("first"))), "Forbidden")
      assert.strictEqual((yield* messages.view(ada.id, id)).head, tombstone.version)
    })
  )
})
