-- A deletion that concerns many rows is a mark first, and gone for everybody by it. The rows follow, some at a time.

-- A conversation that is deleted has no participants. Its messages and its row go by and by.
ALTER TABLE conversations ADD COLUMN deleted_at TIMESTAMPTZ;
CREATE INDEX conversations_deleted_at_idx ON conversations (deleted_at) WHERE deleted_at IS NOT NULL;

-- Deleted accounts that are still to leave conversations: those with ids after this one, in their order.
CREATE TABLE departures (
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    left_up_to UUID NOT NULL
);
