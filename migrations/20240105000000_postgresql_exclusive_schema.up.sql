-- One schema for everything: conversations with participants, all messages in chat_messages, foreign keys, every time a
-- TIMESTAMPTZ. The global chat (messages, version_history) moves into a conversation of its own.
--
-- Takes any database that an older XFChat left, whatever it was called there and however far it came (its own
-- 20240105000000 included), and leaves the same schema as on an empty one. Nothing is lost:
--
--   * a row that has no place in the new tables goes into set_aside, whole;
--   * a row that has a place, but with a value that has none, goes to its place, and the value into set_aside, with
--     "placed_as": the id of the row as it is now.
--
-- Fixed conversations, made only where there are messages for them:
--
--   00000000-0000-4000-8000-000000000001  Global chat. Everybody who wrote there and still has an account takes part.
--   00000000-0000-4000-8000-000000000002  Messages without a conversation. Nobody takes part: nothing says for whom
--                                         they were, and to show them to all their senders would show private messages
--                                         to strangers. Move them, or add participants, by hand.

-- What cannot be placed ------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS set_aside (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration TEXT NOT NULL,
    source_table TEXT NOT NULL,
    reason TEXT NOT NULL,
    source_row JSONB NOT NULL,
    set_aside_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- The tables, where they are missing: an older 20240105000000 has dropped the legacy two and made the new two -----------

CREATE TABLE IF NOT EXISTS messages (
    id UUID, user_id UUID, text TEXT, author VARCHAR(255), timestamp BIGINT, version VARCHAR(255)
);

CREATE TABLE IF NOT EXISTS version_history (version_id VARCHAR(255), user_id UUID, parents TEXT[]);

CREATE TABLE IF NOT EXISTS conversations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    created_by UUID,
    name VARCHAR(255),
    description TEXT,
    is_direct_message BOOLEAN DEFAULT FALSE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS conversation_participants (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    conversation_id UUID NOT NULL,
    user_id UUID NOT NULL,
    joined_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (conversation_id, user_id)
);

-- Their columns, where an older database lacks them. is_read and is_delivered say what they can: not read, delivered ----

ALTER TABLE users
    ADD COLUMN IF NOT EXISTS username VARCHAR(255),
    ADD COLUMN IF NOT EXISTS stripe_customer_id VARCHAR(255),
    ADD COLUMN IF NOT EXISTS subscription_status VARCHAR(50),
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ,
    ALTER COLUMN id SET DEFAULT gen_random_uuid();

ALTER TABLE usage_tracking
    ADD COLUMN IF NOT EXISTS period_end DATE,
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ,
    ALTER COLUMN count SET DEFAULT 0;

ALTER TABLE friend_requests
    ADD COLUMN IF NOT EXISTS from_username VARCHAR(255),
    ADD COLUMN IF NOT EXISTS from_email VARCHAR(255),
    ADD COLUMN IF NOT EXISTS to_email VARCHAR(255),
    ADD COLUMN IF NOT EXISTS message TEXT,
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS responded_at TIMESTAMPTZ,
    ALTER COLUMN id SET DEFAULT gen_random_uuid(),
    ALTER COLUMN status SET DEFAULT 'pending';

ALTER TABLE contacts
    ADD COLUMN IF NOT EXISTS username VARCHAR(255),
    ADD COLUMN IF NOT EXISTS email VARCHAR(255),
    ADD COLUMN IF NOT EXISTS avatar_url TEXT,
    ADD COLUMN IF NOT EXISTS last_seen TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS is_online BOOLEAN,
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ,
    ALTER COLUMN id SET DEFAULT gen_random_uuid();
ALTER TABLE contacts ALTER COLUMN is_online SET DEFAULT FALSE;

ALTER TABLE chat_messages
    ADD COLUMN IF NOT EXISTS conversation_id UUID,
    ADD COLUMN IF NOT EXISTS message_type VARCHAR(20),
    ADD COLUMN IF NOT EXISTS is_read BOOLEAN DEFAULT FALSE,
    ADD COLUMN IF NOT EXISTS is_delivered BOOLEAN DEFAULT TRUE,
    ADD COLUMN IF NOT EXISTS crdt_timestamp BIGINT DEFAULT 0,
    ADD COLUMN IF NOT EXISTS braid_version VARCHAR(255),
    ADD COLUMN IF NOT EXISTS braid_parents TEXT[],
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ,
    ALTER COLUMN id SET DEFAULT gen_random_uuid();
ALTER TABLE chat_messages
    ALTER COLUMN message_type SET DEFAULT 'text',
    ALTER COLUMN is_read SET DEFAULT FALSE,
    ALTER COLUMN is_delivered SET DEFAULT TRUE,
    ALTER COLUMN crdt_timestamp SET DEFAULT 0;

ALTER TABLE messages
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS is_read BOOLEAN,
    ADD COLUMN IF NOT EXISTS is_delivered BOOLEAN;

-- One shape: constraints, times, NOT NULL ------------------------------------------------------------------------------

DO $$
DECLARE
    relations REGCLASS[] := ARRAY['users', 'usage_tracking', 'friend_requests', 'contacts', 'chat_messages',
                                  'conversations', 'conversation_participants'];
    item RECORD;
BEGIN
    -- Foreign keys and checks under whatever name and with whatever action. Ours follow at the end, without the cascade
    -- from an account to what others wrote to it.
    FOR item IN
        SELECT conrelid::regclass AS relation, conname FROM pg_constraint
        WHERE contype = 'f' AND conrelid = ANY (relations)
           OR contype = 'c' AND conrelid IN ('chat_messages'::regclass, 'friend_requests'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', item.relation, item.conname);
    END LOOP;

    -- A NOT NULL that the code of today does not fill would refuse its rows.
    FOR item IN
        SELECT a.attrelid::regclass AS relation, a.attname FROM pg_attribute a
        WHERE a.attrelid = ANY (relations) AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped
          AND NOT EXISTS (SELECT FROM pg_index i
                          WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey))
          AND (a.attrelid::regclass::text, a.attname) NOT IN (
              ('users', 'email'), ('users', 'password_hash'), ('chat_messages', 'content'),
              ('conversation_participants', 'conversation_id'), ('conversation_participants', 'user_id'))
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', item.relation, item.attname);
    END LOOP;

    -- Numbers are milliseconds since 1970; a time without a zone is UTC. A number outside of 1970 to 9999 is no time:
    -- it is set aside, and the row gets another of its times, or now.
    FOR item IN
        SELECT attrelid::regclass AS relation, attname, atttypid::regtype::text AS type FROM pg_attribute
        WHERE attrelid = ANY (relations || 'messages'::regclass) AND attnum > 0 AND NOT attisdropped
          AND attname IN ('created_at', 'updated_at', 'joined_at', 'responded_at', 'last_seen')
          AND atttypid <> 'timestamptz'::regtype
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', item.relation, item.attname);
        IF item.type IN ('bigint', 'integer', 'numeric', 'double precision') THEN
            EXECUTE format(
                'INSERT INTO set_aside (migration, source_table, reason, source_row)
                 SELECT ''20240105000000_postgresql_exclusive_schema'', %L, %L,
                        to_jsonb(t) - ''{password_hash,content,text}''::text[]
                            || jsonb_build_object(''placed_as'', coalesce(to_jsonb(t) -> ''id'', to_jsonb(t) -> ''user_id''))
                 FROM %s t WHERE %I NOT BETWEEN 0 AND 253402300799999',
                item.relation, item.attname || ' is no time', item.relation, item.attname);
            EXECUTE format(
                'ALTER TABLE %1$s ALTER COLUMN %2$I TYPE TIMESTAMPTZ
                 USING CASE WHEN %2$I BETWEEN 0 AND 253402300799999 THEN to_timestamp(%2$I / 1000.0) END',
                item.relation, item.attname);
        ELSIF item.type = 'timestamp without time zone' THEN
            EXECUTE format('ALTER TABLE %1$s ALTER COLUMN %2$I TYPE TIMESTAMPTZ USING %2$I AT TIME ZONE ''UTC''',
                item.relation, item.attname);
        ELSE
            EXECUTE format('ALTER TABLE %1$s ALTER COLUMN %2$I TYPE TIMESTAMPTZ USING %2$I::text::timestamptz',
                item.relation, item.attname);
        END IF;
    END LOOP;

    FOR item IN
        SELECT * FROM (VALUES
            ('users', 'created_at', 'updated_at'), ('users', 'updated_at', 'created_at'),
            ('usage_tracking', 'created_at', 'updated_at'), ('usage_tracking', 'updated_at', 'created_at'),
            ('friend_requests', 'created_at', 'responded_at'),
            ('contacts', 'created_at', 'updated_at'), ('contacts', 'updated_at', 'created_at'),
            ('chat_messages', 'created_at', 'updated_at'), ('chat_messages', 'updated_at', 'created_at'),
            ('conversations', 'created_at', 'updated_at'), ('conversations', 'updated_at', 'created_at'),
            ('conversation_participants', 'joined_at', 'joined_at')
        ) AS required (relation, attname, instead)
    LOOP
        EXECUTE format('UPDATE %1$I SET %2$I = coalesce(%3$I, now()) WHERE %2$I IS NULL',
            item.relation, item.attname, item.instead);
        EXECUTE format('ALTER TABLE %1$I ALTER COLUMN %2$I SET DEFAULT now(), ALTER COLUMN %2$I SET NOT NULL',
            item.relation, item.attname);
    END LOOP;
END $$;

-- What follows joins large tables: without statistics, it could take hours.
ANALYZE users, friend_requests, contacts, chat_messages, conversations, conversation_participants, messages, version_history,
    set_aside;

-- Conversations and participants that were there ---------------------------------------------------------------------

-- Those that the way back of this migration kept.
INSERT INTO conversations (id, created_by, name, description, is_direct_message, created_at, updated_at)
SELECT c.id, c.created_by, c.name, c.description, c.is_direct_message, c.created_at, c.updated_at
FROM set_aside s, jsonb_populate_record(NULL::conversations, s.source_row) c
WHERE s.source_table = 'conversations' AND s.reason = 'kept when 20240105000000 was taken back'
ON CONFLICT DO NOTHING;

INSERT INTO conversation_participants (id, conversation_id, user_id, joined_at)
SELECT p.id, p.conversation_id, p.user_id, p.joined_at
FROM set_aside s, jsonb_populate_record(NULL::conversation_participants, s.source_row) p
WHERE s.source_table = 'conversation_participants' AND s.reason = 'kept when 20240105000000 was taken back'
ON CONFLICT DO NOTHING;

DELETE FROM set_aside WHERE reason = 'kept when 20240105000000 was taken back';

WITH unplaced AS (
    DELETE FROM conversation_participants p
    WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = p.user_id)
       OR NOT EXISTS (SELECT FROM conversations c WHERE c.id = p.conversation_id)
       OR EXISTS (SELECT FROM conversation_participants o
                  WHERE o.conversation_id = p.conversation_id AND o.user_id = p.user_id
                    AND (o.joined_at, o.id) < (p.joined_at, p.id))
    RETURNING to_jsonb(p) AS source_row
)
INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240105000000_postgresql_exclusive_schema', 'conversation_participants',
       'the user or the conversation is gone, or the user takes part already', source_row
