import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { AccountAdmin } from "../../src/accounts/AccountAdmin.ts"
import { ConversationId } from "../../src/contract/Conversation.ts"
import { ConversationAdmin } from "../../src/conversations/ConversationAdmin.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { holding } from "../database/holding.ts"
import { groupOf, nobody, people, refusal, systemMessages } from "../world.ts"

const services = Layer.mergeAll(AccountAdmin.layer, ConversationAdmin.layer).pipe(Layer.provideMerge(TestServices))

const handOver = (id: ConversationId, username: string) =>
  ConversationAdmin.use((control) => control.handOver(id, username))
const show = (id: ConversationId) => ConversationAdmin.use((control) => control.show(id))
const person = ({ account: { username } }: TestUser, role: string, account = "active") => ({ username, role, account })

/** Waits until that many statements of this database wait for a lock. */
const untilWaiting = Effect.fnUntraced(function* (count: number) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`.pipe(
    Effect.repeat({ until: (waiting) => waiting.length === count })
  )
})

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

  it.effect("hands over a group that has no owner, but to no disabled account", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const accounts = yield* AccountAdmin
      const [ada, grace] = yield* people("ada", "grace")
      const group = yield* groupOf([ada, grace])
      yield* accounts.disable(grace.account.username)
      assert.strictEqual(yield* refusal(handOver(group, grace.account.username)), "NotHandedOver")
      yield* accounts.enable(grace.account.username)
      assert.sameDeepMembers([...(yield* show(group)).people], [person(ada, "owner"), person(grace, "member")])

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

  it.effect("changes nothing if the group or the person is not suitable", () =>
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

  it.effect("keeps a group from a person whose account is being disabled", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const group = yield* groupOf([ada, grace])
      const handing = yield* holding(
        (sql) => sql`UPDATE users SET disabled_at = now() WHERE id = ${grace.id}`,
        () =>
          Effect.gen(function* () {
            const handing = yield* Effect.forkChild(refusal(handOver(group, grace.account.username)), {
              startImmediately: true
            })
            yield* untilWaiting(1)
            return handing
          })
      )
      assert.strictEqual(yield* Fiber.join(handing), "NotHandedOver")
      assert.sameDeepMembers(
        [...(yield* show(group)).people],
        [person(ada, "owner"), person(grace, "member", "disabled")]
      )
    })
  )

  it.effect("who disables a new owner during the hand-over makes the group pass on", () =>
    Effect.gen(function* () {
      const accounts = yield* AccountAdmin
      const [ada, grace] = yield* people("ada", "grace")
      const group = yield* groupOf([ada, grace])
      const fibers = yield* holding(
        (sql) => sql`SELECT FROM conversation_participants WHERE conversation_id = ${group} FOR UPDATE`,
        () =>
          Effect.gen(function* () {
            const handing = yield* Effect.forkChild(handOver(group, grace.account.username), {
              startImmediately: true
            })
            yield* untilWaiting(1)
            const disabling = yield* Effect.forkChild(accounts.disable(grace.account.username), {
              startImmediately: true
            })
            yield* untilWaiting(2)
            return [handing, disabling]
          })
      )
      yield* Fiber.joinAll(fibers)
      assert.sameDeepMembers(
        [...(yield* show(group)).people],
        [person(ada, "owner"), person(grace, "admin", "disabled")]
      )
      assert.deepStrictEqual((yield* systemMessages(group)).slice(1), [
        { event: "roleChanged", by: ada.id, user: ada.id, role: "admin" },
        { event: "roleChanged", by: ada.id, user: grace.id, role: "owner" },
        { event: "roleChanged", by: grace.id, user: grace.id, role: "admin" },
        { event: "roleChanged", by: grace.id, user: ada.id, role: "owner" }
      ])
    })
  )
})
