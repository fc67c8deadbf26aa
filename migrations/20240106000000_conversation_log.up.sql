-- A conversation is a log: every message has its position, every participant a cursor. And what an account and a
-- friendship need to be told apart by the database itself: one username, one e-mail address, one pair.
--
-- Rows that a new constraint cannot take go into set_aside, whole; values that had to give way go there with
-- "placed_as", the id of the row that they belong to. Needs PostgreSQL 14.

-- What follows joins large tables: without statistics, it could take hours.
ANALYZE users, friend_requests, contacts, usage_tracking, chat_messages, conversations, conversation_participants;

-- Accounts -----------------------------------------------------------------------------------------------------------

ALTER TABLE users
    ADD COLUMN display_name TEXT,
    ADD COLUMN avatar_url TEXT,
    ADD COLUMN last_seen_at TIMESTAMPTZ,
    ALTER COLUMN email DROP NOT NULL;

-- The address that the way back made up for an account without one.
UPDATE users SET email = NULL WHERE email = id::text || '@xfchat.invalid';

-- Whatever an older XFChat called its unique constraints on e-mail address and username.
DO $$
DECLARE
    item RECORD;
BEGIN
    FOR item IN
        SELECT c.conname FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
        WHERE c.conrelid = 'users'::regclass AND c.contype = 'u' AND a.attname IN ('email', 'username')
    LOOP
        EXECUTE format('ALTER TABLE users DROP CONSTRAINT %I', item.conname);
    END LOOP;
    DROP INDEX IF EXISTS users_email_key, users_username_key;
END $$;

-- Of addresses that differ only by case, the oldest account keeps its own.
CREATE TEMPORARY TABLE shared_email AS
SELECT id, email FROM (
    SELECT id, email, row_number() OVER (PARTITION BY lower(email) ORDER BY created_at, id) AS place
    FROM users WHERE email IS NOT NULL
) ranked WHERE place > 1;

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240106000000_conversation_log', 'users', 'an older account has this e-mail address, but for case',
       jsonb_build_object('id', id, 'email', email, 'placed_as', id)
FROM shared_email;

UPDATE users u SET email = NULL FROM shared_email s WHERE u.id = s.id;

DROP TABLE shared_email;
CREATE UNIQUE INDEX users_email_key ON users (lower(email));

-- Accounts that need another username: those without one ("user"), and those whose name an older account has, but for
-- case. The new one ends in eight digits of the id, or in as many more as make it unique.
CREATE TEMPORARY TABLE renamed AS
SELECT id, username AS former, coalesce(left(username, 20), 'user') AS stem, replace(id::text, '-', '') AS digits
FROM (
    SELECT id, nullif(btrim(username), '') AS username,
           row_number() OVER (PARTITION BY lower(nullif(btrim(username), '')) ORDER BY created_at, id) AS place
    FROM users
) ranked WHERE username IS NULL OR place > 1;

UPDATE users u SET username = NULL FROM renamed r WHERE u.id = r.id;

CREATE UNIQUE INDEX users_username_key ON users (lower(username));

DO $$
BEGIN
    FOR width IN 8..32 LOOP
        UPDATE users u SET username = c.candidate
        FROM (
            SELECT r.id, r.stem || '_' || left(r.digits, width) AS candidate,
                   row_number() OVER (PARTITION BY lower(r.stem || '_' || left(r.digits, width)) ORDER BY r.id) AS place
            FROM renamed r JOIN users n ON n.id = r.id AND n.username IS NULL
        ) c
        WHERE u.id = c.id AND c.place = 1
          AND NOT EXISTS (SELECT FROM users o WHERE lower(o.username) = lower(c.candidate));
        EXIT WHEN NOT EXISTS (SELECT FROM users WHERE username IS NULL);
    END LOOP;
END $$;

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240106000000_conversation_log', 'users', 'an older account has this username, but for case',
       jsonb_build_object('id', r.id, 'username', r.former, 'renamed_to', u.username, 'placed_as', r.id)
