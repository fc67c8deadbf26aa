-- Takes back the log: messages lose their positions, participants their cursors and roles, accounts their sessions.
--
-- These things are lost:
--   * sessions: everybody signs in again. An older XFChat cannot verify passwords hashed since.
--   * edited_at, deleted_at and reply_to: a deleted message stays as one without content.
--   * display_name, avatar_url, last_seen_at; the roles of a group, except that its creator owns it.
--   * positions: the way forward numbers messages again, by time. Cursors become is_read and is_delivered, which are true of
--     a message that all the others' cursors have reached.
--   * the ids of participants' rows, which are new; blank usernames, which become NULL.
-- An account without an e-mail address gets <id>@xfchat.invalid: the older schema requires one.

-- What follows joins large tables: without statistics, it could take hours.
ANALYZE users, friend_requests, contacts, usage_tracking, chat_messages, conversations, conversation_participants, set_aside;

-- Contacts and usage -------------------------------------------------------------------------------------------------

ALTER TABLE usage_tracking DROP CONSTRAINT usage_tracking_user_id_fkey;

INSERT INTO usage_tracking SELECT t.*
FROM set_aside s, jsonb_populate_record(NULL::usage_tracking, s.source_row) t
WHERE s.migration = '20240106000000_conversation_log' AND s.source_table = 'usage_tracking'
ON CONFLICT DO NOTHING;

DELETE FROM set_aside s USING usage_tracking t
WHERE s.migration = '20240106000000_conversation_log' AND s.source_table = 'usage_tracking'
  AND s.source_row = to_jsonb(t);

ALTER TABLE contacts DROP CONSTRAINT contacts_user_id_fkey, DROP CONSTRAINT contacts_contact_user_id_fkey;
DROP INDEX contacts_contact_user_id_idx;

INSERT INTO contacts SELECT k.*
FROM set_aside s, jsonb_populate_record(NULL::contacts, s.source_row) k
WHERE s.migration = '20240106000000_conversation_log' AND s.source_table = 'contacts'
ON CONFLICT DO NOTHING;

DELETE FROM set_aside s USING contacts k
WHERE s.migration = '20240106000000_conversation_log' AND s.source_table = 'contacts'
  AND s.source_row ->> 'id' = k.id::text;

-- Friend requests ----------------------------------------------------------------------------------------------------

DROP INDEX friend_requests_pair_key;
DROP INDEX friend_requests_from_user_id_idx;
DROP INDEX friend_requests_to_user_id_idx;

ALTER TABLE friend_requests
    DROP CONSTRAINT friend_requests_from_user_id_fkey,
    DROP CONSTRAINT friend_requests_to_user_id_fkey,
    DROP CONSTRAINT friend_requests_self_check,
    DROP CONSTRAINT friend_requests_status_check,
    ALTER COLUMN from_user_id DROP NOT NULL,
    ALTER COLUMN to_user_id DROP NOT NULL,
    ALTER COLUMN status DROP NOT NULL;

INSERT INTO friend_requests SELECT f.*
FROM set_aside s, jsonb_populate_record(NULL::friend_requests, s.source_row) f
WHERE s.migration = '20240106000000_conversation_log' AND s.source_table = 'friend_requests'
ON CONFLICT DO NOTHING;

DELETE FROM set_aside s USING friend_requests f
WHERE s.migration = '20240106000000_conversation_log' AND s.source_table = 'friend_requests'
  AND s.source_row ->> 'id' = f.id::text;

-- Messages -----------------------------------------------------------------------------------------------------------

DROP INDEX chat_messages_changed_idx;
DROP INDEX chat_messages_reply_to_idx;

ALTER TABLE chat_messages
    DROP CONSTRAINT chat_messages_reply_to_fkey,
    DROP CONSTRAINT chat_messages_pkey,
    DROP CONSTRAINT chat_messages_id_key,
    DROP CONSTRAINT chat_messages_seq_key,
    DROP CONSTRAINT chat_messages_version_check,
    DROP CONSTRAINT chat_messages_content_check,
    ADD COLUMN is_read BOOLEAN DEFAULT FALSE,
    ADD COLUMN is_delivered BOOLEAN DEFAULT TRUE,
    ALTER COLUMN crdt_timestamp SET DEFAULT 0;

