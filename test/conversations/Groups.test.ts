import { assert, layer } from "@effect/vitest"
import { Effect, Result } from "effect"
import { SqlClient } from "effect/sql"
import { Inbox } from "../../src/inbox/Inbox.ts"
import type { GroupChange } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { Receipts } from "../../src/conversations/Receipts.ts"
import { pageOf } from "../../src/contract/Paging.ts"
import { TestServices } from "../../src/testing/index.ts"
import { groupOf, headOf, nobody, people, post, refusal, systemMessages, wholeLog } from "../world.ts"

layer(TestServices)("A group", (it) => {
  it.effect("belongs to its creator, which is the first entry of its log", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const [ada, grace, eve] = yield* people("ada", "grace", "eve")
      const made = yield* conversations.create(ada.id, {
        name: "Engines",
        description: "All about them",
        participantIds: [grace.id, eve.id, grace.id, ada.id]
      })
      assert.deepInclude(made, {
        isDirectMessage: false,
        name: "Engines",
        description: "All about them",
        history: "whole"
      })
      assert.strictEqual(made.head, 1)
      assert.sameDeepMembers(
        made.participants.map(({ id, role }) => ({ id, role })),
        [
          { id: ada.id, role: "owner" },
          { id: grace.id, role: "member" },
          { id: eve.id, role: "member" }
        ]
      )
      assert.deepStrictEqual(yield* systemMessages(made.id), [{ event: "created", by: ada.id }])
      assert.deepStrictEqual(yield* conversations.get(grace.id, made.id), made)
    })
  )

  it.effect("needs neither a name nor other people", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const [first, second] = [yield* groupOf([ada]), yield* groupOf([ada])]
      assert.notStrictEqual(first, second)
      assert.strictEqual((yield* (yield* Conversations).get(ada.id, first)).name, null)
    })
  )

  it.effect("is not created with unknown people", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, grace] = yield* people("ada", "grace")
      const error = yield* Effect.flip(groupOf([ada, grace, { ...grace, id: nobody }]))
      assert.strictEqual(error._tag, "ValidationFailed")
      if (error._tag === "ValidationFailed") {
        assert.deepStrictEqual(
          error.errors.map(({ path }) => path),
          [["payload", "participantIds"]]
        )
      }
      assert.deepStrictEqual(yield* sql`SELECT id FROM conversations WHERE created_by = ${ada.id}`, [])
      assert.deepStrictEqual(yield* sql`SELECT user_id FROM conversation_participants WHERE user_id = ${grace.id}`, [])
    })
  )

  it.effect("is renamed and described by its owner and admins, as the log says", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const [ada, grace, eve] = yield* people("ada", "grace", "eve")
      const id = yield* groupOf([ada, grace, eve], { name: "Engines", description: "Old" })
      yield* (yield* Participants).setRole(ada.id, id, grace.id, "admin")
      const before = yield* headOf(ada, id)

      yield* conversations.update(ada.id, id, { name: "Analytical engines" })
      const changed = yield* conversations.update(grace.id, id, { description: null, history: "since_joining" })
      assert.deepInclude(changed, { name: "Analytical engines", description: null, history: "since_joining" })
      assert.strictEqual(changed.head, before + 3)
      assert.deepStrictEqual((yield* systemMessages(id)).slice(-3), [
        { event: "renamed", by: ada.id, name: "Analytical engines" },
        { event: "described", by: grace.id, description: null },
        { event: "historyChanged", by: grace.id, history: "since_joining" }
      ])
      assert.strictEqual(yield* refusal(conversations.update(eve.id, id, { name: "Mine" })), "Forbidden")
      assert.strictEqual(yield* headOf(ada, id), before + 3)
    })
  )

  it.effect("takes no position for a change that changes nothing", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada], { name: "Engines", description: "All about them" })
      const made = yield* conversations.get(ada.id, id)
      const same: ReadonlyArray<GroupChange> = [
        {},
        { name: "Engines" },
        { name: "Engines", description: "All about them", history: "whole" }
      ]
      for (const change of same) assert.deepStrictEqual(yield* conversations.update(ada.id, id, change), made)
      assert.strictEqual((yield* wholeLog(id)).length, 1)
    })
  )

  it.effect("logs each of many renames at once, the last of which is the name", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      const names = Array.from({ length: 12 }, (_, index) => `name ${index}`)
      yield* Effect.forEach(names, (name) => conversations.update(ada.id, id, { name }), { concurrency: "unbounded" })
      const said = (yield* systemMessages(id)).flatMap((content) => (content.event === "renamed" ? [content.name] : []))
      assert.sameMembers(said, names)
      assert.strictEqual((yield* conversations.get(ada.id, id)).name, said.at(-1) ?? null)
      assert.deepStrictEqual(
        (yield* wholeLog(id)).map(({ position }) => Number(position)),
        Array.from({ length: 13 }, (_, index) => index + 1)
      )
    })
  )

  it.effect("is deleted by its owner only, with all its messages", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const conversations = yield* Conversations
      const [ada, grace, eve] = yield* people("ada", "grace", "eve")
      const id = yield* groupOf([ada, grace])
      yield* (yield* Participants).setRole(ada.id, id, grace.id, "admin")
      yield* post(grace, id, "soon gone")
      assert.strictEqual(yield* refusal(conversations.remove(grace.id, id)), "Forbidden")
      assert.strictEqual(yield* refusal(conversations.remove(eve.id, id)), "NotFound")
      yield* conversations.remove(ada.id, id)
      for (const person of [ada, grace]) {
        assert.strictEqual(yield* refusal(conversations.get(person.id, id)), "NotFound")
        assert.strictEqual(yield* refusal(post(person, id, "anybody here?")), "NotFound")
        assert.deepStrictEqual((yield* conversations.list(person.id, 10, undefined)).conversations, [])
      }
      assert.deepStrictEqual(yield* sql`SELECT id FROM chat_messages WHERE conversation_id = ${id}`, [])
      assert.strictEqual(yield* refusal(conversations.remove(ada.id, id)), "NotFound")
    })
  )

  it.effect("has a message that is sent during its deletion before it or not at all", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const conversations = yield* Conversations
      const [ada, grace] = yield* people("ada", "grace")
      for (let round = 0; round < 5; round++) {
        const id = yield* groupOf([ada, grace])
        const [, sent] = yield* Effect.all(
          [
            conversations.remove(ada.id, id),
            Effect.forEach([1, 2, 3, 4, 5], (index) => Effect.result(post(grace, id, `message ${index}`)), {
              concurrency: "unbounded"
            })
          ],
          { concurrency: "unbounded" }
        )
        for (const result of sent) {
          if (Result.isFailure(result)) assert.strictEqual(result.failure._tag, "NotFound")
        }
        assert.isEmpty(yield* sql`SELECT FROM conversations WHERE id = ${id} AND deleted_at IS NULL`)
        assert.strictEqual(yield* refusal(post(grace, id, "after")), "NotFound")
      }
    })
  )

  it.effect("differs from a direct conversation, which cannot be changed", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const participants = yield* Participants
      const [ada, grace, eve] = yield* people("ada", "grace", "eve")
      const { conversation } = yield* conversations.direct(ada.id, grace.id)
      const { id } = conversation
      const attempts: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        conversations.update(ada.id, id, { name: "Us" }),
        conversations.update(ada.id, id, { history: "since_joining" }),
        conversations.remove(ada.id, id),
        participants.add(ada.id, id, eve.id),
        participants.handOver(ada.id, id, ada.id),
        participants.remove(ada.id, id, grace.id),
        participants.remove(ada.id, id, ada.id)
      ]
      for (const attempt of attempts) assert.strictEqual(yield* refusal(attempt), "Forbidden")
      assert.deepStrictEqual(yield* conversations.get(grace.id, id), conversation)
    })
  )
})