FROM renamed r JOIN users u ON u.id = r.id WHERE r.former IS NOT NULL;

DROP TABLE renamed;
ALTER TABLE users ALTER COLUMN username SET NOT NULL;

CREATE TABLE sessions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash BYTEA NOT NULL CONSTRAINT sessions_token_hash_key UNIQUE
        CONSTRAINT sessions_token_hash_check CHECK (octet_length(token_hash) = 32),
    device_name TEXT,
    address INET,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    last_used_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at TIMESTAMPTZ NOT NULL
);

-- A user's sessions, the last used first; and the foreign key.
CREATE INDEX sessions_user_id_idx ON sessions (user_id, last_used_at DESC);
-- For the sweep of what has expired.
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

-- Conversations ------------------------------------------------------------------------------------------------------

-- More than two cannot be direct.
WITH crowded AS (
    UPDATE conversations c SET is_direct_message = FALSE
    WHERE c.is_direct_message
      AND (SELECT count(*) FROM conversation_participants p WHERE p.conversation_id = c.id) > 2
    RETURNING c.id
)
INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240106000000_conversation_log', 'conversations', 'a direct conversation of more than two: it is a group',
       jsonb_build_object('id', id, 'is_direct_message', TRUE, 'placed_as', id)
FROM crowded;

UPDATE conversations SET is_direct_message = FALSE WHERE is_direct_message IS NULL;

ALTER TABLE conversations
    ADD COLUMN head BIGINT NOT NULL DEFAULT 0 CONSTRAINT conversations_head_check CHECK (head >= 0),
    ADD COLUMN direct_low UUID
        CONSTRAINT conversations_direct_low_fkey REFERENCES users (id) ON DELETE SET NULL,
    ADD COLUMN direct_high UUID
        CONSTRAINT conversations_direct_high_fkey REFERENCES users (id) ON DELETE SET NULL,
    ALTER COLUMN is_direct_message SET NOT NULL;

WITH pair AS (
    SELECT c.id, c.created_at, min(p.user_id::text)::uuid AS low, max(p.user_id::text)::uuid AS high
    FROM conversations c JOIN conversation_participants p ON p.conversation_id = c.id
    WHERE c.is_direct_message
    GROUP BY c.id HAVING count(*) = 2
), ranked AS (
    SELECT id, low, high, row_number() OVER (PARTITION BY low, high ORDER BY created_at, id) AS place FROM pair
)
UPDATE conversations c SET direct_low = r.low, direct_high = r.high
FROM ranked r WHERE r.id = c.id AND r.place = 1;

-- A pair that has several direct conversations (two requests accepted at once) keeps the oldest as its direct one. The
-- others become groups of two rather than parts of it: no message moves, the ids that clients hold stay good, and
-- the way back is to say again that they are direct.
WITH several AS (
    UPDATE conversations c SET is_direct_message = FALSE
    WHERE c.is_direct_message AND c.direct_low IS NULL
      AND (SELECT count(*) FROM conversation_participants p WHERE p.conversation_id = c.id) = 2
    RETURNING c.id
)
INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240106000000_conversation_log', 'conversations', 'the pair has an older direct conversation: this one is a group',
       jsonb_build_object('id', id, 'is_direct_message', TRUE, 'placed_as', id)
FROM several;

-- One side of a pair is NULL once its account is gone.
ALTER TABLE conversations
    ADD CONSTRAINT conversations_direct_order_check CHECK (direct_low < direct_high),
    ADD CONSTRAINT conversations_direct_check
        CHECK (is_direct_message OR (direct_low IS NULL AND direct_high IS NULL));

CREATE UNIQUE INDEX conversations_direct_pair_key ON conversations (direct_low, direct_high);
-- For the foreign keys, when an account goes; direct_low leads the index above.
CREATE INDEX conversations_direct_high_idx ON conversations (direct_high) WHERE direct_high IS NOT NULL;
CREATE INDEX conversations_created_by_idx ON conversations (created_by) WHERE created_by IS NOT NULL;

