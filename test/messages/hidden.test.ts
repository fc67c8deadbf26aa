import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { Blocks } from "../../src/friends/Blocks.ts"
import { Inbox } from "../../src/inbox/Inbox.ts"
import { Position } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageId } from "../../src/contract/Message.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Receipts } from "../../src/conversations/Receipts.ts"
import { signedIn, TestServices } from "../../src/testing/index.ts"
import { findMessages } from "../world.ts"

/** The direct conversation of Ada and Eve, in which Eve wrote "before", after which Ada blocked her. */
const blocked = Effect.gen(function* () {
  const messages = yield* Messages
  const blocks = yield* Blocks
  const [ada, eve] = [yield* signedIn(), yield* signedIn()]
  const { conversation } = yield* (yield* Conversations).direct(ada.id, eve.id)
  const { id } = conversation
  const send = (from: { readonly id: typeof ada.id }, content: string) =>
    Effect.map(
      messages.send(from.id, id, MessageId.make(randomUUID()), { content, messageType: "text" }),
      ({ message }) => message
    )
  const page = (who: typeof ada) =>
    Effect.flatMap(messages.view(who.id, id), (view) => messages.page(id, view, { limit: 50 }))
  const before = yield* send(eve, "before")
  yield* blocks.block(ada.id, eve.id)
  return { ada, eve, id, send, page, before, blocks, messages }
})

layer(TestServices)("A message of somebody whom I have blocked", (it) => {
  it.effect("is accepted as ever, and is a hidden place in my log until I unblock them", () =>
    Effect.gen(function* () {
      const { ada, before, blocks, eve, id, messages, page, send } = yield* blocked
      const after = yield* send(eve, "after")
      assert.deepInclude(after, { content: "after", seq: Position.make(2), senderId: eve.id })
      for (const [index, { id: messageId }] of [before, after].entries()) {
        const place = {
          id: messageId,
          seq: Position.make(index + 1),
          messageType: "hidden",
          senderId: null,
          content: null
        } as const
        assert.deepInclude((yield* page(ada)).messages[index], place)
        assert.deepInclude(yield* messages.get(ada.id, id, messageId), place)
      }
      assert.deepStrictEqual(
        (yield* page(eve)).messages.map(({ content }) => content),
        ["before", "after"]
      )
      yield* blocks.unblock(ada.id, eve.id)
      assert.deepStrictEqual(
        (yield* page(ada)).messages.map(({ content }) => content),
        ["before", "after"]
      )
    })
  )

  it.effect("is not found by its words, tells nothing of what it said before, and does not count as unread", () =>
    Effect.gen(function* () {
      const { ada, eve, id, send } = yield* blocked
      const changes = yield* MessageChanges
      const word = `w${randomUUID().replaceAll("-", "")}`
      const { id: messageId } = yield* send(eve, word)
      yield* changes.edit(eve.id, { conversationId: id, id: messageId }, `${word} again`)
      assert.deepStrictEqual(yield* findMessages(ada, word), [])
      assert.strictEqual((yield* findMessages(eve, word)).length, 1)
      assert.deepStrictEqual((yield* changes.history(ada.id, { conversationId: id, id: messageId }, 200)).versions, [])
      const { conversations } = yield* (yield* Inbox).read(ada.id, undefined)
      assert.deepInclude(conversations[0], { unreadCount: 0, lastMessage: null, head: Position.make(0) })
    })
  )

  it.effect("never counts as received by me, and neither do my messages as received by them", () =>
    Effect.gen(function* () {
      const { ada, eve, id, page, send } = yield* blocked
      const receipts = yield* Receipts
      yield* send(ada, "to nobody")
      const cursors = { deliveredSeq: Position.make(2), readSeq: Position.make(2) }
      yield* receipts.put(ada.id, id, cursors)
      yield* receipts.put(eve.id, id, cursors)
      for (const message of (yield* page(ada)).messages) {
        assert.deepInclude(message, { isDelivered: false, isRead: false })
      }
      // Eve's own cursor shows her own reading, as without a block.
      assert.deepStrictEqual(
        (yield* page(eve)).messages.map(({ isDelivered, isRead }) => [isDelivered, isRead]),
        [
          [false, false],
          [true, true]
        ]
      )
    })
  )

  it.effect("shows them nothing of the block: not one row that they can see has changed", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { ada, blocks, eve, id, page } = yield* blocked
      const rows = sql`
        SELECT c.xmin::text AS c, p.xmin::text AS p, c.head, c.updated_at FROM conversations c
        JOIN conversation_participants p ON p.conversation_id = c.id AND p.user_id = ${eve.id} WHERE c.id = ${id}`
      const before = [yield* rows, yield* page(eve), (yield* (yield* Inbox).read(eve.id, undefined)).conversations]
      yield* blocks.unblock(ada.id, eve.id)
      yield* blocks.block(ada.id, eve.id)
      const after = [yield* rows, yield* page(eve), (yield* (yield* Inbox).read(eve.id, undefined)).conversations]
      assert.deepStrictEqual(after, before)
    })
  )
})
