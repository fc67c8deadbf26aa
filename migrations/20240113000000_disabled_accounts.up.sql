-- Accounts that an operator has closed for a while: nobody signs in to them, and they have no sessions.

ALTER TABLE users ADD COLUMN disabled_at TIMESTAMPTZ;
