-- Takes back 20240112000000_usage. Counts beyond the range of INTEGER become its maximum.

ALTER TABLE usage_tracking
    ALTER COLUMN count TYPE INTEGER USING CASE WHEN count > 2147483647 THEN 2147483647 ELSE count END::integer;
