-- Takes back 20240113000000_disabled_accounts. Disabled accounts are enabled: their owners can sign in again.

ALTER TABLE users DROP COLUMN disabled_at;