FROM unplaced;

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240105000000_postgresql_exclusive_schema', 'conversations', 'the creator is gone: the conversation stays',
       jsonb_build_object('id', c.id, 'created_by', c.created_by, 'placed_as', c.id)
FROM conversations c
WHERE c.created_by IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.id = c.created_by);

UPDATE conversations c SET created_by = NULL
WHERE c.created_by IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.id = c.created_by);

UPDATE conversations SET is_direct_message = FALSE WHERE is_direct_message IS NULL;

-- Messages: what they hold -------------------------------------------------------------------------------------------

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240105000000_postgresql_exclusive_schema', 'chat_messages', 'the kind of message is unknown: kept as text',
       jsonb_build_object('id', id, 'message_type', message_type, 'placed_as', id)
FROM chat_messages WHERE message_type NOT IN ('text', 'image', 'file', 'system');

ALTER TABLE chat_messages ALTER COLUMN content DROP NOT NULL;
UPDATE chat_messages
SET content = coalesce(content, ''),
    message_type = CASE WHEN message_type IN ('text', 'image', 'file', 'system') THEN message_type ELSE 'text' END,
    is_read = coalesce(is_read, FALSE),
    is_delivered = coalesce(is_delivered, TRUE)
WHERE content IS NULL OR is_read IS NULL OR is_delivered IS NULL
   OR message_type IS NULL OR message_type NOT IN ('text', 'image', 'file', 'system');
