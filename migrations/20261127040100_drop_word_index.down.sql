-- Takes back 20261127040100_drop_word_index. Nothing is lost. The index is built again. Meanwhile nobody can write to
-- chat_messages: a few seconds for a million messages.

CREATE INDEX chat_messages_search_idx ON chat_messages USING gin (to_tsvector('simple', content))
    WHERE message_type = 'text' AND deleted_at IS NULL;
