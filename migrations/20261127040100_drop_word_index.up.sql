-- The index of the search before message_terms, which cost every send more than it gives now. Until they are replaced,
-- servers of the version before read all messages to find a word.
--
-- Dropping it waits for everybody who uses the table, a dump included, and others wait behind it: so each attempt gives up
-- soon.
DO $drop$
BEGIN
    FOR attempt IN 1..300 LOOP
        BEGIN
            SET LOCAL lock_timeout = '200ms';
            DROP INDEX chat_messages_search_idx;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt = 300 THEN RAISE; END IF;
            PERFORM pg_sleep(1);
        END;
    END LOOP;
END $drop$;
