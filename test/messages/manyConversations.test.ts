import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Profiles } from "../../src/accounts/Profiles.ts"
import { Blocks } from "../../src/friends/Blocks.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { people } from "../world.ts"

/** More than two statements can process. */
const many = 2_100

/** How many of somebody's conversations have seen each number of changes. */
const changesOf = Effect.fnUntraced(function* ({ id }: TestUser) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql`
    SELECT coalesce(v.epoch, 0)::int AS epoch, coalesce(r.revision, 0)::int - 1 AS revision,
      p.rewritten_at > 0 AS "isRewritten", count(*)::int AS count
    FROM conversation_participants p
    LEFT JOIN visibility_epochs v USING (conversation_id) LEFT JOIN conversation_revisions r USING (conversation_id)
    WHERE p.user_id = ${id} GROUP BY 1, 2, 3`
})

layer(TestServices, { excludeTestServices: true })("Somebody in thousands of conversations", (it) => {
  it.effect("blocks and unblocks in each of them, and shows a new name in each", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, bob] = yield* people("ada", "bob")
      yield* sql`
        WITH made AS (
          INSERT INTO conversations (is_direct_message, head) SELECT false, 1 FROM generate_series(1, ${many}::int) RETURNING id
        ), revised AS (
          INSERT INTO conversation_revisions (conversation_id, revision) SELECT id, 1 FROM made
        )
        INSERT INTO conversation_participants (conversation_id, user_id) SELECT id, ${ada.id} FROM made`
      const blocks = yield* Blocks
      yield* blocks.block(ada.id, bob.id)
      assert.deepStrictEqual(yield* changesOf(ada), [{ epoch: 1, revision: 0, isRewritten: true, count: many }])
      yield* blocks.unblock(ada.id, bob.id)
      yield* (yield* Profiles).update(ada.id, { displayName: "Countess" })
      assert.deepStrictEqual(yield* changesOf(ada), [{ epoch: 2, revision: 1, isRewritten: true, count: many }])
    })
  )
})
