-- What groups, changes of messages, and streams need on top of the log.

-- Who joins later sees the whole history, or what was posted since.
ALTER TABLE conversations
    ADD COLUMN history TEXT NOT NULL DEFAULT 'whole'
        CONSTRAINT conversations_history_check CHECK (history IN ('whole', 'since_joining'));

-- A participant sees positions above this: 0 where the history is whole, the head at joining where it is not.
ALTER TABLE conversation_participants
    ADD COLUMN visible_after BIGINT NOT NULL DEFAULT 0
        CONSTRAINT conversation_participants_visible_after_check CHECK (visible_after >= 0);

-- Participants whom the content names, as they were when it was written.
ALTER TABLE chat_messages ADD COLUMN mentions UUID[] NOT NULL DEFAULT '{}';

-- What an edited message said before, by the version that it had then. Goes with the message, and with its content when
-- that is erased.
CREATE TABLE message_versions (
    conversation_id UUID NOT NULL,
    message_id UUID NOT NULL,
    version BIGINT NOT NULL,
    content TEXT NOT NULL,
    written_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (conversation_id, message_id, version),
    FOREIGN KEY (conversation_id, message_id) REFERENCES chat_messages (conversation_id, id) ON DELETE CASCADE
);

-- One of each kind a person.
CREATE TABLE message_reactions (
    conversation_id UUID NOT NULL,
    message_id UUID NOT NULL,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    emoji TEXT NOT NULL CONSTRAINT message_reactions_emoji_check CHECK (octet_length(emoji) BETWEEN 1 AND 64),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, message_id, user_id, emoji),
    FOREIGN KEY (conversation_id, message_id) REFERENCES chat_messages (conversation_id, id) ON DELETE CASCADE
);

-- For the foreign key, when an account is deleted.
CREATE INDEX message_reactions_user_id_idx ON message_reactions (user_id);

-- Words as they are written, whatever the language.
CREATE INDEX chat_messages_search_idx ON chat_messages USING gin (to_tsvector('simple', content))
    WHERE message_type = 'text' AND deleted_at IS NULL;

-- The content of every kind but text is JSON from now on. What older ones say was plain text: a JSON string.
UPDATE chat_messages SET content = to_jsonb(content)::text WHERE message_type <> 'text';