-- Read is what every other participant has read: the cursor that is furthest behind, or, if that is the sender's own,
-- the next one. The same for delivered. Without another participant nobody has read, and nothing is undelivered.
WITH behind AS (
    SELECT conversation_id,
           array_agg(user_id ORDER BY last_read_seq, user_id) AS readers,
           array_agg(last_read_seq ORDER BY last_read_seq, user_id) AS read_seq,
           array_agg(user_id ORDER BY last_delivered_seq, user_id) AS receivers,
           array_agg(last_delivered_seq ORDER BY last_delivered_seq, user_id) AS delivered_seq
    FROM conversation_participants GROUP BY conversation_id
), last_two AS (
    SELECT c.id, b.readers[1] AS reader, b.read_seq[1:2] AS read_seq, b.receivers[1] AS receiver,
           b.delivered_seq[1:2] AS delivered_seq
    FROM conversations c LEFT JOIN behind b ON b.conversation_id = c.id
)
UPDATE chat_messages m
SET is_read = coalesce(m.seq <= l.read_seq[CASE WHEN m.sender_id = l.reader THEN 2 ELSE 1 END], FALSE),
    is_delivered = coalesce(m.seq <= l.delivered_seq[CASE WHEN m.sender_id = l.receiver THEN 2 ELSE 1 END], TRUE),
    crdt_timestamp = coalesce(m.crdt_timestamp, 0)
FROM last_two l WHERE l.id = m.conversation_id;

ALTER TABLE chat_messages
    DROP COLUMN seq,
    DROP COLUMN version,
    DROP COLUMN reply_to,
    DROP COLUMN edited_at,
    DROP COLUMN deleted_at,
    ADD CONSTRAINT chat_messages_pkey PRIMARY KEY (id);

CREATE INDEX idx_chat_messages_conversation_id ON chat_messages (conversation_id);
CREATE INDEX idx_chat_messages_created_at ON chat_messages (created_at DESC);

-- Participants -------------------------------------------------------------------------------------------------------

DROP INDEX conversation_participants_user_id_idx;

ALTER TABLE conversation_participants
    DROP CONSTRAINT conversation_participants_pkey,
    DROP CONSTRAINT conversation_participants_role_check,
    DROP CONSTRAINT conversation_participants_cursor_check,
    DROP COLUMN role,
    DROP COLUMN last_delivered_seq,
    DROP COLUMN last_read_seq,
    ADD COLUMN id UUID NOT NULL DEFAULT gen_random_uuid();

ALTER TABLE conversation_participants
    ADD CONSTRAINT conversation_participants_pkey PRIMARY KEY (id),
    ADD CONSTRAINT conversation_participants_conversation_id_user_id_key UNIQUE (conversation_id, user_id);

-- Conversations ------------------------------------------------------------------------------------------------------

DROP INDEX conversations_direct_pair_key;
DROP INDEX conversations_direct_high_idx;
DROP INDEX conversations_created_by_idx;

ALTER TABLE conversations
    DROP CONSTRAINT conversations_direct_order_check,
    DROP CONSTRAINT conversations_direct_check,
    DROP COLUMN head,
    DROP COLUMN direct_low,
    DROP COLUMN direct_high,
    ALTER COLUMN is_direct_message DROP NOT NULL;

UPDATE conversations c SET is_direct_message = TRUE
FROM set_aside s
WHERE s.migration = '20240106000000_conversation_log' AND s.source_table = 'conversations'
  AND c.id = (s.source_row ->> 'placed_as')::uuid;

DELETE FROM set_aside WHERE migration = '20240106000000_conversation_log' AND source_table = 'conversations';

-- Accounts -----------------------------------------------------------------------------------------------------------

DROP TABLE sessions;
DROP INDEX users_username_key;
DROP INDEX users_email_key;

ALTER TABLE users
    DROP COLUMN display_name,
    DROP COLUMN avatar_url,
    DROP COLUMN last_seen_at,
    ALTER COLUMN username DROP NOT NULL;

-- Former values, unless the user has chosen others since.
UPDATE users u SET username = s.source_row ->> 'username'
FROM set_aside s
WHERE s.migration = '20240106000000_conversation_log' AND s.source_table = 'users'
  AND u.id = (s.source_row ->> 'placed_as')::uuid AND u.username = s.source_row ->> 'renamed_to';

UPDATE users SET username = NULL
WHERE length(username) >= 13 AND username = 'user_' || left(replace(id::text, '-', ''), length(username) - 5);

UPDATE users u SET email = s.source_row ->> 'email'
FROM set_aside s
WHERE s.migration = '20240106000000_conversation_log' AND s.source_table = 'users'
  AND u.id = (s.source_row ->> 'placed_as')::uuid AND u.email IS NULL AND s.source_row ? 'email'
  AND NOT EXISTS (SELECT FROM users o WHERE o.email = s.source_row ->> 'email');

UPDATE users SET email = id::text || '@xfchat.invalid' WHERE email IS NULL;

DELETE FROM set_aside s USING users u
WHERE s.migration = '20240106000000_conversation_log' AND s.source_table = 'users'
  AND u.id = (s.source_row ->> 'placed_as')::uuid
  AND (s.source_row ->> 'email' = u.email OR s.source_row ->> 'username' = u.username);

ALTER TABLE users
    ALTER COLUMN email SET NOT NULL,
    ADD CONSTRAINT users_email_key UNIQUE (email);
