-- Messages that are synchronised, as an older XFChat made them under this number: without foreign keys, and with a
-- conversation_id that points to no table. 20240105000000 adds the conversations.

CREATE TABLE IF NOT EXISTS chat_messages (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    conversation_id UUID,
    sender_id UUID,
    content TEXT NOT NULL,
    message_type VARCHAR(20) NOT NULL DEFAULT 'text'
        CONSTRAINT chat_messages_message_type_check CHECK (message_type IN ('text', 'image', 'file', 'system')),
    is_read BOOLEAN DEFAULT FALSE,
    is_delivered BOOLEAN DEFAULT TRUE,
    crdt_timestamp BIGINT DEFAULT 0,
    braid_version VARCHAR(255),
    braid_parents TEXT[],
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
