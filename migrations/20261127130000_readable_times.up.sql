-- A time outside of 1970 to 9999 (infinity, before Christ) is none that an answer can have. An older XFChat may have left some: the row
-- gets its other time, or now, and a column that may be empty is emptied. The former time is in set_aside.
-- Each table is read once, which takes about a second for a million messages; only rows with such a time are locked.
DO $$
DECLARE
    item RECORD;
BEGIN
    FOR item IN
        SELECT a.attrelid::regclass AS relation, a.attname, a.attnotnull,
               coalesce((SELECT quote_ident(o.attname) FROM pg_attribute o
                         WHERE o.attrelid = a.attrelid AND o.attname <> a.attname AND o.attname IN ('created_at', 'updated_at')
                           AND o.atttypid = a.atttypid LIMIT 1), 'NULL') AS instead
        FROM pg_attribute a
        WHERE a.attrelid IN ('users'::regclass, 'friend_requests'::regclass, 'contacts'::regclass, 'chat_messages'::regclass,
                             'conversations'::regclass, 'conversation_participants'::regclass)
          AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = 'timestamptz'::regtype
        ORDER BY a.attrelid, a.attnum
    LOOP
        EXECUTE format(
            'WITH unreadable AS (
                 SELECT t.ctid AS place, to_jsonb(t) AS row, %2$I::text AS former FROM %1$s t
                 WHERE %2$I NOT BETWEEN ''1970-01-01Z'' AND ''9999-12-31Z'' FOR UPDATE
             ), changed AS (
                 UPDATE %1$s t SET %2$I = %3$s FROM unreadable u WHERE t.ctid = u.place
             )
             INSERT INTO set_aside (migration, source_table, reason, source_row)
             SELECT ''20261127130000_readable_times'', %4$L, %5$L,
                    jsonb_build_object(%6$L, former, ''placed_as'', coalesce(row -> ''id'', row -> ''conversation_id''))
                        || CASE WHEN row ? ''id'' THEN jsonb_build_object(''id'', row -> ''id'')
                                ELSE jsonb_build_object(''conversation_id'', row -> ''conversation_id'', ''user_id'', row -> ''user_id'') END
             FROM unreadable',
            item.relation, item.attname,
            CASE WHEN item.attnotnull
                 THEN format('CASE WHEN %1$s BETWEEN ''1970-01-01Z'' AND ''9999-12-31Z'' THEN %1$s ELSE now() END', item.instead)
                 ELSE 'NULL' END,
            item.relation::text, item.attname || ' is no time', item.attname);
    END LOOP;
END $$;
