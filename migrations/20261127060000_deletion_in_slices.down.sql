-- Takes back 20261127060000_deletion_in_slices. Nothing is lost: conversations marked as deleted are deleted now. A deleted
-- account that has not left all of its conversations yet stays in the rest of them, without a name.

DROP TABLE departures;
DELETE FROM conversations WHERE deleted_at IS NOT NULL;
DROP INDEX conversations_deleted_at_idx;
ALTER TABLE conversations DROP COLUMN deleted_at;
