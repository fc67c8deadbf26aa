-- What a participant sees of a log that is there already changes when they block somebody who wrote in it, and again when
-- they no longer do.

-- A copy of the log that reaches no further than this was made before that change: it has to be made anew.
ALTER TABLE conversation_participants
    ADD COLUMN rewritten_at BIGINT NOT NULL DEFAULT 0
        CONSTRAINT conversation_participants_rewritten_at_check CHECK (rewritten_at >= 0);

-- How often that has happened in a conversation: who follows its log for others looks at this with each part of it. Not
-- in conversations, whose rows show to all participants that something happened.
CREATE TABLE visibility_epochs (
    conversation_id UUID PRIMARY KEY REFERENCES conversations (id) ON DELETE CASCADE,
    epoch BIGINT NOT NULL
);
