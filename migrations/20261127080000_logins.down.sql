-- Takes back 20261127080000_logins. Nothing is lost: its indexes hold nothing that is not in the table.
DROP INDEX users_legacy_password_idx;
DROP INDEX users_login_email_idx;
DROP INDEX users_login_username_idx;
