-- Usage counts bytes and seconds, too: more than an INTEGER holds.

ALTER TABLE usage_tracking ALTER COLUMN count TYPE BIGINT;
