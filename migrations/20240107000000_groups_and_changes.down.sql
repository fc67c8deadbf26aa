-- Takes back 20240107000000_groups_and_changes. Reactions, mentions, earlier contents of edited messages, and the
-- position from which each participant sees the history are lost.

UPDATE chat_messages SET content = content::jsonb #>> '{}' WHERE message_type <> 'text' AND deleted_at IS NULL;

DROP INDEX chat_messages_search_idx;
DROP TABLE message_reactions;
DROP TABLE message_versions;
ALTER TABLE chat_messages DROP COLUMN mentions;
ALTER TABLE conversation_participants DROP COLUMN visible_after;
ALTER TABLE conversations DROP COLUMN history;
