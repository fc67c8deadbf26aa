-- Statements leave columns to their defaults. A table of an older XFChat that was made or mended by hand may lack some of these.
-- Only the catalog changes, not rows.
DO $$
DECLARE
    item RECORD;
BEGIN
    FOR item IN
        SELECT d.relation, d.attname, d.value
        FROM (VALUES
            ('users', 'id', 'gen_random_uuid()'),
            ('users', 'created_at', 'now()'),
            ('users', 'updated_at', 'now()'),
            ('friend_requests', 'id', 'gen_random_uuid()'),
            ('friend_requests', 'status', '''pending'''),
            ('friend_requests', 'created_at', 'date_trunc(''milliseconds'', now())'),
            ('contacts', 'id', 'gen_random_uuid()'),
            ('contacts', 'is_online', 'FALSE'),
            ('contacts', 'created_at', 'now()'),
            ('contacts', 'updated_at', 'now()'),
            ('conversations', 'id', 'gen_random_uuid()'),
            ('conversations', 'is_direct_message', 'FALSE'),
            ('conversations', 'created_at', 'now()'),
            ('conversations', 'updated_at', 'now()'),
            ('conversation_participants', 'joined_at', 'now()'),
            ('chat_messages', 'id', 'gen_random_uuid()'),
            ('chat_messages', 'message_type', '''text'''),
            ('chat_messages', 'created_at', 'now()'),
            ('chat_messages', 'updated_at', 'now()'),
            ('usage_tracking', 'count', '0'),
            ('usage_tracking', 'created_at', 'now()'),
            ('usage_tracking', 'updated_at', 'now()')
        ) AS d (relation, attname, value)
        JOIN pg_attribute a ON a.attrelid = d.relation::regclass AND a.attname = d.attname
        WHERE NOT a.atthasdef AND NOT a.attisdropped
    LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET DEFAULT %s', item.relation, item.attname, item.value);
    END LOOP;
END $$;
