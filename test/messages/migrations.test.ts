import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as Migrator from "../../src/database/Migrator.ts"
import { Emoji } from "../../src/contract/Reaction.ts"
import { EmptyDatabase, query, run } from "../database/migrations/postgres.ts"
import { sequences, singles } from "../contract/emoji.ts"

const conversation = "cccccccc-0000-0000-0000-000000000000"
const people = ["a", "b", "d", "e"].map((digit) => `${digit.repeat(8)}-0000-0000-0000-000000000000`)
const [ann, bob] = people

/** The schema without any migration since `last`, with four people and so many messages in one conversation. */
const before = Effect.fnUntraced(function* (last: bigint, messages: number) {
  yield* Migrator.migrate
  yield* Migrator.rollback({ to: last })
  yield* run(`
    INSERT INTO users (id, username, email, password_hash)
    SELECT id::uuid, 'u' || left(id, 8), left(id, 8) || '@x.org', '' FROM unnest(ARRAY['${people.join("','")}']) id;
    INSERT INTO conversations (id, is_direct_message, head) VALUES ('${conversation}', false, ${messages});
    INSERT INTO conversation_participants (conversation_id, user_id, role)
    SELECT '${conversation}', id::uuid, 'member' FROM unnest(ARRAY['${people.join("','")}']) id;
    INSERT INTO chat_messages (conversation_id, id, sender_id, content, seq, version)
    SELECT '${conversation}', lpad(n::text, 32, '0')::uuid, '${ann}', 'message', n, n FROM generate_series(1, ${messages}) n`)
})

const uuidOf = (n: number) => `${n}`.padStart(32, "0").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")