-- Messages -----------------------------------------------------------------------------------------------------------

-- Each key below begins with conversation_id; and order is by seq from now on, nothing reads all messages by time.
-- idx_chat_messages_sender_id stays, for the foreign key when an account goes.
DROP INDEX idx_chat_messages_conversation_id;
DROP INDEX idx_chat_messages_created_at;

ALTER TABLE chat_messages
    ADD COLUMN seq BIGINT,
    ADD COLUMN version BIGINT,
    ADD COLUMN reply_to UUID,
    ADD COLUMN edited_at TIMESTAMPTZ,
    ADD COLUMN deleted_at TIMESTAMPTZ;

UPDATE chat_messages m SET seq = n.seq, version = n.seq, crdt_timestamp = coalesce(m.crdt_timestamp, 0)
FROM (
    SELECT id, row_number() OVER (PARTITION BY conversation_id ORDER BY created_at, id) AS seq FROM chat_messages
) n
WHERE n.id = m.id;

UPDATE conversations c SET head = n.head
FROM (SELECT conversation_id, max(seq) AS head FROM chat_messages GROUP BY conversation_id) n
WHERE n.conversation_id = c.id;

-- conversation_id leads every key, so that the table can be partitioned or sharded by it; an id is still used once.
DO $$
DECLARE
    primary_key NAME;
BEGIN
    SELECT conname INTO STRICT primary_key FROM pg_constraint
    WHERE conrelid = 'chat_messages'::regclass AND contype = 'p';
    EXECUTE format('ALTER TABLE chat_messages DROP CONSTRAINT %I', primary_key);
END $$;

ALTER TABLE chat_messages
    ALTER COLUMN seq SET NOT NULL,
    ALTER COLUMN version SET NOT NULL,
    ADD CONSTRAINT chat_messages_pkey PRIMARY KEY (conversation_id, id),
    ADD CONSTRAINT chat_messages_id_key UNIQUE (id),
    ADD CONSTRAINT chat_messages_seq_key UNIQUE (conversation_id, seq),
    ADD CONSTRAINT chat_messages_version_check CHECK (seq > 0 AND version >= seq),
    ADD CONSTRAINT chat_messages_reply_to_fkey
        FOREIGN KEY (conversation_id, reply_to) REFERENCES chat_messages (conversation_id, id);

-- 64 KiB, but for what an older XFChat took: its messages, and only they, have a crdt_timestamp. A check that is NOT VALID
-- would do for new rows, but refuse every change of an old one that is longer: its author's account could not be deleted.
ALTER TABLE chat_messages
    ADD CONSTRAINT chat_messages_content_check CHECK (octet_length(content) <= 65536 OR crdt_timestamp IS NOT NULL);

-- "What changed since n": new messages are found by seq, changes to earlier ones here, where there are few.
CREATE INDEX chat_messages_changed_idx ON chat_messages (conversation_id, version) WHERE version <> seq;
-- For the foreign key, when a conversation goes.
CREATE INDEX chat_messages_reply_to_idx ON chat_messages (conversation_id, reply_to) WHERE reply_to IS NOT NULL;

-- Participants -------------------------------------------------------------------------------------------------------

DO $$
DECLARE
    item RECORD;
BEGIN
    FOR item IN
        SELECT conname FROM pg_constraint
        WHERE conrelid = 'conversation_participants'::regclass AND contype IN ('p', 'u')
    LOOP
        EXECUTE format('ALTER TABLE conversation_participants DROP CONSTRAINT %I', item.conname);
    END LOOP;
END $$;

ALTER TABLE conversation_participants
    DROP COLUMN id,
    ADD COLUMN role TEXT NOT NULL DEFAULT 'member'
        CONSTRAINT conversation_participants_role_check CHECK (role IN ('owner', 'admin', 'member')),
    ADD COLUMN last_delivered_seq BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN last_read_seq BIGINT NOT NULL DEFAULT 0,
    ADD CONSTRAINT conversation_participants_pkey PRIMARY KEY (conversation_id, user_id);

