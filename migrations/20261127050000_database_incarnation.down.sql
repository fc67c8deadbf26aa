-- Takes back 20261127050000_database_incarnation. What is lost: clients of an incarnation that is not the first get a
-- snapshot when they resume. After a restore, servers of the older schema need what docs/backup.md of their version says.

DROP TABLE database_incarnation;
