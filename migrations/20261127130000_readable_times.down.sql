-- Takes back 20261127130000_readable_times. Nothing of the data is lost: rows keep the times that they were given, and set_aside
-- keeps the former ones.
SELECT 1;