-- A group belongs to who made it, or else to who has been in it longest. The global chat belongs to nobody: its first
-- writer must not be able to take it from all others.
UPDATE conversation_participants p SET role = 'owner'
FROM (
    SELECT DISTINCT ON (c.id) c.id, o.user_id
    FROM conversations c JOIN conversation_participants o ON o.conversation_id = c.id
    WHERE NOT c.is_direct_message AND c.id <> '00000000-0000-4000-8000-000000000001'
    ORDER BY c.id, (o.user_id = c.created_by) DESC NULLS LAST, o.joined_at, o.user_id
) owner
WHERE p.conversation_id = owner.id AND p.user_id = owner.user_id;

-- A cursor stands before the first message of another that is not read (not delivered), or at the head if there is none.
-- What was read was delivered.
-- Of each conversation it is enough to know the first such message of two senders: one of them is another.
WITH unread AS (
    SELECT conversation_id, sender_id, seq FROM (
        SELECT conversation_id, sender_id, min(seq) AS seq,
               row_number() OVER (PARTITION BY conversation_id ORDER BY min(seq)) AS place
        FROM chat_messages WHERE is_read IS NOT TRUE GROUP BY conversation_id, sender_id
    ) first WHERE place <= 2
), undelivered AS (
    SELECT conversation_id, sender_id, seq FROM (
        SELECT conversation_id, sender_id, min(seq) AS seq,
               row_number() OVER (PARTITION BY conversation_id ORDER BY min(seq)) AS place
        FROM chat_messages WHERE is_read IS NOT TRUE AND is_delivered IS FALSE GROUP BY conversation_id, sender_id
    ) first WHERE place <= 2
), cursors AS (
    SELECT p.conversation_id, p.user_id, coalesce(min(r.seq) - 1, c.head) AS read_seq,
           coalesce(min(d.seq) - 1, c.head) AS delivered_seq
    FROM conversation_participants p
    JOIN conversations c ON c.id = p.conversation_id
    LEFT JOIN unread r ON r.conversation_id = p.conversation_id AND r.sender_id IS DISTINCT FROM p.user_id
    LEFT JOIN undelivered d ON d.conversation_id = p.conversation_id AND d.sender_id IS DISTINCT FROM p.user_id
    GROUP BY p.conversation_id, p.user_id, c.head
)
UPDATE conversation_participants p
SET last_read_seq = n.read_seq, last_delivered_seq = greatest(n.delivered_seq, n.read_seq)
FROM cursors n WHERE n.conversation_id = p.conversation_id AND n.user_id = p.user_id;

ALTER TABLE conversation_participants
    ADD CONSTRAINT conversation_participants_cursor_check
        CHECK (last_read_seq >= 0 AND last_read_seq <= last_delivered_seq);

-- A user's conversations; and the foreign key.
CREATE INDEX conversation_participants_user_id_idx ON conversation_participants (user_id, conversation_id);

-- The cursors say it from now on. crdt_timestamp, braid_version and braid_parents stay for the messages that have them
-- and are never written again; NULL takes no room.
ALTER TABLE chat_messages
    DROP COLUMN is_read,
    DROP COLUMN is_delivered,
    ALTER COLUMN crdt_timestamp DROP DEFAULT;

-- Friend requests ----------------------------------------------------------------------------------------------------

-- Those that the way back returned are judged anew. An address says who was meant where the id is missing.
UPDATE friend_requests f SET from_user_id = u.id FROM users u
WHERE f.from_user_id IS NULL AND lower(f.from_email) = lower(u.email);
UPDATE friend_requests f SET to_user_id = u.id FROM users u
WHERE f.to_user_id IS NULL AND lower(f.to_email) = lower(u.email);

UPDATE friend_requests SET status = coalesce(lower(btrim(status)), 'pending')
WHERE status IS DISTINCT FROM coalesce(lower(btrim(status)), 'pending');

