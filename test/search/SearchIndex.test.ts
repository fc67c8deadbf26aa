import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Search } from "../../src/search/Search.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { TestServices } from "../../src/testing/index.ts"
import { findMessages, groupOf, people, post } from "../world.ts"

const world = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const index = yield* SearchIndex
  const [ada, grace] = yield* people("ada", "grace")
  const id = yield* groupOf([ada, grace])
  /** Sends as a server of an older version does, without terms. */
  const write = (from: number, to: number, word: string) =>
    Effect.andThen(
      sql`
        INSERT INTO chat_messages (conversation_id, id, sender_id, message_type, content, seq, version, created_at)
        SELECT ${id}::uuid, gen_random_uuid(), ${ada.id}::uuid, 'text', ${word}::text || ' ' || n, n, n, clock_timestamp()
        FROM generate_series(${from}::int, ${to}::int) n`,
      sql`UPDATE conversations SET head = ${to} WHERE id = ${id}`
    )
  const indexed = Effect.map(
    sql<{ count: number }>`SELECT count(*)::int AS count FROM message_terms WHERE conversation_id = ${id}`,
    ([row]) => row?.count
  )
  const found = (query: string) => Effect.map(findMessages(grace, query), (messages) => messages.length)
  return { ada, grace, id, index, indexed, found, sql, write }
})

layer(TestServices)("The index of search", (it) => {
  it.effect("does not wait for a conversation that another transaction has locked", () =>
    Effect.gen(function* () {
      const { id, index, found, sql, write } = yield* world
      yield* write(2, 3, "locked")
      yield* sql`DELETE FROM search_progress WHERE conversation_id = ${id}`
      const [isHeld, mayRelease] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const transaction = yield* sql`SELECT FROM conversations WHERE id = ${id} FOR UPDATE`.pipe(
        Effect.andThen(Deferred.succeed(isHeld, undefined)),
        Effect.andThen(Deferred.await(mayRelease)),
        sql.withTransaction,
        Effect.forkChild
      )
      yield* Deferred.await(isHeld)
      yield* index.catchUp([id])
      assert.strictEqual(yield* found("unheard"), 0)
      yield* Deferred.succeed(mayRelease, undefined)
      yield* Fiber.join(transaction)
      assert.strictEqual(yield* found("locked"), 2)
    })
  )

  it.effect("takes earlier messages too, the newest first, and a search says if some are missing", () =>
    Effect.gen(function* () {
      const { grace, index, indexed, sql, write, found, id } = yield* world
      const search = yield* Search
      yield* write(2, 3_000, "older")
      const first = yield* search.search(grace.id, { query: "older", limit: 1 })
      assert.strictEqual(first.isComplete, false)
      assert.strictEqual(first.messages[0]?.content, "older 3000")
      const some = yield* indexed
      assert.isBelow(some ?? 0, 2_999)
      // A message that arrives meanwhile is found at once.
      yield* write(3_001, 3_001, "newer")
      assert.strictEqual(yield* found("newer"), 1)
      yield* index.sweep
      assert.strictEqual(yield* indexed, 3_000)
      const last = yield* search.search(grace.id, { query: '"older 2"', limit: 200 })
      assert.strictEqual(last.isComplete, true)
      assert.deepStrictEqual(
        last.messages.map(({ content }) => content),
        ["older 2"]
      )
      assert.deepStrictEqual(
        yield* sql`SELECT indexed_from, indexed_to FROM search_progress WHERE conversation_id = ${id}`,
        [{ indexed_from: 0, indexed_to: 3_001 }]
      )
      assert.strictEqual(yield* index.sweep, 0)
    })
  )

  it.effect("is written by several processes at once without a gap or a conflict", () =>
    Effect.gen(function* () {
      const { index, indexed, write } = yield* world
      yield* write(2, 2_000, "shared")
      const counts = yield* Effect.all([index.sweep, index.sweep, index.sweep], { concurrency: "unbounded" })
      assert.strictEqual(
        counts.reduce((sum, count) => sum + count),
        1_999
      )
      assert.strictEqual(yield* indexed, 1_999)
    })
  )

  it.effect("follows servers of an older version as they send, edit and delete", () =>
    Effect.gen(function* () {
      const { found, id, sql, write } = yield* world
      yield* write(2, 4, "first")
      assert.strictEqual(yield* found("first"), 3)
      yield* sql`
        UPDATE chat_messages SET content = 'second', edited_at = now(), version = 5
        WHERE conversation_id = ${id} AND seq = 3`
      yield* sql`
        UPDATE chat_messages SET content = '', deleted_at = now(), version = 6 WHERE conversation_id = ${id} AND seq = 4`
      yield* sql`UPDATE conversations SET head = 6 WHERE id = ${id}`
      assert.strictEqual(yield* found("first"), 1)
      assert.strictEqual(yield* found("second"), 1)
      const rows = yield* sql`SELECT seq FROM message_terms WHERE conversation_id = ${id} ORDER BY seq`
      assert.deepStrictEqual(rows, [{ seq: 2 }, { seq: 3 }])
    })
  )

  it.effect("keeps no word of a deleted message", () =>
    Effect.gen(function* () {
      const { ada, found, id, indexed, sql } = yield* world
      const { id: messageId } = yield* post(ada, id, "to be forgotten")
      yield* post(ada, id, "to be kept")
      assert.strictEqual(yield* found("be"), 2)
      yield* (yield* MessageChanges).erase(ada.id, { conversationId: id, id: messageId })
      assert.strictEqual(yield* indexed, 1)
      yield* sql`DELETE FROM chat_messages WHERE conversation_id = ${id}`
      assert.strictEqual(yield* indexed, 0)
    })
  )
})
