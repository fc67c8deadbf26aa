import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { ConversationId } from "../../src/contract/Conversation.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { plansOf } from "../queryPlans.ts"
import { findMessages, groupOf, people } from "../world.ts"

interface Filled {
  readonly ada: TestUser
  /** Thousands of messages in one conversation, of which the last are not indexed. */
  readonly id: ConversationId
}

/** A database in which a search could read much that it does not need. */
class Fill extends Context.Service<Fill, Filled>()("test/Fill") {
  static readonly layer = Layer.effect(
    Fill,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada, grace])
      yield* sql`
        INSERT INTO conversations (name, is_direct_message, head) SELECT 'filler ' || n, false, 5 FROM generate_series(1, 4000) n`
      yield* sql`
        INSERT INTO conversation_participants (conversation_id, user_id, role)
        SELECT id, CASE WHEN name LIKE 'filler %00' THEN ${ada.id}::uuid ELSE ${grace.id}::uuid END, 'member'
        FROM conversations WHERE name LIKE 'filler %'`
      yield* sql`
        INSERT INTO chat_messages (conversation_id, id, sender_id, message_type, content, seq, version, created_at)
        SELECT id, gen_random_uuid(), ${grace.id}::uuid, 'text', 'word ' || n, n, n, now()
        FROM conversations, generate_series(1, 5) n WHERE name LIKE 'filler %'`
      const write = (from: number, to: number) => sql`
        WITH written AS (
          INSERT INTO chat_messages (conversation_id, id, sender_id, message_type, content, seq, version, created_at)
          SELECT ${id}::uuid, gen_random_uuid(), ${grace.id}::uuid, 'text', 'word ' || n, n, n, now()
          FROM generate_series(${from}::int, ${to}::int) n
        )
        UPDATE conversations SET head = ${to} WHERE id = ${id}`
      yield* write(2, 5_000)
      yield* (yield* SearchIndex).sweep
      yield* write(5_001, 5_050)
      yield* sql`UPDATE conversations SET head = 5051 WHERE id = ${id}`
      yield* sql`UPDATE chat_messages SET version = 5051 WHERE conversation_id = ${id} AND seq = 7`
      yield* sql`SELECT gin_clean_pending_list('message_terms_terms_idx')`
      yield* sql`ANALYZE`
      return { ada, id }
    })
  )
}

/**
 * One long conversation. PostgreSQL takes the index of times for cheap here, since it skips from conversation to conversation.
 */
class Long extends Context.Service<Long, { readonly ada: TestUser }>()("test/Long") {
  static readonly layer = Layer.effect(
    Long,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      yield* sql`
        WITH written AS (
          INSERT INTO chat_messages (conversation_id, id, sender_id, message_type, content, seq, version, created_at)
          SELECT ${id}::uuid, gen_random_uuid(), ${ada.id}::uuid, 'text', 'word ' || n, n, n, now()
          FROM generate_series(2, 20000) n
        )
        UPDATE conversations SET head = 20000 WHERE id = ${id}`
      yield* (yield* SearchIndex).sweep
      yield* sql`SELECT gin_clean_pending_list('message_terms_terms_idx')`
      yield* sql`ANALYZE`
      return { ada }
    })
  )
}

layer(Fill.layer.pipe(Layer.provideMerge(TestServices)))("On a filled database", (it) => {
  it.effect("the index takes new and changed messages by the indexes of the log", () =>
    Effect.gen(function* () {
      const { id } = yield* Fill
      const plans = yield* plansOf((yield* SearchIndex).catchUp([id]))
      assert.includeMembers(
        [...plans.indexes],
        ["search_progress_pkey", "conversations_pkey", "chat_messages_seq_key", "chat_messages_changed_idx"]
      )
      assert.deepStrictEqual(plans.readWhole, [])
    })
  )

  for (const kind of ["custom", "generic"] as const) {
    for (const [what, query] of Object.entries({
      "a rare word": '"word 4321"',
      "a rare word of some time": '"word 4321" after:2020 before:2999',
      "a word that nobody has written": "wardrobe"
    })) {
      it.effect(`${what} is found by the index of words alone (${kind} plan)`, () =>
        Effect.gen(function* () {
          const { ada } = yield* Fill
          const { statements } = yield* plansOf(findMessages(ada, query), kind)
          const byWords = statements.filter((indexes) => indexes.includes("message_terms_terms_idx"))
          assert.isNotEmpty(byWords)
          for (const indexes of byWords) assert.notInclude(indexes, "message_terms_posted_at_idx")
        })
      )
    }
  }
})

layer(Long.layer.pipe(Layer.provideMerge(TestServices)))("In one long conversation", (it) => {
  for (const query of ['"word 4321"', '"word 4321" after:2020 before:2999', "wardrobe"]) {
    it.effect(`${query} is found by the index of words alone (generic plan)`, () =>
      Effect.gen(function* () {
        const { ada } = yield* Long
        const { statements } = yield* plansOf(findMessages(ada, query), "generic")
        const byWords = statements.filter((indexes) => indexes.includes("message_terms_terms_idx"))
        assert.isNotEmpty(byWords)
        for (const indexes of byWords) assert.notInclude(indexes, "message_terms_posted_at_idx")
      })
    )
  }
})
