-- Takes back 20240108000000_people. People's settings are lost. A deleted account stays without anything that names its
-- owner, and nobody can sign in to it.

ALTER TABLE users
    DROP COLUMN direct_messages_from,
    DROP COLUMN is_discoverable,
    DROP COLUMN shows_presence,
    DROP COLUMN deleted_at;
