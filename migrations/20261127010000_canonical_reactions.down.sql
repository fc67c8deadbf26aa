-- Takes back 20261127010000_canonical_reactions. Nothing more is lost, but two things do not come back: the former spellings
-- of reactions, and the removed reactions (beyond 50 different ones of a message or 20 of a person, or neither emoji nor short code).

-- Copies of logs with reactions are made again, as an older XFChat shows them.
WITH log AS (
    SELECT c.id, c.head FROM conversations c
    WHERE EXISTS (SELECT FROM message_reactions r WHERE r.conversation_id = c.id)
    ORDER BY c.id FOR NO KEY UPDATE OF c
), rewritten AS (
    UPDATE conversation_participants p SET rewritten_at = log.head FROM log WHERE p.conversation_id = log.id
)
INSERT INTO visibility_epochs AS v (conversation_id, epoch) SELECT id, 1 FROM log ORDER BY id
ON CONFLICT (conversation_id) DO UPDATE SET epoch = v.epoch + 1;
