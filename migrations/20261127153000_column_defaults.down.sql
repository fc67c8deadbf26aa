-- Takes back 20261127153000_column_defaults. Nothing is lost: the columns keep their defaults, which older servers need as well.
SELECT 1;
