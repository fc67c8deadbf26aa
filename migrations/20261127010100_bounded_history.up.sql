-- Of the earlier contents of a message the first stays, and of the others the latest that are within 100 and 1 MiB together
-- with it. Servers keep to that with each edit; here it is done for messages that are edited no more.

-- By a scan of message_versions: the length of a content is known without reading it.
DELETE FROM message_versions v USING (
    SELECT conversation_id, message_id, version, min(version) OVER history AS first, row_number() OVER newest AS place,
        sum(octet_length(content)) OVER newest AS bytes,
        first_value(octet_length(content)) OVER oldest AS first_bytes
    FROM message_versions
    WINDOW history AS (PARTITION BY conversation_id, message_id),
        oldest AS (PARTITION BY conversation_id, message_id ORDER BY version),
        newest AS (PARTITION BY conversation_id, message_id ORDER BY version DESC)
) h
WHERE v.conversation_id = h.conversation_id AND v.message_id = h.message_id AND v.version = h.version
    AND h.version > h.first AND (h.place > 99 OR h.first_bytes + h.bytes > 1048576);
