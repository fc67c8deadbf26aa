-- Logins are compared by one rule in every locale (lower(… COLLATE "C")), and the costliest bcrypt hash is found at once.
-- Each index takes about a second for a million accounts; sign-ups wait meanwhile.
CREATE INDEX users_login_username_idx ON users (lower(username COLLATE "C"));
CREATE INDEX users_login_email_idx ON users (lower(email COLLATE "C"));
CREATE INDEX users_legacy_password_idx ON users (substr(password_hash, 5, 2))
    WHERE password_hash ~ '^[$]2[abxy][$](0[4-9]|1[0-4])[$]';
