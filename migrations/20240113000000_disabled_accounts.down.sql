-- Takes back 20240113000000_disabled_accounts. Which accounts were disabled cannot come back: their owners can sign in
-- again.

ALTER TABLE users DROP COLUMN disabled_at;
