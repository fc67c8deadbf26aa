/**
 * Databases as older XFChats left them, and the proof that a migration lost none of their rows.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as Migrator from "../../../src/database/Migrator.ts"
import { query, run } from "./postgres.ts"

/** A UUID that differs in its last digits. */
export const uuid = (n: number) => `00000000-0000-0000-0000-${String(n).padStart(12, "0")}`

export const globalChat = "00000000-0000-4000-8000-000000000001"
export const withoutConversation = "00000000-0000-4000-8000-000000000002"

/** The tables of all of them. */
const tables = `
  CREATE TABLE users (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), email VARCHAR(255) UNIQUE NOT NULL,
    password_hash TEXT NOT NULL, username VARCHAR(255), stripe_customer_id VARCHAR(255), subscription_status VARCHAR(50),
    created_at TIMESTAMPTZ DEFAULT now(), updated_at TIMESTAMPTZ DEFAULT now());
  CREATE TABLE usage_tracking (user_id UUID, metric_type VARCHAR(100), count INT DEFAULT 0, period_start DATE,
    period_end DATE NOT NULL, created_at TIMESTAMPTZ DEFAULT now(), updated_at TIMESTAMPTZ DEFAULT now(),
    PRIMARY KEY (user_id, metric_type, period_start));
  CREATE TABLE friend_requests (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), from_user_id UUID, to_user_id UUID,
    from_username VARCHAR(255), from_email VARCHAR(255) NOT NULL, to_email VARCHAR(255), message TEXT,
    status VARCHAR(50) DEFAULT 'pending', created_at TIMESTAMPTZ DEFAULT now(), responded_at TIMESTAMPTZ);
  CREATE TABLE contacts (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), user_id UUID, contact_user_id UUID,
    username VARCHAR(255), email VARCHAR(255), avatar_url TEXT, last_seen TIMESTAMPTZ, is_online BOOLEAN DEFAULT FALSE,
    created_at TIMESTAMPTZ DEFAULT now(), updated_at TIMESTAMPTZ DEFAULT now(), UNIQUE (user_id, contact_user_id));
  CREATE TABLE messages (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), user_id UUID, text TEXT, author TEXT,
    timestamp BIGINT, version TEXT, created_at TIMESTAMPTZ DEFAULT now(), is_read BOOLEAN, is_delivered BOOLEAN);
  CREATE TABLE version_history (version_id TEXT PRIMARY KEY, user_id UUID, parents TEXT[],
    created_at TIMESTAMPTZ DEFAULT now());`

/** The oldest kind: messages know no conversation, and times are numbers. */
export const oldest = `${tables}
  CREATE TABLE chat_messages (id UUID PRIMARY KEY, sender_id UUID NOT NULL, content TEXT NOT NULL,
    message_type VARCHAR(20) DEFAULT 'text', crdt_timestamp BIGINT DEFAULT 0, braid_version VARCHAR(255),
    braid_parents TEXT[], created_at BIGINT NOT NULL, updated_at BIGINT);`

/** The usual kind. */
export const usual = `${tables}
  CREATE TABLE chat_messages (id UUID PRIMARY KEY, conversation_id UUID, sender_id UUID, content TEXT NOT NULL,
    message_type VARCHAR(20) DEFAULT 'text' CHECK (message_type IN ('text', 'image', 'file', 'system')), is_read BOOLEAN,
    is_delivered BOOLEAN, crdt_timestamp BIGINT DEFAULT 0, braid_version VARCHAR(255), braid_parents TEXT[],
    created_at TIMESTAMPTZ DEFAULT now(), updated_at TIMESTAMPTZ DEFAULT now());`

/** The newest kind: on top of the usual one, the original's own 20240105000000 has run, as its plan wrote it. */
export const newest = `${usual}
  ALTER TABLE chat_messages ALTER COLUMN conversation_id SET NOT NULL;
  CREATE INDEX idx_chat_messages_conversation_id ON chat_messages (conversation_id);
  CREATE INDEX idx_chat_messages_sender_id ON chat_messages (sender_id);
  CREATE INDEX idx_chat_messages_created_at ON chat_messages (created_at DESC);
  CREATE TABLE conversations (id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    created_by UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE, name VARCHAR(255), description TEXT,
    is_direct_message BOOLEAN DEFAULT FALSE, created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW());
  CREATE TABLE conversation_participants (id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    conversation_id UUID NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    joined_at TIMESTAMPTZ NOT NULL DEFAULT NOW(), UNIQUE(conversation_id, user_id));
  ALTER TABLE chat_messages ADD CONSTRAINT fk_chat_messages_conversation FOREIGN KEY (conversation_id)
    REFERENCES conversations(id) ON DELETE CASCADE;
  ALTER TABLE chat_messages ADD CONSTRAINT fk_chat_messages_sender FOREIGN KEY (sender_id)
    REFERENCES users(id) ON DELETE CASCADE;
  DROP TABLE messages CASCADE;
  DROP TABLE version_history CASCADE;
  CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL);
  INSERT INTO _sqlx_migrations VALUES (20240101000000, 'initial schema', now(), TRUE, '', 1),
    (20240103000000, 'add friend columns', now(), TRUE, '', 1), (20240104000000, 'braid sync messages', now(), TRUE, '', 1),
    (20240105000000, 'postgresql exclusive schema', now(), TRUE, '', 1);`

