-- A reaction is one emoji in its fully qualified spelling, or a short code in lower case; a message has at most 50
-- different ones, 20 of them by one person. What does not fit is respelled, joined with its other spelling, or goes. A bare
-- word becomes a short code.

-- Conversations in which copies of messages show reactions as they were.
CREATE TABLE reactions_before AS SELECT DISTINCT conversation_id FROM message_reactions;

-- By a scan of message_reactions. The character class is that of Unicode 17's emoji which are text by default.
WITH respelled AS (
    SELECT conversation_id, message_id, user_id, created_at,
        CASE
            WHEN emoji ~ '^:[A-Za-z0-9_+-]+:$' THEN lower(emoji COLLATE "C")
            WHEN emoji ~ '^[A-Za-z0-9_+-]{1,62}$' THEN ':' || lower(emoji COLLATE "C") || ':'
            ELSE regexp_replace(
                regexp_replace(emoji, '[\uFE0E\uFE0F]', '', 'g'),
                '([\u00A9\u00AE\u203C\u2049\u2122\u2139\u2194-\u2199\u21A9\u21AA\u2328\u23CF\u23ED-\u23EF\u23F1\u23F2\u23F8-\u23FA\u24C2\u25AA\u25AB\u25B6\u25C0\u25FB\u25FC\u2600-\u2604\u260E\u2611\u2618\u261D\u2620\u2622\u2623\u2626\u262A\u262E\u262F\u2638-\u263A\u2640\u2642\u265F\u2660\u2663\u2665\u2666\u2668\u267B\u267E\u2692\u2694-\u2697\u2699\u269B\u269C\u26A0\u26A7\u26B0\u26B1\u26C8\u26CF\u26D1\u26D3\u26E9\u26F0\u26F1\u26F4\u26F7-\u26F9\u2702\u2708\u2709\u270C\u270D\u270F\u2712\u2714\u2716\u271D\u2721\u2733\u2734\u2744\u2747\u2763\u2764\u27A1\u2934\u2935\u2B05-\u2B07\u3030\u303D\u3297\u3299\U0001F170\U0001F171\U0001F17E\U0001F17F\U0001F202\U0001F237\U0001F321\U0001F324-\U0001F32C\U0001F336\U0001F37D\U0001F396\U0001F397\U0001F399-\U0001F39B\U0001F39E\U0001F39F\U0001F3CB-\U0001F3CE\U0001F3D4-\U0001F3DF\U0001F3F3\U0001F3F5\U0001F3F7\U0001F43F\U0001F441\U0001F4FD\U0001F549\U0001F54A\U0001F56F\U0001F570\U0001F573-\U0001F579\U0001F587\U0001F58A-\U0001F58D\U0001F590\U0001F5A5\U0001F5A8\U0001F5B1\U0001F5B2\U0001F5BC\U0001F5C2-\U0001F5C4\U0001F5D1-\U0001F5D3\U0001F5DC-\U0001F5DE\U0001F5E1\U0001F5E3\U0001F5E8\U0001F5EF\U0001F5F3\U0001F5FA\U0001F6CB\U0001F6CD-\U0001F6CF\U0001F6E0-\U0001F6E5\U0001F6E9\U0001F6F0\U0001F6F3]|[#*0-9](?=\u20E3))(?![\U0001F3FB-\U0001F3FF])',
                '\1' || chr(65039), 'g')
        END AS emoji
    FROM message_reactions
), once AS (
    SELECT conversation_id, message_id, user_id, emoji, min(created_at) AS created_at FROM respelled
    -- A short code, a keycap, a flag, a flag of a region, or pictographs that are joined.
    WHERE emoji ~ '^(:[a-z0-9_+-]{1,62}:|[#*0-9]\uFE0F\u20E3|[\U0001F1E6-\U0001F1FF]{2}|\U0001F3F4[\U000E0020-\U000E007E]+\U000E007F|([\u00A9\u00AE\u203C-\u3299]|[\U0001F000-\U0001F1E5\U0001F200-\U0001FAFF])\uFE0F?[\U0001F3FB-\U0001F3FF]?(\u200D([\u00A9\u00AE\u203C-\u3299]|[\U0001F000-\U0001F1E5\U0001F200-\U0001FAFF])\uFE0F?[\U0001F3FB-\U0001F3FF]?)*)$'
    GROUP BY conversation_id, message_id, user_id, emoji
), kinds AS (
    SELECT conversation_id, message_id, emoji,
        row_number() OVER (PARTITION BY conversation_id, message_id ORDER BY min(created_at), emoji) AS kind
    FROM once GROUP BY conversation_id, message_id, emoji
), kept AS (
    SELECT o.conversation_id, o.message_id, o.user_id, o.emoji, o.created_at
    FROM (
        SELECT *, row_number() OVER (PARTITION BY conversation_id, message_id, user_id ORDER BY created_at, emoji) AS own
        FROM once
    ) o JOIN kinds USING (conversation_id, message_id, emoji)
    WHERE own <= 20 AND kind <= 50
), gone AS (
    DELETE FROM message_reactions r WHERE NOT EXISTS (
        SELECT FROM kept k WHERE k.conversation_id = r.conversation_id AND k.message_id = r.message_id
            AND k.user_id = r.user_id AND k.emoji = r.emoji)
)
INSERT INTO message_reactions (conversation_id, message_id, user_id, emoji, created_at)
SELECT conversation_id, message_id, user_id, emoji, created_at FROM kept k
WHERE NOT EXISTS (
    SELECT FROM message_reactions r WHERE r.conversation_id = k.conversation_id AND r.message_id = k.message_id
        AND r.user_id = k.user_id AND r.emoji = k.emoji)
ON CONFLICT DO NOTHING;

-- Copies of these logs are made again: they show reactions without counts, with all names, in any spelling.
WITH log AS (
    SELECT c.id, c.head FROM conversations c JOIN reactions_before b ON b.conversation_id = c.id
    ORDER BY c.id FOR NO KEY UPDATE OF c
), rewritten AS (
    UPDATE conversation_participants p SET rewritten_at = log.head FROM log WHERE p.conversation_id = log.id
)
INSERT INTO visibility_epochs AS v (conversation_id, epoch) SELECT id, 1 FROM log ORDER BY id
ON CONFLICT (conversation_id) DO UPDATE SET epoch = v.epoch + 1;

DROP TABLE reactions_before;
