-- What people decide about themselves, and accounts that are gone.

ALTER TABLE users
    -- Who may open a direct conversation with them.
    ADD COLUMN direct_messages_from TEXT NOT NULL DEFAULT 'everyone'
        CONSTRAINT users_direct_messages_from_check CHECK (direct_messages_from IN ('everyone', 'friends', 'nobody')),
    -- Whether a part of the username finds them. The whole of it, or of the address, always does.
    ADD COLUMN is_discoverable BOOLEAN NOT NULL DEFAULT FALSE,
    -- Whether friends and fellow participants see when they are here. Who hides it does not see that of others.
    ADD COLUMN shows_presence BOOLEAN NOT NULL DEFAULT TRUE,
    -- Of a deleted account only what others have of it stays: its messages, under a neutral name.
    ADD COLUMN deleted_at TIMESTAMPTZ;
