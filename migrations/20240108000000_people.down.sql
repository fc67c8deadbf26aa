-- Takes back 20240108000000_people. What people had decided cannot come back; a deleted account stays without anything
-- that names its owner, and nobody can sign in to it.

ALTER TABLE users
    DROP COLUMN direct_messages_from,
    DROP COLUMN is_discoverable,
    DROP COLUMN shows_presence,
    DROP COLUMN deleted_at;
