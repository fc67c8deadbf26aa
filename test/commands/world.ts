import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { catalog } from "../../src/commands/Archive.ts"
import { TestDatabase } from "../../src/testing/index.ts"

/**
 * A world of some thousand rows in every table, different for each seed: groups and direct conversations, edits,
 * reactions, deletions, replies, people who are gone, odd characters, empty values, times to the microsecond.
 */
export const seedWorld = Effect.fn("seedWorld")(
  function* (seed: number) {
    const sql = yield* SqlClient.SqlClient
    // A function of random(): another one for each row.
    yield* sql`
    CREATE FUNCTION pg_temp.words() RETURNS text LANGUAGE sql VOLATILE AS $$
      SELECT string_agg((ARRAY['hello', 'Grüße', '日本語', '🎉', E'two\nlines', '"quoted"', E'back\\slash', '{"json": 1e400}',
        '''', E'tab\t', '</script>', '\u0041', '12345678901234567890.5'])[1 + floor(random() * 13)], ' ')
      FROM generate_series(0, floor(random() * 6)::int) $$`
    yield* sql`SELECT setseed(${seed}::float8 / 1000)`
    yield* sql`
    INSERT INTO users (id, username, email, password_hash, display_name, avatar_url, created_at, deleted_at, disabled_at)
    SELECT gen_random_uuid(), 'person_' || n, CASE WHEN n % 7 = 0 THEN NULL ELSE n || '@example.com' END,
      '$argon2id$' || n, CASE WHEN random() < 0.5 THEN pg_temp.words() END, NULL,
      now() - random() * interval '900 days',
      CASE WHEN n % 11 = 0 THEN now() END, CASE WHEN n % 13 = 0 THEN now() END
    FROM generate_series(1, 60) n`
    yield* sql`
    INSERT INTO sessions (user_id, token_hash, expires_at)
    SELECT id, sha256(convert_to('canary' || id, 'UTF8')), now() + interval '1 day' FROM users`
    yield* sql`
    INSERT INTO conversations (id, created_by, name, description, is_direct_message, history, head)
    SELECT gen_random_uuid(), (SELECT id FROM users WHERE n > 0 ORDER BY random() LIMIT 1), pg_temp.words(),
      CASE WHEN random() < 0.5 THEN pg_temp.words() END, false,
      CASE WHEN random() < 0.5 THEN 'whole' ELSE 'since_joining' END, 200
    FROM generate_series(1, 20) n`
    yield* sql`
    INSERT INTO conversations (created_by, is_direct_message, direct_low, direct_high, head)
    SELECT a.id, true, a.id, b.id, 200 FROM users a JOIN users b ON a.id < b.id WHERE random() < 0.02`
    yield* sql`
    INSERT INTO conversation_participants (conversation_id, user_id, role, last_delivered_seq, last_read_seq, visible_after)
    SELECT c.id, u.id, (ARRAY['owner', 'admin', 'member'])[1 + floor(random() * 3)], 90, floor(random() * 90), CASE
      WHEN c.history = 'whole' THEN 0 ELSE floor(random() * 60) END
    FROM conversations c JOIN users u ON u.id IN (c.direct_low, c.direct_high) OR NOT c.is_direct_message AND random() < 0.2`
    yield* sql`
    INSERT INTO chat_messages (id, conversation_id, sender_id, content, message_type, seq, version, created_at, edited_at,
      deleted_at, mentions, crdt_timestamp, braid_version, braid_parents)
    SELECT gen_random_uuid(), c.id, CASE WHEN random() < 0.95 THEN s.user_id END,
      CASE WHEN fate < 0.1 THEN '' ELSE pg_temp.words() END, 'text', n, CASE WHEN fate < 0.3 THEN 100 + n ELSE n END,
      now() - n * interval '1.000001 hours', CASE WHEN fate BETWEEN 0.1 AND 0.3 THEN now() END,
      CASE WHEN fate < 0.1 THEN now() END, CASE WHEN random() < 0.1 THEN ARRAY[s.user_id] ELSE '{}' END,
      CASE WHEN random() < 0.1 THEN 9007199254740993 END, 'v' || n, CASE WHEN random() < 0.5 THEN ARRAY['a', 'b"', NULL] END
    FROM conversations c CROSS JOIN generate_series(1, 90) n CROSS JOIN LATERAL (SELECT random() AS fate WHERE n > 0) f
    JOIN LATERAL (SELECT user_id FROM conversation_participants p WHERE p.conversation_id = c.id AND n > 0
      ORDER BY random() LIMIT 1) s ON true`
    // To earlier messages, whose ids may come before or after.
    yield* sql`
    UPDATE chat_messages m SET reply_to = r.id FROM chat_messages r
    WHERE r.conversation_id = m.conversation_id AND r.seq = m.seq / 2 AND m.seq % 3 = 0`
    yield* sql`
    INSERT INTO message_versions SELECT conversation_id, id, seq, pg_temp.words(), created_at FROM chat_messages
    WHERE edited_at IS NOT NULL`
    yield* sql`
    INSERT INTO message_reactions (conversation_id, message_id, user_id, emoji)
    SELECT m.conversation_id, m.id, p.user_id, (ARRAY['👍', '👩‍👩‍👧', '❤️'])[1 + floor(random() * 3)]
    FROM chat_messages m JOIN conversation_participants p USING (conversation_id) WHERE random() < 0.05`
    yield* sql`
    INSERT INTO friend_requests (from_user_id, to_user_id, message, status, responded_at)
    SELECT a.id, b.id, pg_temp.words(), status, CASE WHEN status <> 'pending' THEN now() END
    FROM users a JOIN users b ON a.id < b.id CROSS JOIN LATERAL (
      SELECT (ARRAY['pending', 'accepted', 'rejected', 'ended'])[1 + floor(random() * 4)] AS status WHERE a.id <> b.id) s
    WHERE random() < 0.1`
    yield* sql`INSERT INTO blocks (blocker_id, blocked_id) SELECT a.id, b.id FROM users a, users b WHERE a.id <> b.id AND random() < 0.03`
    yield* sql`
    INSERT INTO contacts (user_id, contact_user_id, username) SELECT a.id, b.id, pg_temp.words() FROM users a, users b
    WHERE random() < 0.02`
    yield* sql`INSERT INTO people_revisions SELECT id, floor(random() * 9) + 1 FROM users`
    yield* sql`INSERT INTO visibility_epochs SELECT id, 1 FROM conversations`
    yield* sql`INSERT INTO visibility_rewrites (viewer_id) SELECT id FROM users`
    yield* sql`INSERT INTO conversation_revisions SELECT id, 1 FROM conversations`
    yield* sql`INSERT INTO announcements (user_id) SELECT id FROM users`
    yield* sql`INSERT INTO successions (user_id) SELECT id FROM users`
    yield* sql`INSERT INTO departures SELECT id, '00000000-0000-0000-0000-000000000000' FROM users`
    yield* sql`
    INSERT INTO frozen_receipts (conversation_id, blocked_id, blocker_id, last_delivered_seq, last_read_seq)
    SELECT p.conversation_id, b.blocked_id, b.blocker_id, 2, 1 FROM blocks b
    JOIN conversation_participants p ON p.user_id = b.blocker_id`
    yield* sql`
    INSERT INTO usage_tracking (user_id, metric_type, count, period_start)
    SELECT id, metric, floor(random() * 2e9), '2026-11-01' FROM users, unnest(ARRAY['messages', 'bytes']) metric`
    yield* sql`
    INSERT INTO set_aside (migration, source_table, reason, source_row)
    SELECT 'm', 't', pg_temp.words(), jsonb_build_object('n', 12345678901234567890.12345, 'text', pg_temp.words())
    FROM generate_series(1, 5)`
  },
  (seeding) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(seeding))
)

/** How many rows each table has, and a digest of all of them. */
export const digests = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const found: Record<string, { readonly rows: number; readonly digest: string }> = {}
  for (const { name } of yield* catalog) {
    const [row] = yield* sql<{ rows: number; digest: string }>`
      SELECT count(*) AS rows, coalesce(md5(string_agg(t::text, E'\n' ORDER BY t::text)), '') AS digest FROM ${sql(name)} t`
    found[name] = row!
  }
  return found
})

/** Another database, with all migrations. */
export const anotherDatabase = Effect.gen(function* () {
  const context = yield* Layer.build(Layer.fresh(TestDatabase.layer))
  return {
    url: Context.get(context, TestDatabase).url,
    digests: Effect.provide(digests, context),
    run: <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) => Effect.provide(effect, context)
  }
})
