-- Takes back 20261127050000_database_incarnation. Clients of an incarnation that is not the first get a snapshot when
-- they resume. After a restore, follow docs/backup.md of the older version.

DROP TABLE database_incarnation;
