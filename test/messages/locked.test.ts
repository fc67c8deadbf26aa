import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import type { SqlClient } from "effect/sql"
import { AccountDeletion } from "../../src/accounts/AccountDeletion.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import type { ConversationId } from "../../src/contract/Conversation.ts"
import { Position } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { Receipts } from "../../src/conversations/Receipts.ts"
import { Blocks } from "../../src/friends/Blocks.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { testPassword, TestServices, type TestUser } from "../../src/testing/index.ts"
import { holding } from "../database/holding.ts"
import { groupOf, newId, people, post, refusal, text } from "../world.ts"

const lockRows = (id: ConversationId) => (sql: SqlClient.SqlClient) =>
  sql`
    SELECT FROM conversations c JOIN conversation_participants p ON p.conversation_id = c.id
    WHERE c.id = ${id} FOR UPDATE OF c, p`

interface Refusal {
  readonly _tag: string
  readonly detail?: string | undefined
}

/** Every write that waits for the rows of a conversation, each with messages of its own to change. */
const writes = Effect.fnUntraced(function* (ada: TestUser, grace: TestUser, eve: TestUser, id: ConversationId) {
  const changes = yield* MessageChanges
  const conversations = yield* Conversations
  const participants = yield* Participants
  const receipts = yield* Receipts
  const messages = yield* Messages
  const target = Effect.map(post(ada, id, "before"), (message) => ({ conversationId: id, id: message.id }))
  const [edited, erased, reacted] = [yield* target, yield* target, yield* target]
  const all = {
    edit: changes.edit(ada.id, edited, "after"),
    erase: changes.erase(ada.id, erased),
    react: changes.react(grace.id, reacted, "🎉"),
    unreact: changes.unreact(grace.id, reacted, "👍"),
    rename: conversations.update(ada.id, id, { name: "Engines" }),
    add: participants.add(ada.id, id, eve.id),
    receipt: receipts.put(grace.id, id, { readSeq: Position.make(2) }),
    send: messages.send(ada.id, id, newId(), text("sent")),
    leave: participants.remove(grace.id, id, grace.id),
    remove: conversations.remove(ada.id, id)
  }
  return all as Record<keyof typeof all, Effect.Effect<unknown, Refusal>>
})

layer(TestServices, { excludeTestServices: true })("While a conversation is locked", (it) => {
  it.effect("every kind of write to others continues, however many wait for it", () =>
    Effect.gen(function* () {
      const [ada, grace, eve] = yield* people("ada", "grace", "eve")
      const [locked, free] = [yield* groupOf([ada, grace]), yield* groupOf([ada, grace])]
      const { remove, ...waiting } = yield* writes(ada, grace, eve, locked)
      const going = yield* writes(ada, grace, eve, free)
      const fibers = yield* holding(lockRows(locked), (release) =>
        Effect.gen(function* () {
          const fibers = yield* Effect.forEach(
            Array.from({ length: 12 }, () => Object.values(waiting)).flat(),
            (write) => Effect.forkChild(Effect.exit(Effect.asVoid(write)), { startImmediately: true })
          )
          for (const write of Object.values(going)) yield* Effect.asVoid(write)
          assert.isTrue(fibers.every((fiber) => fiber.pollUnsafe() === undefined))
          yield* release
          return fibers
        })
      )
      yield* Fiber.joinAll(fibers)
      yield* remove
    })
  )

  it.effect("for long, every kind of write to it is refused as busy, and changes nothing", () =>
    Effect.gen(function* () {
      const [ada, grace, eve] = yield* people("ada", "grace", "eve")
      const id = yield* groupOf([ada, grace])
      const waiting = yield* writes(ada, grace, eve, id)
      const messages = yield* Messages
      const view = yield* messages.view(ada.id, id)
      yield* holding(lockRows(id), () =>
        Effect.forEach(
          Object.entries(waiting),
          ([name, write]) =>
            Effect.gen(function* () {
              const error = yield* Effect.flip(Effect.asVoid(write))
              assert.deepStrictEqual(
                { name, tag: error._tag, detail: error.detail },
                { name, tag: "DatabaseUnavailable", detail: "This conversation is busy. Try again in a moment." }
              )
            }),
          { concurrency: "unbounded", discard: true }
        )
      )
      assert.deepStrictEqual(yield* messages.view(ada.id, id), view)
      yield* waiting.edit
    })
  )

  it.effect("the deletion of an account in it waits, and holds up nobody else's changes; a block does not wait", () =>
    Effect.gen(function* () {
      const [ada, grace, eve, bob] = yield* people("ada", "grace", "eve", "bob")
      const id = yield* groupOf([ada, grace])
      const blocks = yield* Blocks
      const accounts = yield* AccountDeletion
      const session = yield* (yield* Sessions).authenticate(Redacted.make(grace.token))
      yield* holding(lockRows(id), (release) =>
        Effect.gen(function* () {
          const deletion = yield* Effect.forkChild(Effect.exit(accounts.deleteAccount(session, testPassword)), {
            startImmediately: true
          })
          yield* blocks.block(ada.id, bob.id)
          assert.deepStrictEqual(yield* blocks.blockedBy(ada.id), [bob.id])
          for (let times = 0; times < 5; times++) {
            yield* blocks.block(eve.id, bob.id)
            yield* blocks.unblock(eve.id, bob.id)
          }
          assert.isUndefined(deletion.pollUnsafe())
          yield* release
          yield* Fiber.join(deletion)
        })
      )
      assert.strictEqual(yield* refusal((yield* Messages).view(grace.id, id)), "NotFound")
    })
  )

  it.effect("for long, the deletion of an account in it is refused as busy, and changes nothing", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada, grace])
      const accounts = yield* AccountDeletion
      const session = yield* (yield* Sessions).authenticate(Redacted.make(grace.token))
      const error = yield* holding(lockRows(id), () => Effect.flip(accounts.deleteAccount(session, testPassword)))
      assert.deepStrictEqual(
        [error._tag, error.detail],
        ["DatabaseUnavailable", "This account is busy. Try again in a moment."]
      )
      yield* (yield* Messages).view(grace.id, id)
    })
  )
})
