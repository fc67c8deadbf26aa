-- Usernames and e-mail addresses are unique by the rule that logins are compared by, lower(… COLLATE "C"), in every locale: the
-- database's own lower() takes "ALI" for another name than "ali" in Turkish, and any letters for equal in a locale that says so.
-- Two accounts that only the database's locale told apart: the older one keeps its name, the younger one is renamed, or has no
-- e-mail address; what they had is in set_aside.
-- Each index takes about a second for a million accounts; sign-ups wait meanwhile. Until they are replaced, servers of the version
-- before find people by name without an index.
CREATE TEMPORARY TABLE renamed AS
SELECT id, username FROM (
    SELECT id, username, row_number() OVER (PARTITION BY lower(username COLLATE "C") ORDER BY created_at, id) AS place FROM users
) ranked WHERE place > 1;

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20261127100000_folded_names', 'users', 'an older account has this username, but for case',
       jsonb_build_object('id', id, 'username', username, 'renamed_to', 'user_' || left(replace(id::text, '-', ''), 25), 'placed_as', id)
FROM renamed;

UPDATE users u SET username = 'user_' || left(replace(u.id::text, '-', ''), 25) FROM renamed r WHERE u.id = r.id;

DROP TABLE renamed;

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20261127100000_folded_names', 'users', 'an older account has this e-mail address, but for case',
       jsonb_build_object('id', id, 'email', email, 'placed_as', id)
FROM (
    SELECT id, email, row_number() OVER (PARTITION BY lower(email COLLATE "C") ORDER BY created_at, id) AS place
    FROM users WHERE email IS NOT NULL
) ranked WHERE place > 1;

UPDATE users SET email = NULL WHERE id IN (
    SELECT (source_row ->> 'id')::uuid FROM set_aside
    WHERE migration = '20261127100000_folded_names' AND source_row ? 'email');

DROP INDEX users_username_key, users_email_key, users_discoverable_idx, users_login_username_idx, users_login_email_idx;
CREATE UNIQUE INDEX users_username_key ON users (lower(username COLLATE "C"));
CREATE UNIQUE INDEX users_email_key ON users (lower(email COLLATE "C"));
CREATE INDEX users_discoverable_idx ON users (lower(username COLLATE "C")) WHERE is_discoverable AND deleted_at IS NULL;
