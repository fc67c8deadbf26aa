-- Takes back 20240112000000_usage. What an INTEGER cannot hold becomes the most that it can.

ALTER TABLE usage_tracking
    ALTER COLUMN count TYPE INTEGER USING CASE WHEN count > 2147483647 THEN 2147483647 ELSE count END::integer;
