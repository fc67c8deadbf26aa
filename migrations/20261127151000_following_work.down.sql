-- Takes back 20261127151000_following_work. Nothing is lost: friends' lists show changed profiles and deleted accounts now.
-- A group whose owner was disabled a moment ago may keep that owner; `xfchat user disable` of the older version passes it on.

INSERT INTO people_revisions AS p (user_id)
SELECT u.id FROM users u WHERE EXISTS (SELECT FROM announcements)
ON CONFLICT (user_id) DO UPDATE SET revision = p.revision + 1;

DELETE FROM friend_requests f USING announcements a JOIN users u ON u.id = a.user_id
WHERE u.deleted_at IS NOT NULL AND u.id IN (f.from_user_id, f.to_user_id);
DELETE FROM contacts c USING announcements a JOIN users u ON u.id = a.user_id
WHERE u.deleted_at IS NOT NULL AND u.id IN (c.user_id, c.contact_user_id);

DROP TABLE announcements;
DROP TABLE successions;
