-- Takes back 20240109000000_login_attempts. Nothing is lost that is worth keeping.

DROP TABLE login_attempts;