ALTER TABLE chat_messages ALTER COLUMN content SET NOT NULL, ALTER COLUMN message_type SET NOT NULL;

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240105000000_postgresql_exclusive_schema', 'chat_messages', 'the sender is gone: the message stays',
       jsonb_build_object('id', m.id, 'sender_id', m.sender_id, 'placed_as', m.id)
FROM chat_messages m
WHERE m.sender_id IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.id = m.sender_id);

UPDATE chat_messages m SET sender_id = NULL
WHERE m.sender_id IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.id = m.sender_id);

-- Messages: their conversations --------------------------------------------------------------------------------------

-- A conversation_id that no row of conversations had. It is a direct conversation only where that is certain: exactly
-- two people wrote in it, no message lacks its sender, and the two are friends or contacts.
WITH written AS (
    SELECT m.conversation_id, min(m.created_at) AS first_at, max(m.created_at) AS last_at,
           count(DISTINCT m.sender_id) = 2 AND bool_and(m.sender_id IS NOT NULL) AS by_two,
           min(m.sender_id::text)::uuid AS one, max(m.sender_id::text)::uuid AS other
    FROM chat_messages m
    WHERE m.conversation_id IS NOT NULL AND NOT EXISTS (SELECT FROM conversations c WHERE c.id = m.conversation_id)
    GROUP BY m.conversation_id
), acquainted AS (
    SELECT least(from_user_id, to_user_id) AS one, greatest(from_user_id, to_user_id) AS other
    FROM friend_requests WHERE lower(status) = 'accepted'
    UNION
    SELECT least(user_id, contact_user_id), greatest(user_id, contact_user_id) FROM contacts
)
INSERT INTO conversations (id, is_direct_message, created_at, updated_at)
SELECT w.conversation_id, w.by_two AND a.one IS NOT NULL, w.first_at, w.last_at
FROM written w LEFT JOIN acquainted a ON a.one = w.one AND a.other = w.other;

