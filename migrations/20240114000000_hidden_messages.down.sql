-- Takes back 20240114000000_hidden_messages. Nothing is lost: clients that resume after the way forward may keep what they
-- had of somebody whom they blocked before it.

DROP TABLE visibility_epochs;
ALTER TABLE conversation_participants DROP COLUMN rewritten_at;
