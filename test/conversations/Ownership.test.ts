import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { AccountAdmin } from "../../src/accounts/AccountAdmin.ts"
import { AccountDeletion } from "../../src/accounts/AccountDeletion.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import type { ConversationId, Role } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { testPassword, TestServices, type TestUser } from "../../src/testing/index.ts"
import { groupOf, people, systemMessages } from "../world.ts"

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
          const found = yield* sql<{ id: string; role: Role }>`
            SELECT user_id AS id, role FROM conversation_participants WHERE conversation_id = ${group}`
          const roles = Object.fromEntries(found.map(({ id, role }) => [id, role]))
          assert.deepStrictEqual(
            found.flatMap(({ id, role }) => (role === "owner" ? [id] : [])),
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
})
