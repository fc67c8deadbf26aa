-- How often a password was tried in vain: for each login together with the address that it came from, as a hash of both.
--
-- UNLOGGED: it costs no WAL, and after a crash everybody starts anew.

CREATE UNLOGGED TABLE login_attempts (
    key BYTEA PRIMARY KEY CONSTRAINT login_attempts_key_check CHECK (octet_length(key) = 32),
    failures INTEGER NOT NULL,
    -- Until then no password is looked at.
    blocked_until TIMESTAMPTZ NOT NULL,
    forgotten_at TIMESTAMPTZ NOT NULL
);

-- For the sweep of what is forgotten.
CREATE INDEX login_attempts_forgotten_at_idx ON login_attempts (forgotten_at);
