import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { UserId } from "../../src/contract/Account.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { signedIn, TestServices } from "../../src/testing/index.ts"

layer(TestServices)("Conversations", (it) => {
  it.effect("two people have one direct conversation, whoever opens it", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const [ada, grace] = [yield* signedIn(), yield* signedIn()]
      const first = yield* conversations.direct(ada.id, grace.id)
      const second = yield* conversations.direct(grace.id, ada.id)
      assert.isTrue(first.created)
      assert.isFalse(second.created)
      assert.strictEqual(second.conversation.id, first.conversation.id)
      assert.isTrue(first.conversation.isDirectMessage)
      assert.strictEqual(first.conversation.head, 0)
      assert.sameMembers(
        first.conversation.participants.map(({ id }) => id),
        [ada.id, grace.id]
      )
    })
  )

  it.effect("two people have one direct conversation, even if both open it at once, many times", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const conversations = yield* Conversations
      const [ada, grace] = [yield* signedIn(), yield* signedIn()]
      const asked = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? ([ada, grace] as const) : ([grace, ada] as const))),
        ([caller, other]) => conversations.direct(caller.id, other.id),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(asked.map(({ conversation }) => conversation.id)).size, 1)
      assert.strictEqual(asked.filter(({ created }) => created).length, 1)
      const rows = yield* sql`SELECT FROM conversation_participants WHERE user_id = ${ada.id}`
      assert.strictEqual(rows.length, 1)
    })
  )

  it.effect("there is none with oneself, or with an unknown person", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const ada = yield* signedIn()
      assert.strictEqual((yield* Effect.flip(conversations.direct(ada.id, ada.id)))._tag, "ValidationFailed")
      const nobody = UserId.make("00000000-0000-4000-8000-000000000000")
      assert.strictEqual((yield* Effect.flip(conversations.direct(ada.id, nobody)))._tag, "NotFound")
    })
  )

  it.effect("others do not learn of it", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const [ada, grace, eve] = [yield* signedIn(), yield* signedIn(), yield* signedIn()]
      const { conversation } = yield* conversations.direct(ada.id, grace.id)
      assert.strictEqual((yield* conversations.get(grace.id, conversation.id)).id, conversation.id)
      assert.strictEqual((yield* Effect.flip(conversations.get(eve.id, conversation.id)))._tag, "NotFound")
    })
  )
})
