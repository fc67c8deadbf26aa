import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { AccountAdmin } from "../../src/accounts/AccountAdmin.ts"
import { AccountDeletion } from "../../src/accounts/AccountDeletion.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import type { ConversationId, Role } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { Ownership } from "../../src/conversations/Ownership.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { testPassword, TestServices, type TestUser } from "../../src/testing/index.ts"
import { holding } from "../database/holding.ts"
import { groupOf, people, refusal, systemMessages } from "../world.ts"

const services = AccountAdmin.layer.pipe(Layer.provideMerge(TestServices))

/** How an owner stops leading a group. */
const ways = {
  leave: ({ id }: TestUser, group: ConversationId) => Participants.use(({ remove }) => remove(id, group, id)),
  "delete their account": Effect.fnUntraced(function* ({ token }: TestUser) {
    const current = yield* (yield* Sessions).authenticate(Redacted.make(token))
    yield* (yield* AccountDeletion).deleteAccount(current, testPassword)
  }),
  "are disabled": ({ account }: TestUser) => AccountAdmin.use(({ disable }) => disable(account.username))
}

/** The others, in the order in which they joined: their roles, and whether they can sign in. */
type Other = readonly [role: "admin" | "member", isDisabled?: "disabled"]

const groups: Record<
  string,
  { readonly others: ReadonlyArray<Other>; readonly heir: Record<keyof typeof ways, number> }
> = {
  "the admin who has been there longest": {
    others: [["member"], ["admin"], ["admin"]],
    heir: { leave: 1, "delete their account": 1, "are disabled": 1 }
  },
  "the member who has been there longest, where there is no admin": {
    others: [["member"], ["member"]],
    heir: { leave: 0, "delete their account": 0, "are disabled": 0 }
  },
  "a person who can sign in, before an admin who cannot": {
    others: [["admin", "disabled"], ["member"]],
    heir: { leave: 1, "delete their account": 1, "are disabled": 1 }
  },
  "nobody who cannot sign in, unless the owner goes": {
    others: [["member", "disabled"]],
    heir: { leave: 0, "delete their account": 0, "are disabled": -1 }
  }
}

const rolesOf = Effect.fnUntraced(function* (group: ConversationId) {
  const sql = yield* SqlClient.SqlClient
  const found = yield* sql<{ id: string; role: Role }>`
    SELECT user_id AS id, role FROM conversation_participants WHERE conversation_id = ${group}`
  return Object.fromEntries(found.map(({ id, role }) => [id, role]))
})