const react = Effect.fnUntraced(function* (message: number, emoji: string, user = ann, minute = 0) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO message_reactions (conversation_id, message_id, user_id, emoji, created_at)
    VALUES (${conversation}, ${uuidOf(message)}, ${user}, ${emoji}, '2024-01-01Z'::timestamptz + ${minute} * interval '1 minute')`
})

const reactionsTo = Effect.fnUntraced(function* (message: number) {
  return yield* query(`
    SELECT user_id, emoji, extract(epoch FROM created_at - '2024-01-01Z')::int / 60 AS minute FROM message_reactions
    WHERE message_id = '${uuidOf(message)}' ORDER BY created_at, emoji, user_id`)
})

describe("reactions from before they had one spelling", () => {
  it.live("are spelled as the server spells them", () =>
    Effect.gen(function* () {
      const spellings = [...singles, ...sequences].flatMap((emoji) => {
        const bare = emoji.replaceAll("\ufe0f", "")
        return [bare, `${bare}\ufe0f`, emoji.replaceAll("\ufe0f", "\ufe0e")]
      })
      const all = [...new Set([...spellings, ":Tada:", ":+1:"])]
      yield* before(20240114000000n, all.length)
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO message_reactions (conversation_id, message_id, user_id, emoji)
        SELECT ${conversation}, lpad(n::text, 32, '0')::uuid, ${ann}, emoji
        FROM unnest((SELECT ${all}::text[])) WITH ORDINALITY AS given (emoji, n)`
      yield* Migrator.migrate
      const rows = yield* sql<{ seq: number; emoji: string }>`
        SELECT m.seq::int AS seq, r.emoji FROM message_reactions r JOIN chat_messages m ON m.id = r.message_id ORDER BY m.seq`
      const decode = Schema.decodeUnknownOption(Emoji)
      assert.deepStrictEqual(
        rows.map(({ emoji, seq }) => [all[seq - 1], emoji]),
        all.map((given) => [given, Option.getOrUndefined(decode(given))])
      )
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live(
    "are joined with their other spelling, at the earlier time; a word is a short code; nothing unseen stays",
    () =>
      Effect.gen(function* () {
        yield* before(20240114000000n, 1)
        yield* react(1, "❤", ann, 1)
        yield* react(1, "❤\ufe0e", ann, 2)
        yield* react(1, "❤️", bob, 3)
        yield* react(1, "❤", bob, 4)
        yield* react(1, "LOL", bob, 5)
        for (const text of ["\u200b", "\u202e", "\u001b", "👍\u202e", "two words", "é", "1\u20e3x", "\u200d👍"]) {
          yield* react(1, text, bob, 6)
        }
        yield* Migrator.migrate
        assert.deepStrictEqual(yield* reactionsTo(1), [
          { user_id: ann, emoji: "❤️", minute: 1 },
          { user_id: bob, emoji: "❤️", minute: 3 },
          { user_id: bob, emoji: ":lol:", minute: 5 }
        ])
      }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("are the first twenty of a person and the first fifty of a message", () =>
    Effect.gen(function* () {
      yield* before(20240114000000n, 2)
      for (let n = 0; n < 30; n++) yield* react(1, `:own_${n}:`, ann, n)
      for (const [index, person] of people.entries()) {
        for (let n = 0; n < 20; n++) yield* react(2, `:p${index}_${n}:`, person, index * 20 + n)
      }
      yield* react(2, ":p3_0:", ann, 99)
      yield* Migrator.migrate
      assert.deepStrictEqual(
        (yield* reactionsTo(1)).map(({ emoji }) => emoji),
        Array.from({ length: 20 }, (_, n) => `:own_${n}:`)
      )
      assert.deepStrictEqual(
        (yield* reactionsTo(2)).map(({ minute }) => minute),
        Array.from({ length: 50 }, (_, n) => n)
      )
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("are sent again to clients with a copy, here and when the migration is reverted", () =>
    Effect.gen(function* () {
      yield* before(20240114000000n, 3)
      yield* run(`INSERT INTO conversations (id, is_direct_message, head) VALUES ('${ann}', false, 7);
        INSERT INTO conversation_participants (conversation_id, user_id, role) VALUES ('${ann}', '${ann}', 'owner')`)
      yield* react(1, "👍")
      const copies = query(`
        SELECT DISTINCT p.conversation_id, rewritten_at::int, epoch::int FROM conversation_participants p
        LEFT JOIN visibility_epochs USING (conversation_id) ORDER BY p.conversation_id`)
      const untouched = { conversation_id: ann, rewritten_at: 0, epoch: null }
      yield* Migrator.migrate
      assert.deepStrictEqual(yield* copies, [untouched, { conversation_id: conversation, rewritten_at: 3, epoch: 1 }])
      yield* Migrator.rollback({ to: 20240114000000n })
      assert.deepStrictEqual(yield* copies, [untouched, { conversation_id: conversation, rewritten_at: 3, epoch: 2 }])
    }).pipe(Effect.provide(EmptyDatabase))
  )
})

describe("histories from before they had a bound", () => {
  it.live("keep the first content, and the latest within the bounds", () =>
    Effect.gen(function* () {
      yield* before(20261127010000n, 3)
      const keep = (message: number, count: number, bytes: number) => `
        INSERT INTO message_versions (conversation_id, message_id, version, content, written_at)
        SELECT '${conversation}', '${uuidOf(message)}', n, repeat('x', ${bytes}), now() FROM generate_series(1, ${count}) n`
      yield* run([keep(1, 150, 10), keep(2, 40, 65_536), keep(3, 16, 65_536)].join(";"))
      yield* Migrator.migrate
      const kept = yield* query(`
        SELECT message_id, array_agg(version::int ORDER BY version) AS versions FROM message_versions GROUP BY 1 ORDER BY 1`)
      const from = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, n) => first + n)
      assert.deepStrictEqual(
        kept.map(({ versions }) => versions),
        [[1, ...from(52, 150)], [1, ...from(26, 40)], from(1, 16)]
      )
    }).pipe(Effect.provide(EmptyDatabase))
  )
})
