-- Takes back 20261127150000_visibility_rewrites. Nothing is lost: what blocks have still to change in people's logs is
-- changed now.

INSERT INTO frozen_receipts (conversation_id, blocked_id, blocker_id, last_delivered_seq, last_read_seq)
SELECT p.conversation_id, b.blocked_id, b.blocker_id, p.last_delivered_seq, p.last_read_seq
FROM visibility_rewrites w
JOIN conversation_participants p ON p.user_id = w.viewer_id AND p.conversation_id > w.rewritten_up_to
JOIN blocks b ON b.blocker_id = w.viewer_id AND b.created_at >= w.blocks_since
JOIN conversation_participants o ON o.conversation_id = p.conversation_id AND o.user_id = b.blocked_id
ON CONFLICT DO NOTHING;

INSERT INTO visibility_epochs AS v (conversation_id, epoch)
SELECT p.conversation_id, count(*) FROM visibility_rewrites w
JOIN conversation_participants p ON p.user_id = w.viewer_id AND p.conversation_id > w.rewritten_up_to
GROUP BY p.conversation_id
ON CONFLICT (conversation_id) DO UPDATE SET epoch = v.epoch + excluded.epoch;

UPDATE conversation_participants p SET rewritten_at = c.head FROM visibility_rewrites w, conversations c
WHERE p.user_id = w.viewer_id AND p.conversation_id > w.rewritten_up_to AND c.id = p.conversation_id;

DROP TABLE visibility_rewrites;