const sources = [
  "users",
  "usage_tracking",
  "friend_requests",
  "contacts",
  "chat_messages",
  "messages",
  "version_history",
  "conversations",
  "conversation_participants"
]

/** Copies every legacy table in its present state into the schema `legacy`. */
const remember = run(`
  CREATE SCHEMA legacy;
  DO $$
  DECLARE source TEXT;
  BEGIN
    FOREACH source IN ARRAY '{${sources.join(",")}}'::text[] LOOP
      IF to_regclass('public.' || source) IS NULL THEN
        EXECUTE format('CREATE TABLE legacy.%I (id UUID, content TEXT, text TEXT, user_id UUID, version TEXT, version_id TEXT,
          parents TEXT[], metric_type TEXT, period_start DATE, conversation_id UUID)', source);
      ELSE
        EXECUTE format('CREATE TABLE legacy.%1$I AS TABLE public.%1$I', source);
      END IF;
    END LOOP;
  END $$`)

/** Whole rows that a migration put aside. A row with `placed_as` is only a value of a row that was placed. */
const whole = (source: string, key: string) =>
  `(SELECT count(*) FROM set_aside s WHERE s.source_table = '${source}' AND NOT s.source_row ? 'placed_as' AND ${key})`

/**
 * Every remembered row that is not in exactly one place: in its new table with its content, or whole in `set_aside`.
 * An empty answer says that nothing was lost and nothing doubled.
 */
export const unaccounted = Effect.map(
  query(`
    SELECT source, key FROM (
      SELECT 'users' AS source, l.id::text AS key,
        (SELECT count(*) FROM users n WHERE n.id = l.id) AS places FROM legacy.users l
      UNION ALL
      SELECT 'friend_requests', l.id::text, (SELECT count(*) FROM friend_requests n WHERE n.id = l.id)
        + ${whole("friend_requests", "s.source_row ->> 'id' = l.id::text")} FROM legacy.friend_requests l
      UNION ALL
      SELECT 'contacts', l.id::text, (SELECT count(*) FROM contacts n WHERE n.id = l.id)
        + ${whole("contacts", "s.source_row ->> 'id' = l.id::text")} FROM legacy.contacts l
      UNION ALL
      SELECT 'usage_tracking', concat_ws(' ', l.user_id, l.metric_type, l.period_start),
        (SELECT count(*) FROM usage_tracking n
         WHERE (n.user_id, n.metric_type, n.period_start) = (l.user_id, l.metric_type, l.period_start))
        + ${whole(
          "usage_tracking",
          `concat_ws(' ', s.source_row ->> 'user_id', s.source_row ->> 'metric_type', s.source_row ->> 'period_start')
             = concat_ws(' ', l.user_id, l.metric_type, l.period_start)`
        )} FROM legacy.usage_tracking l
      UNION ALL
      SELECT 'chat_messages', l.id::text,
        (SELECT count(*) FROM chat_messages n WHERE n.id = l.id AND n.content = coalesce(l.content, ''))
        FROM legacy.chat_messages l
      UNION ALL
      SELECT 'messages', l.id::text,
        (SELECT count(*) FROM chat_messages n
         WHERE n.conversation_id = '${globalChat}' AND n.content = coalesce(l.text, '')
           AND n.id::text IN (l.id::text, md5('messages:' || l.id)::uuid::text))
        + ${whole("messages", "s.source_row ->> 'id' = l.id::text")} FROM legacy.messages l
      UNION ALL
      SELECT 'version_history', l.version_id::text,
        (SELECT count(*) FROM (SELECT DISTINCT n.braid_version FROM chat_messages n
         WHERE n.conversation_id = '${globalChat}' AND n.braid_version = l.version_id
           AND n.braid_parents = coalesce(l.parents, '{}')) placed)
        + ${whole("version_history", "s.source_row ->> 'version_id' = l.version_id")} FROM legacy.version_history l
      UNION ALL
      SELECT 'conversations', l.id::text, (SELECT count(*) FROM conversations n WHERE n.id = l.id) FROM legacy.conversations l
      UNION ALL
      SELECT 'conversation_participants', l.id::text,
        (SELECT count(*) FROM conversation_participants n
         WHERE (n.conversation_id, n.user_id) = (l.conversation_id, l.user_id))
        + ${whole("conversation_participants", "s.source_row ->> 'id' = l.id::text")}
        FROM legacy.conversation_participants l
    ) legacy WHERE places <> 1 ORDER BY source, key`),
  (rows) => rows.map(({ key, source }) => `${source} ${key}`)
)

/** A legacy database with these rows, migrated; every row of it is accounted for. */
export const migrated = Effect.fnUntraced(function* (...statements: ReadonlyArray<string>) {
  yield* run(statements.join("\n"))
  yield* remember
  yield* Migrator.migrate
  assert.deepStrictEqual(yield* unaccounted, [])
})
