-- The item of a conversation in a list changes with rows that many conversations share, such as a participant's name, and
-- with the receipts of the others. A row here says that: the transaction that wrote it last is what an inbox compares.
CREATE TABLE conversation_revisions (
    conversation_id UUID PRIMARY KEY REFERENCES conversations (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL DEFAULT 1
);
