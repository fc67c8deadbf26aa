-- Takes back 20240110000000_friends. A block becomes the pair's request, as in an older XFChat: from the blocked person, with the
-- status "blocked". If two people block each other, the later block has no place there, and goes into set_aside.
--
-- These things are lost: the names and addresses from the time of a request, in place of which it gets the present ones; that a
-- request was declined before it was withdrawn; the request of a blocked person, which stays withdrawn.

DROP INDEX users_discoverable_idx;
DROP TABLE people_revisions;

ALTER TABLE friend_requests
    ADD COLUMN from_username VARCHAR(255),
    ADD COLUMN from_email VARCHAR(255),
    ADD COLUMN to_email VARCHAR(255),
    ALTER COLUMN created_at SET DEFAULT now(),
    DROP CONSTRAINT friend_requests_status_check;

CREATE TEMPORARY TABLE ranked AS
SELECT b.*, row_number() OVER (
    PARTITION BY least(blocker_id, blocked_id), greatest(blocker_id, blocked_id) ORDER BY created_at, blocker_id) AS place
FROM blocks b;

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20240110000000_friends', 'blocks', 'the two block each other: this block is the later one', to_jsonb(r) - 'place'
FROM ranked r WHERE place > 1;

INSERT INTO friend_requests AS f (from_user_id, to_user_id, status, created_at, responded_at)
SELECT blocked_id, blocker_id, 'blocked', created_at, created_at FROM ranked WHERE place = 1
ON CONFLICT (least(from_user_id, to_user_id), greatest(from_user_id, to_user_id)) DO UPDATE
SET status = 'blocked', responded_at = excluded.responded_at, from_user_id = excluded.from_user_id, to_user_id = excluded.to_user_id,
    message = CASE WHEN f.from_user_id = excluded.from_user_id THEN f.message END;

DROP TABLE ranked;
DROP TABLE blocks;

DELETE FROM friend_requests WHERE status = 'ended';

UPDATE friend_requests f SET from_username = a.username, from_email = a.email, to_email = b.email
FROM users a, users b WHERE a.id = f.from_user_id AND b.id = f.to_user_id;

ALTER TABLE friend_requests ADD CONSTRAINT friend_requests_status_check CHECK (status IN ('pending', 'accepted', 'rejected', 'blocked'));