INSERT INTO conversations (id, name, description, is_direct_message, created_at, updated_at)
SELECT '00000000-0000-4000-8000-000000000002', 'Messages without a conversation',
       'Messages of an older XFChat that say nothing of where they belong', FALSE, min(created_at), max(created_at)
FROM chat_messages WHERE conversation_id IS NULL HAVING count(*) > 0
ON CONFLICT DO NOTHING;

UPDATE chat_messages SET conversation_id = '00000000-0000-4000-8000-000000000002' WHERE conversation_id IS NULL;

-- The global chat ----------------------------------------------------------------------------------------------------

-- Read as JSON where older databases differ in type (ids as numbers or text) or in columns. A message keeps its id,
-- unless that is no UUID or a chat message has it: then md5 of "messages:" and the id gives one. `timestamp` is when it
-- was written, in milliseconds, or in seconds where milliseconds would be before March 1973.
CREATE TEMPORARY TABLE global_message AS
SELECT r.source_row,
       row_number() OVER (PARTITION BY lower(r.id) ORDER BY r.created_at, r.source_row::text) AS copy,
       CASE WHEN r.id_as_uuid IS NOT NULL AND c.id IS NULL THEN r.id_as_uuid ELSE md5('messages:' || r.id)::uuid END AS placed_as,
       u.id AS sender_id, u.username,
       coalesce(r.source_row ->> 'text', '') AS content,
       r.timestamp,
       coalesce(CASE WHEN r.timestamp BETWEEN 1 AND 99999999999 THEN to_timestamp(r.timestamp)
                     WHEN r.timestamp BETWEEN 1 AND 253402300799999 THEN to_timestamp(r.timestamp / 1000.0) END,
                r.created_at, now()) AS written_at,
       coalesce(r.created_at, now()) AS created_at,
       r.is_read, r.is_delivered,
       left(r.source_row ->> 'version', 255) AS version
FROM (
    SELECT j.source_row, j.source_row ->> 'id' AS id, j.timestamp, j.created_at, j.is_read, j.is_delivered,
           CASE WHEN j.source_row ->> 'id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                THEN (j.source_row ->> 'id')::uuid END AS id_as_uuid,
           CASE WHEN j.source_row ->> 'user_id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                THEN (j.source_row ->> 'user_id')::uuid END AS user_id
    FROM (SELECT to_jsonb(m) AS source_row, m.timestamp, m.created_at, m.is_read, m.is_delivered FROM messages m) j
) r
LEFT JOIN users u ON u.id = r.user_id
LEFT JOIN chat_messages c ON c.id = r.id_as_uuid;

ANALYZE global_message;

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240105000000_postgresql_exclusive_schema', 'messages', 'no id, or an id that another message has', source_row
FROM global_message WHERE copy > 1 OR placed_as IS NULL;

DELETE FROM global_message WHERE copy > 1 OR placed_as IS NULL;

