-- Takes back 20261127100000_folded_names. Of two accounts that the database's locale does not tell apart, the younger one loses its
-- username for one made from its id, or its e-mail address; what it had is in set_aside. Accounts that the migration renamed
-- keep their new name.
CREATE TEMPORARY TABLE renamed AS
SELECT id, username FROM (
    SELECT id, username, row_number() OVER (PARTITION BY lower(username) ORDER BY created_at, id) AS place FROM users
) ranked WHERE place > 1;

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20261127100000_folded_names.down', 'users', 'an older account has this username, but for case',
       jsonb_build_object('id', id, 'username', username, 'renamed_to', 'user_' || left(replace(id::text, '-', ''), 25), 'placed_as', id)
FROM renamed;

UPDATE users u SET username = 'user_' || left(replace(u.id::text, '-', ''), 25) FROM renamed r WHERE u.id = r.id;

DROP TABLE renamed;

INSERT INTO set_aside (migration, source_table, reason, source_row)
SELECT '20261127100000_folded_names.down', 'users', 'an older account has this e-mail address, but for case',
       jsonb_build_object('id', id, 'email', email, 'placed_as', id)
FROM (
    SELECT id, email, row_number() OVER (PARTITION BY lower(email) ORDER BY created_at, id) AS place
    FROM users WHERE email IS NOT NULL
) ranked WHERE place > 1;

UPDATE users SET email = NULL WHERE id IN (
    SELECT (source_row ->> 'id')::uuid FROM set_aside
    WHERE migration = '20261127100000_folded_names.down' AND source_row ? 'email');

DROP INDEX users_username_key, users_email_key, users_discoverable_idx;
CREATE UNIQUE INDEX users_username_key ON users (lower(username));
CREATE UNIQUE INDEX users_email_key ON users (lower(email));
CREATE INDEX users_discoverable_idx ON users (lower(username) text_pattern_ops) WHERE is_discoverable AND deleted_at IS NULL;
CREATE INDEX users_login_username_idx ON users (lower(username COLLATE "C"));
CREATE INDEX users_login_email_idx ON users (lower(email COLLATE "C"));
