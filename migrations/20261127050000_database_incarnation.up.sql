-- A restore to an earlier moment, or a replica that takes over before it had every commit, takes back what clients have
-- seen: a version that they hold then stands for something else. So a version names the incarnation of the database in
-- which it was told, and a server begins another incarnation when it sees that history may have been lost.
CREATE TABLE database_incarnation (
    is_only BOOLEAN PRIMARY KEY DEFAULT true
        CONSTRAINT database_incarnation_is_only_check CHECK (is_only),
    -- Empty for the first one: its versions are those that clients have from before there were incarnations.
    incarnation TEXT NOT NULL
        CONSTRAINT database_incarnation_incarnation_check CHECK (incarnation ~ '^[a-z0-9]{0,16}$'),
    -- What the server saw when it wrote this row: the database, the timeline of its WAL where the role may know it, and
    -- the transaction that wrote the row. A copy of the row by a dump was written by another transaction.
    database OID,
    timeline TEXT,
    written XID8
);

INSERT INTO database_incarnation (incarnation) VALUES ('');