WITH judged AS (
    SELECT f.id,
           CASE
               WHEN f.from_user_id IS NULL OR f.to_user_id IS NULL THEN 'nobody at one end'
               WHEN f.from_user_id = f.to_user_id THEN 'to oneself'
               WHEN NOT EXISTS (SELECT FROM users u WHERE u.id = f.from_user_id)
                 OR NOT EXISTS (SELECT FROM users u WHERE u.id = f.to_user_id) THEN 'the account at one end is gone'
               WHEN f.status NOT IN ('pending', 'accepted', 'rejected', 'blocked') THEN 'the status is unknown'
           END AS fault
    FROM friend_requests f
), ranked AS (
    SELECT f.id, row_number() OVER (
        PARTITION BY least(f.from_user_id, f.to_user_id), greatest(f.from_user_id, f.to_user_id)
        ORDER BY array_position(ARRAY['accepted', 'blocked', 'pending', 'rejected'], f.status::text),
                 f.created_at DESC, f.id) AS place
    FROM friend_requests f JOIN judged j ON j.id = f.id AND j.fault IS NULL
), unplaced AS (
    DELETE FROM friend_requests f USING judged j LEFT JOIN ranked r ON r.id = j.id
    WHERE f.id = j.id AND (j.fault IS NOT NULL OR r.place > 1)
    RETURNING to_jsonb(f) AS source_row, coalesce(j.fault, 'the pair has another request that counts more') AS reason
)
INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240106000000_conversation_log', 'friend_requests', reason, source_row FROM unplaced;

ALTER TABLE friend_requests
    ALTER COLUMN from_user_id SET NOT NULL,
    ALTER COLUMN to_user_id SET NOT NULL,
    ALTER COLUMN status SET NOT NULL,
    ADD CONSTRAINT friend_requests_from_user_id_fkey
        FOREIGN KEY (from_user_id) REFERENCES users (id) ON DELETE CASCADE,
    ADD CONSTRAINT friend_requests_to_user_id_fkey FOREIGN KEY (to_user_id) REFERENCES users (id) ON DELETE CASCADE,
    ADD CONSTRAINT friend_requests_self_check CHECK (from_user_id <> to_user_id),
    ADD CONSTRAINT friend_requests_status_check CHECK (status IN ('pending', 'accepted', 'rejected', 'blocked'));

-- One row for a pair, whoever asked.
CREATE UNIQUE INDEX friend_requests_pair_key
    ON friend_requests (least(from_user_id, to_user_id), greatest(from_user_id, to_user_id));
-- What a user sent, what a user got, the latest first; and the foreign keys.
CREATE INDEX friend_requests_from_user_id_idx ON friend_requests (from_user_id, created_at DESC);
CREATE INDEX friend_requests_to_user_id_idx ON friend_requests (to_user_id, created_at DESC);

-- Contacts and usage -------------------------------------------------------------------------------------------------

WITH unplaced AS (
    DELETE FROM contacts k
    WHERE k.user_id IS NULL OR k.contact_user_id IS NULL
       OR NOT EXISTS (SELECT FROM users u WHERE u.id = k.user_id)
       OR NOT EXISTS (SELECT FROM users u WHERE u.id = k.contact_user_id)
    RETURNING to_jsonb(k) AS source_row
)
INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240106000000_conversation_log', 'contacts', 'the account at one end is gone', source_row FROM unplaced;

ALTER TABLE contacts
    ADD CONSTRAINT contacts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    ADD CONSTRAINT contacts_contact_user_id_fkey FOREIGN KEY (contact_user_id) REFERENCES users (id) ON DELETE CASCADE;

CREATE INDEX contacts_contact_user_id_idx ON contacts (contact_user_id);

WITH unplaced AS (
    DELETE FROM usage_tracking t WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = t.user_id)
    RETURNING to_jsonb(t) AS source_row
)
INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240106000000_conversation_log', 'usage_tracking', 'the account is gone', source_row FROM unplaced;

ALTER TABLE usage_tracking
    ADD CONSTRAINT usage_tracking_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
