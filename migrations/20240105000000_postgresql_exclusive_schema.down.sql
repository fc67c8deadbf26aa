-- Takes back the one schema: the global chat becomes messages and version_history again, messages lose their foreign
-- keys, conversations and participants go.
--
-- Conversations and participants have no place in the older schema: they are kept in set_aside, from where
-- 20240105000000 takes them again. set_aside itself goes only when it is empty.
--
-- What cannot come back: columns, constraints and types that an older database had differently from 20240101000000 to
-- 20240104000000 (times as BIGINT, ids as text, NULL where there is now a default); ids of the global chat that were no
-- UUID; when a version was recorded, if not with its message. A message of the global chat that was written since has
-- the time at which it was sent as its timestamp.

-- What follows joins large tables: without statistics, it could take hours.
ANALYZE users, chat_messages, conversations, conversation_participants, set_aside;

CREATE TABLE messages (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID,
    text TEXT,
    author VARCHAR(255),
    timestamp BIGINT,
    version VARCHAR(255),
    created_at TIMESTAMPTZ DEFAULT now(),
    is_read BOOLEAN DEFAULT FALSE,
    is_delivered BOOLEAN DEFAULT TRUE
);

CREATE TABLE version_history (
    version_id VARCHAR(255) PRIMARY KEY,
    user_id UUID,
    parents TEXT[],
    created_at TIMESTAMPTZ DEFAULT now()
);

ALTER TABLE chat_messages
    DROP CONSTRAINT fk_chat_messages_conversation,
    DROP CONSTRAINT fk_chat_messages_sender,
    ALTER COLUMN conversation_id DROP NOT NULL;

DROP INDEX idx_chat_messages_conversation_id;
DROP INDEX idx_chat_messages_sender_id;
DROP INDEX idx_chat_messages_created_at;

-- Senders who were gone already.
UPDATE chat_messages m SET sender_id = (s.source_row ->> 'sender_id')::uuid
FROM set_aside s
WHERE s.source_table = 'chat_messages' AND s.source_row ? 'sender_id' AND m.sender_id IS NULL
  AND m.id = (s.source_row ->> 'placed_as')::uuid;

DELETE FROM set_aside WHERE source_table = 'chat_messages' AND source_row ? 'sender_id';

-- The global chat.
INSERT INTO messages (id, user_id, text, author, timestamp, version, created_at, is_read, is_delivered)
SELECT m.id, m.sender_id, m.content, u.username,
       coalesce(nullif(m.crdt_timestamp, 0), (extract(epoch FROM m.created_at) * 1000)::bigint), m.braid_version,
       CASE WHEN m.crdt_timestamp <> 0 THEN m.updated_at ELSE m.created_at END, m.is_read, m.is_delivered
FROM chat_messages m LEFT JOIN users u ON u.id = m.sender_id
WHERE m.conversation_id = '00000000-0000-4000-8000-000000000001';

INSERT INTO version_history (version_id, user_id, parents, created_at)
SELECT DISTINCT ON (m.braid_version) m.braid_version, m.sender_id, m.braid_parents, m.created_at
FROM chat_messages m
WHERE m.conversation_id = '00000000-0000-4000-8000-000000000001'
  AND m.braid_version IS NOT NULL AND m.braid_parents IS NOT NULL
ORDER BY m.braid_version, m.created_at;

DELETE FROM chat_messages WHERE conversation_id = '00000000-0000-4000-8000-000000000001';

ANALYZE messages, version_history;

UPDATE messages m
SET author = coalesce(s.source_row ->> 'author', m.author),
    user_id = coalesce(m.user_id, CASE WHEN s.source_row ->> 'user_id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                                       THEN (s.source_row ->> 'user_id')::uuid END),
    id = CASE WHEN s.source_row ->> 'id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
              THEN (s.source_row ->> 'id')::uuid ELSE m.id END
FROM set_aside s
WHERE s.source_table = 'messages' AND m.id = (s.source_row ->> 'placed_as')::uuid;

DELETE FROM set_aside s
USING messages m
WHERE s.source_table = 'messages' AND s.source_row ? 'placed_as'
  AND s.source_row - '{id,placed_as,author,user_id}'::text[] = '{}'
  AND coalesce(s.source_row ->> 'id', s.source_row ->> 'placed_as') = m.id::text
  AND (s.source_row ->> 'author' IS NULL OR s.source_row ->> 'author' = m.author)
  AND (s.source_row ->> 'user_id' IS NULL OR s.source_row ->> 'user_id' = m.user_id::text);

INSERT INTO version_history (version_id, user_id, parents, created_at)
SELECT v.version_id, v.user_id, v.parents, v.created_at
FROM set_aside s, jsonb_populate_record(NULL::version_history, s.source_row) v
WHERE s.source_table = 'version_history'
ON CONFLICT DO NOTHING;

DELETE FROM set_aside s USING version_history v
WHERE s.source_table = 'version_history' AND s.source_row ->> 'version_id' = v.version_id;

-- Messages without a conversation.
UPDATE chat_messages SET conversation_id = NULL WHERE conversation_id = '00000000-0000-4000-8000-000000000002';

-- Conversations, participants: those that had no place come along, so that the way forward judges them anew.
UPDATE set_aside SET reason = 'kept when 20240105000000 was taken back'
WHERE source_table = 'conversation_participants' AND migration = '20240105000000_postgresql_exclusive_schema';

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240105000000_postgresql_exclusive_schema', 'conversations', 'kept when 20240105000000 was taken back',
       to_jsonb(c) || CASE WHEN s.id IS NULL THEN '{}' ELSE jsonb_build_object('created_by', s.source_row -> 'created_by') END
FROM conversations c LEFT JOIN set_aside s
    ON s.source_table = 'conversations' AND s.source_row ? 'created_by' AND s.source_row ->> 'placed_as' = c.id::text
   AND c.created_by IS NULL;

DELETE FROM set_aside
WHERE source_table = 'conversations' AND source_row ? 'placed_as' AND reason = 'the creator is gone: the conversation stays';

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240105000000_postgresql_exclusive_schema', 'conversation_participants',
       'kept when 20240105000000 was taken back', to_jsonb(p)
FROM conversation_participants p;

DROP TABLE conversation_participants;
DROP TABLE conversations;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM set_aside) THEN
        DROP TABLE set_aside;
    END IF;
END $$;