INSERT INTO conversations (id, name, description, is_direct_message, created_at, updated_at)
SELECT '00000000-0000-4000-8000-000000000001', 'Global chat', 'The global chat of an older XFChat', FALSE,
       min(written_at), max(written_at)
FROM global_message HAVING count(*) > 0
ON CONFLICT DO NOTHING;

-- crdt_timestamp and updated_at keep the legacy timestamp and created_at as they were.
INSERT INTO chat_messages (id, conversation_id, sender_id, content, message_type, is_read, is_delivered, crdt_timestamp,
                           braid_version, braid_parents, created_at, updated_at)
SELECT g.placed_as, '00000000-0000-4000-8000-000000000001', g.sender_id, g.content, 'text', coalesce(g.is_read, FALSE),
       coalesce(g.is_delivered, TRUE), coalesce(g.timestamp, 0), g.version,
       CASE WHEN v.version_id IS NOT NULL THEN coalesce(v.parents, '{}') END, g.written_at, g.created_at
FROM global_message g LEFT JOIN version_history v ON v.version_id = g.version;

-- The author's name, where it is not the sender's username, the ids that were replaced, and columns we do not know.
INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240105000000_postgresql_exclusive_schema', 'messages',
       'placed in the global chat; its author, sender or id has no place there', rest || jsonb_build_object('placed_as', placed_as)
FROM (
    SELECT g.placed_as,
           jsonb_strip_nulls(g.source_row
               - '{id,user_id,text,author,timestamp,version,created_at,is_read,is_delivered}'::text[]
               || jsonb_build_object(
                   'id', CASE WHEN g.placed_as::text <> lower(g.source_row ->> 'id') THEN g.source_row -> 'id' END,
                   'user_id', CASE WHEN g.sender_id IS NULL THEN g.source_row -> 'user_id' END,
                   'author', CASE WHEN g.source_row ->> 'author' IS DISTINCT FROM g.username
                                  THEN g.source_row -> 'author' END)) AS rest
    FROM global_message g
) r
WHERE rest <> '{}';

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240105000000_postgresql_exclusive_schema', 'version_history', 'no message has this version', to_jsonb(v)
FROM version_history v WHERE NOT EXISTS (SELECT FROM global_message g WHERE g.version = v.version_id);

INSERT INTO conversation_participants (conversation_id, user_id, joined_at)
SELECT '00000000-0000-4000-8000-000000000001', sender_id, min(written_at)
FROM global_message WHERE sender_id IS NOT NULL GROUP BY sender_id
ON CONFLICT DO NOTHING;

DROP TABLE global_message;
DROP TABLE messages;
DROP TABLE version_history;

-- Participants of a conversation that has none: those who wrote in it.
INSERT INTO conversation_participants (conversation_id, user_id, joined_at)
SELECT m.conversation_id, m.sender_id, min(m.created_at)
FROM chat_messages m
WHERE m.sender_id IS NOT NULL AND m.conversation_id <> '00000000-0000-4000-8000-000000000002'
  AND NOT EXISTS (SELECT FROM conversation_participants p WHERE p.conversation_id = m.conversation_id)
GROUP BY m.conversation_id, m.sender_id;

-- Constraints and indexes --------------------------------------------------------------------------------------------

-- An account that goes leaves what others need: its messages stay without a sender, its conversations without a creator.
ALTER TABLE conversations
    ADD CONSTRAINT conversations_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id) ON DELETE SET NULL;

ALTER TABLE conversation_participants
    ADD CONSTRAINT conversation_participants_conversation_id_fkey
        FOREIGN KEY (conversation_id) REFERENCES conversations (id) ON DELETE CASCADE,
    ADD CONSTRAINT conversation_participants_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;

ALTER TABLE chat_messages
    ALTER COLUMN conversation_id SET NOT NULL,
    ADD CONSTRAINT chat_messages_message_type_check CHECK (message_type IN ('text', 'image', 'file', 'system')),
    ADD CONSTRAINT fk_chat_messages_conversation
        FOREIGN KEY (conversation_id) REFERENCES conversations (id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_chat_messages_sender FOREIGN KEY (sender_id) REFERENCES users (id) ON DELETE SET NULL;

CREATE INDEX IF NOT EXISTS idx_chat_messages_conversation_id ON chat_messages (conversation_id);
CREATE INDEX IF NOT EXISTS idx_chat_messages_sender_id ON chat_messages (sender_id);
CREATE INDEX IF NOT EXISTS idx_chat_messages_created_at ON chat_messages (created_at DESC);