layer(TestServices)("The list of conversations", (it) => {
  it.effect("has the last active one first, with its last message and the other person", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const [ada, grace, eve] = yield* people("ada", "grace", "eve")
      const group = yield* groupOf([ada, grace, eve], { name: "Engines" })
      const { conversation: direct } = yield* conversations.direct(ada.id, grace.id)
      const said = yield* post(grace, group, "x".repeat(500))
      const { conversations: list, next } = yield* conversations.list(ada.id, 10, undefined)
      assert.strictEqual(next, null)
      assert.deepStrictEqual(
        list.map(({ id, name, other, role }) => ({ id, name, other: other?.id, role })),
        [
          { id: group, name: "Engines", other: undefined, role: "owner" },
          { id: direct.id, name: null, other: grace.id, role: "member" }
        ]
      )
      assert.deepInclude(list[0]?.lastMessage, { id: said.id, senderId: grace.id, preview: "x".repeat(200) })
      assert.strictEqual(list[1]?.lastMessage, null)
      yield* post(ada, direct.id, "hello")
      const again = yield* conversations.list(ada.id, 10, undefined)
      assert.deepStrictEqual(
        again.conversations.map(({ id }) => id),
        [direct.id, group]
      )
    })
  )

  it.effect("pages through each conversation once, even those of the same instant", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const conversations = yield* Conversations
      const [ada] = yield* people("ada")
      const ids = yield* Effect.replicateEffect(groupOf([ada]), 11)
      yield* sql`
        UPDATE conversations SET updated_at = '2024-01-01T00:00:00.0005Z'
        WHERE id = ANY(${ids.slice(0, 7)}::uuid[])`
      const seen: Array<string> = []
      let after: Parameters<typeof conversations.list>[2]
      do {
        const page = yield* conversations.list(ada.id, 4, after)
        assert.isAtMost(page.conversations.length, 4)
        seen.push(...page.conversations.map(({ id }) => id))
        after = page.next ?? undefined
      } while (after !== undefined)
      assert.strictEqual(seen.length, 11)
      assert.sameMembers(seen, ids)
    })
  )

  it.effect("is reordered by new messages only", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const changes = yield* MessageChanges
      const inbox = yield* Inbox
      const [ada, grace] = yield* people("ada", "grace")
      const [older, newer] = [yield* groupOf([ada, grace]), yield* groupOf([ada, grace])]
      const target = { conversationId: older, id: (yield* post(grace, older, "old")).id }
      yield* post(ada, newer, "new")
      const listed = Effect.gen(function* () {
        const { conversations: list } = yield* conversations.list(grace.id, 10, undefined)
        const { conversations: shown, ids } = yield* inbox.read(grace.id, undefined)
        const order = list.map(({ id }) => id)
        assert.deepStrictEqual([ids, shown.map(({ id }) => id)], [order, order])
        const { conversations: rest } = yield* conversations.list(
          grace.id,
          10,
          pageOf(list, 1, ({ id, lastActivityAt }) => ({ before: lastActivityAt, id })).next ?? undefined
        )
        assert.deepStrictEqual(
          rest.map(({ id }) => id),
          order.slice(1)
        )
        return order
      })
      const acts = {
        receipt: Effect.flatMap(headOf(grace, older), (head) =>
          Receipts.use((receipts) => receipts.put(grace.id, older, { readSeq: head }))
        ),
        edit: changes.edit(grace.id, target, "older"),
        react: changes.react(ada.id, target, "👍"),
        unreact: changes.unreact(ada.id, target, "👍"),
        erase: changes.erase(grace.id, target)
      }
      for (const [name, act] of Object.entries(acts)) {
        yield* act
        assert.deepStrictEqual(yield* listed, [newer, older], name)
      }
      yield* post(ada, older, "newest")
      assert.deepStrictEqual(yield* listed, [older, newer])
      // A system message is a message, too: the last one, which the list shows.
      yield* conversations.update(ada.id, newer, { name: "Looms" })
      assert.deepStrictEqual(yield* listed, [newer, older])
    })
  )
})
