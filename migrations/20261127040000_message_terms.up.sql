-- The terms by which search finds messages, cut by XFChat itself (src/messaging/SearchTerms.ts), so that neither the text
-- search configurations nor the locale of the database have a say. A table of its own: what changes of a message besides
-- its text does not touch it, and it is made empty, so that nobody waits for an index. Servers fill it in the background,
-- the newest messages of each conversation first.

CREATE TABLE message_terms (
    conversation_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    -- That of the message, to the millisecond: by this search orders what it finds.
    posted_at TIMESTAMPTZ NOT NULL,
    terms TSVECTOR NOT NULL,
    PRIMARY KEY (conversation_id, seq)
);

-- Through a conversation, the newest first: words that many messages have.
CREATE INDEX message_terms_posted_at_idx ON message_terms (conversation_id, posted_at, seq);

-- Words that few have. The pending list is kept short, since every search reads it.
CREATE INDEX message_terms_terms_idx ON message_terms USING gin (terms) WITH (gin_pending_list_limit = 512);

-- Which positions of a conversation's log have their terms: those after indexed_from, up to indexed_to. Servers of an
-- older version move the head and not this, and so leave nothing out. Without a row: none.
CREATE TABLE search_progress (
    conversation_id UUID PRIMARY KEY,
    indexed_from BIGINT NOT NULL,
    indexed_to BIGINT NOT NULL,
    CONSTRAINT search_progress_range_check CHECK (indexed_from BETWEEN 0 AND indexed_to)
);

-- What goes with its message or its conversation. A foreign key waits for those who write to the table that it refers to,
-- and others wait behind it: so each attempt gives up soon.
DO $keys$
BEGIN
    FOR attempt IN 1..300 LOOP
        BEGIN
            SET LOCAL lock_timeout = '200ms';
            ALTER TABLE message_terms ADD FOREIGN KEY (conversation_id, seq)
                REFERENCES chat_messages (conversation_id, seq) ON DELETE CASCADE;
            ALTER TABLE search_progress ADD FOREIGN KEY (conversation_id)
                REFERENCES conversations (id) ON DELETE CASCADE;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt = 300 THEN RAISE; END IF;
            PERFORM pg_sleep(1);
        END;
    END LOOP;
END $keys$;
