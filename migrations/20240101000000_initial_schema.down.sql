-- Takes back the first tables. Every account goes with them: nothing of what they hold can come back.

DROP TABLE version_history;
DROP TABLE messages;
DROP TABLE usage_tracking;
DROP TABLE users;
