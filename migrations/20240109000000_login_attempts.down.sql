-- Takes back 20240109000000_login_attempts. Only failed attempts to sign in are lost.

DROP TABLE login_attempts;