layer(services)("A group whose owner no longer leads it", (it) => {
  for (const [passesTo, { heir, others }] of Object.entries(groups)) {
    for (const [way, act] of Object.entries(ways) as Array<[keyof typeof ways, (typeof ways)[keyof typeof ways]]>) {
      it.effect(`passes to ${passesTo} (owners who ${way})`, () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const participants = yield* Participants
          const [owner] = yield* people("owner")
          const group = yield* groupOf([owner])
          const joined: Array<TestUser> = []
          for (const [role, isDisabled] of others) {
            const [other] = yield* people("other")
            yield* participants.setRole(owner.id, group, other.id, role)
            if (isDisabled) yield* sql`UPDATE users SET disabled_at = now() WHERE id = ${other.id}`
            joined.push(other)
          }
          const before = (yield* systemMessages(group)).length
          yield* act(owner, group)
          const expected = joined[heir[way]]
          const roles = yield* rolesOf(group)
          assert.deepStrictEqual(
            Object.keys(roles).filter((id) => roles[id] === "owner"),
            [(expected ?? owner).id]
          )
          assert.strictEqual(
            roles[owner.id],
            way === "are disabled" ? (expected === undefined ? "owner" : "admin") : undefined
          )
          const said = (yield* systemMessages(group)).slice(before)
          assert.deepStrictEqual(
            said.findLast(({ event }) => event === "roleChanged"),
            expected && { event: "roleChanged", by: owner.id, user: expected.id, role: "owner" }
          )
        })
      )
    }
  }

  it.effect("stays with the new owner when the former one is enabled again", () =>
    Effect.gen(function* () {
      const control = yield* AccountAdmin
      const [owner, other] = yield* people("owner", "other")
      const group = yield* groupOf([owner, other])
      yield* control.disable(owner.account.username)
      yield* control.disable(owner.account.username)
      yield* control.enable(owner.account.username)
      yield* (yield* Conversations).update(other.id, group, { name: "Engines" })
      const { participants } = yield* (yield* Conversations).get(owner.id, group)
      assert.deepStrictEqual(Object.fromEntries(participants.map(({ id, role }) => [id, role])), {
        [owner.id]: "admin",
        [other.id]: "owner"
      })
    })
  )

  it.effect("is not handed over to a disabled or deleted account, in the group or not", () =>
    Effect.gen(function* () {
      const participants = yield* Participants
      const accounts = yield* AccountAdmin
      const [owner, inside, outside, deleted] = yield* people("owner", "inside", "outside", "deleted")
      const group = yield* groupOf([owner, inside])
      yield* accounts.disable(inside.account.username)
      yield* accounts.disable(outside.account.username)
      yield* ways["delete their account"](deleted)
      const before = yield* systemMessages(group)
      assert.strictEqual(yield* refusal(participants.handOver(owner.id, group, inside.id)), "Forbidden")
      assert.strictEqual(yield* refusal(participants.handOver(owner.id, group, outside.id)), "Forbidden")
      assert.strictEqual(yield* refusal(participants.handOver(owner.id, group, deleted.id)), "NotFound")
      assert.deepStrictEqual(yield* systemMessages(group), before)
      assert.deepStrictEqual(yield* rolesOf(group), { [owner.id]: "owner", [inside.id]: "member" })

      yield* accounts.enable(inside.account.username)
      yield* participants.handOver(owner.id, group, inside.id)
      assert.deepStrictEqual(yield* rolesOf(group), { [owner.id]: "admin", [inside.id]: "owner" })
    })
  )

  it.effect("is not handed over to an account that is deleted and still on its way out", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const participants = yield* Participants
      const [owner, leaving] = yield* people("owner", "leaving")
      const group = yield* groupOf([owner, leaving])
      yield* sql`UPDATE users SET deleted_at = now() WHERE id = ${leaving.id}`
      assert.strictEqual(yield* refusal(participants.handOver(owner.id, group, leaving.id)), "NotFound")
      assert.deepStrictEqual(yield* rolesOf(group), { [owner.id]: "owner", [leaving.id]: "member" })
    })
  )

  for (const way of ["leave", "delete their account"] as const) {
    it.effect(`passes from a disabled account to the first participant who is enabled (owners who ${way})`, () =>
      Effect.gen(function* () {
        const accounts = yield* AccountAdmin
        const [owner, first, second] = yield* people("owner", "first", "second")
        const group = yield* groupOf([owner, first, second])
        for (const { account } of [first, second]) yield* accounts.disable(account.username)
        yield* ways[way](owner, group)
        const [heir, other] = (yield* rolesOf(group))[first.id] === "owner" ? [first, second] : [second, first]
        yield* accounts.enable(other.account.username)
        assert.deepStrictEqual(yield* rolesOf(group), { [heir.id]: "admin", [other.id]: "owner" })
        assert.deepStrictEqual((yield* systemMessages(group)).slice(-2), [
          { event: "roleChanged", by: heir.id, user: heir.id, role: "admin" },
          { event: "roleChanged", by: heir.id, user: other.id, role: "owner" }
        ])
        yield* accounts.enable(heir.account.username)
        assert.deepStrictEqual(yield* rolesOf(group), { [heir.id]: "admin", [other.id]: "owner" })
      })
    )
  }

  it.effect("passes on again when its next owner is disabled while the group passes to them", () =>
    Effect.gen(function* () {
      const accounts = yield* AccountAdmin
      const sql = yield* SqlClient.SqlClient
      const [owner, next, last] = yield* people("owner", "next", "last")
      const group = yield* groupOf([owner, next, last])
      yield* (yield* Participants).setRole(owner.id, group, next.id, "admin")
      const fibers = yield* holding(
        (sql) => sql`SELECT FROM conversation_participants WHERE conversation_id = ${group} FOR UPDATE`,
        () =>
          Effect.gen(function* () {
            const fibers = []
            for (const [waiting, { account }] of [owner, next].entries()) {
              fibers.push(yield* Effect.forkChild(accounts.disable(account.username), { startImmediately: true }))
              yield* sql`
                SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`.pipe(
                Effect.repeat({ until: (found) => found.length > waiting })
              )
            }
            return fibers
          })
      )
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(yield* rolesOf(group), { [owner.id]: "admin", [next.id]: "admin", [last.id]: "owner" })
    })
  )

  it.effect("passes on also if the process ends after the account is disabled", () =>
    Effect.gen(function* () {
      const accounts = yield* AccountAdmin
      const sql = yield* SqlClient.SqlClient
      const [owner, next] = yield* people("owner", "next")
      const group = yield* groupOf([owner, next])
      const isDisabled = sql`SELECT FROM users WHERE id = ${owner.id} AND disabled_at IS NOT NULL`
      yield* holding(
        (sql) => sql`SELECT FROM conversations WHERE id = ${group} FOR UPDATE`,
        () =>
          Effect.gen(function* () {
            const disabling = yield* Effect.forkChild(accounts.disable(owner.account.username), {
              startImmediately: true
            })
            yield* Effect.repeat(isDisabled, { until: (found) => found.length > 0 })
            yield* Fiber.interrupt(disabling)
          })
      )
      assert.deepStrictEqual(yield* rolesOf(group), { [owner.id]: "owner", [next.id]: "member" })
      yield* Layer.build(Layer.fresh(Ownership.layer))
      yield* Effect.repeat(sql`SELECT FROM successions`, { until: (found) => found.length === 0 })
      assert.deepStrictEqual(yield* rolesOf(group), { [owner.id]: "admin", [next.id]: "owner" })
    }).pipe(Effect.scoped)
  )
})
