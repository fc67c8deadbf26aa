-- Friends, requests, blocks, and the people whom others may find.

-- Who blocked whom. A block has a direction: both may block each other, and neither learns of the other's.
CREATE TABLE blocks (
    blocker_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    blocked_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT date_trunc('milliseconds', now()),
    PRIMARY KEY (blocker_id, blocked_id),
    CONSTRAINT blocks_self_check CHECK (blocker_id <> blocked_id)
);

-- Who blocked a person; and the foreign key.
CREATE INDEX blocks_blocked_id_idx ON blocks (blocked_id);

-- In an older XFChat who got a request could answer it with a block.
INSERT INTO blocks (blocker_id, blocked_id, created_at)
SELECT to_user_id, from_user_id, date_trunc('milliseconds', coalesce(responded_at, created_at))
FROM friend_requests WHERE status = 'blocked';

-- Blocks that the way back found no place for.
WITH returned AS (
    DELETE FROM set_aside WHERE migration = '20240110000000_friends' AND source_table = 'blocks' RETURNING source_row
)
INSERT INTO blocks SELECT b.* FROM returned, jsonb_populate_record(NULL::blocks, source_row) b
JOIN users blocker ON blocker.id = b.blocker_id JOIN users blocked ON blocked.id = b.blocked_id
ON CONFLICT DO NOTHING;

-- The last request between two people. Names and addresses are those of the accounts.
--
--   status     who sent it sees   who got it sees
--   pending    it                 it
--   accepted   a friend           a friend
--   rejected   it, as pending     nothing           declined, or sent to somebody who blocks the sender
--   ended      nothing            nothing           withdrawn, or the friendship is over
--
-- Where responded_at is set on one that was rejected, also after it was withdrawn, the recipient has declined it then.
ALTER TABLE friend_requests DROP CONSTRAINT friend_requests_status_check;

UPDATE friend_requests SET status = 'ended', responded_at = NULL WHERE status = 'blocked';

-- To the millisecond, as JSON has it: lists are ordered by it, and go on from it.
UPDATE friend_requests
SET created_at = date_trunc('milliseconds', created_at), responded_at = date_trunc('milliseconds', responded_at)
WHERE (created_at, coalesce(responded_at, created_at))
    <> (date_trunc('milliseconds', created_at), date_trunc('milliseconds', coalesce(responded_at, created_at)));

ALTER TABLE friend_requests
    ADD CONSTRAINT friend_requests_status_check CHECK (status IN ('pending', 'accepted', 'rejected', 'ended')),
    ALTER COLUMN created_at SET DEFAULT date_trunc('milliseconds', now()),
    DROP COLUMN from_username,
    DROP COLUMN from_email,
    DROP COLUMN to_email;

-- How often the picture changed that a person has of others: friends, requests, blocks. The row is written with the change.
CREATE TABLE people_revisions (
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL DEFAULT 1
);

-- Those whom a part of their username finds.
CREATE INDEX users_discoverable_idx ON users (lower(username) text_pattern_ops) WHERE is_discoverable AND deleted_at IS NULL;
