import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { AccountAdmin } from "../../src/accounts/AccountAdmin.ts"
import { ConversationId } from "../../src/contract/Conversation.ts"
import { ConversationAdmin } from "../../src/conversations/ConversationAdmin.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { groupOf, nobody, people, refusal, systemMessages } from "../world.ts"

const services = Layer.mergeAll(AccountAdmin.layer, ConversationAdmin.layer).pipe(Layer.provideMerge(TestServices))

const handOver = (id: ConversationId, username: string) =>
  ConversationAdmin.use((control) => control.handOver(id, username))
const show = (id: ConversationId) => ConversationAdmin.use((control) => control.show(id))
const person = ({ account: { username } }: TestUser, role: string, account = "active") => ({ username, role, account })

layer(services)("An operator", (it) => {
  it.effect("hands a group over once, whatever the capitals of the name", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const group = yield* groupOf([ada, grace])
      yield* handOver(group, grace.account.username)
      yield* handOver(group, grace.account.username.toUpperCase())
      const shown = yield* show(group)
      assert.deepStrictEqual(
        new Set(shown.people.map((one) => JSON.stringify(one))),
        new Set([person(ada, "admin"), person(grace, "owner")].map((one) => JSON.stringify(one)))
      )
      assert.strictEqual(shown.head, 3)
      assert.deepStrictEqual((yield* systemMessages(group)).slice(1), [
        { event: "roleChanged", by: ada.id, user: ada.id, role: "admin" },
        { event: "roleChanged", by: ada.id, user: grace.id, role: "owner" }
      ])
    })
  )

  it.effect("hands over a group that nobody leads, and one that has no owner", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const accounts = yield* AccountAdmin
      const [ada, grace] = yield* people("ada", "grace")
      const group = yield* groupOf([ada, grace])
      for (const { account } of [grace, ada]) yield* accounts.disable(account.username)
      assert.strictEqual(yield* refusal(handOver(group, grace.account.username)), "NotHandedOver")
      yield* accounts.enable(grace.account.username)
      yield* handOver(group, grace.account.username)
      assert.sameDeepMembers(
        [...(yield* show(group)).people],
        [person(ada, "admin", "disabled"), person(grace, "owner")]
      )

      yield* sql`UPDATE conversation_participants SET role = 'member' WHERE conversation_id = ${group}`
      yield* handOver(group, grace.account.username)
      assert.deepStrictEqual((yield* systemMessages(group)).at(-1), {
        event: "roleChanged",
        by: grace.id,
        user: grace.id,
        role: "owner"
      })
    })
  )

  it.effect("changes nothing where the group or the person is not right", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const [ada, grace, stranger] = yield* people("ada", "grace", "stranger")
      const group = yield* groupOf([ada, grace])
      const { id: direct } = yield* conversations.open(ada.id, grace.id)
      const deleted = yield* groupOf([ada, grace])
      yield* conversations.remove(ada.id, deleted)
      const before = yield* show(group)
      const { username } = grace.account
      assert.strictEqual(yield* refusal(handOver(group, stranger.account.username)), "NotHandedOver")
      assert.strictEqual(yield* refusal(handOver(group, "nobody")), "NoSuchAccount")
      assert.strictEqual(yield* refusal(handOver(direct, username)), "NotHandedOver")
      assert.strictEqual(yield* refusal(handOver(deleted, username)), "NoSuchConversation")
      assert.strictEqual(yield* refusal(handOver(ConversationId.make(nobody), username)), "NoSuchConversation")
      assert.strictEqual(yield* refusal(show(deleted)), "NoSuchConversation")
      assert.deepStrictEqual(yield* show(group), before)
      assert.sameDeepMembers([...(yield* show(direct)).people], [person(ada, "member"), person(grace, "member")])
    })
  )
})
