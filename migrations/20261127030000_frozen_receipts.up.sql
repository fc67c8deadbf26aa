-- A person whom somebody blocks goes on seeing how far the blocker had come in each conversation of both, and no further:
-- receipts that changed with the block, or went on after it, would tell of it, or pass between the two.

-- The blocker's cursors as the blocked person sees them. Where there is no row, both began after the block, and the cursor
-- is 0. A row goes with the block, and with the blocker's participation; the blocked person may leave and come back.
CREATE TABLE frozen_receipts (
    conversation_id UUID NOT NULL,
    blocked_id UUID NOT NULL,
    blocker_id UUID NOT NULL,
    last_delivered_seq BIGINT NOT NULL,
    last_read_seq BIGINT NOT NULL,
    CONSTRAINT frozen_receipts_pkey PRIMARY KEY (conversation_id, blocker_id, blocked_id),
    CONSTRAINT frozen_receipts_participant_fkey FOREIGN KEY (conversation_id, blocker_id)
        REFERENCES conversation_participants (conversation_id, user_id) ON DELETE CASCADE,
    CONSTRAINT frozen_receipts_block_fkey FOREIGN KEY (blocker_id, blocked_id)
        REFERENCES blocks (blocker_id, blocked_id) ON DELETE CASCADE,
    CONSTRAINT frozen_receipts_cursor_check CHECK (last_read_seq >= 0 AND last_read_seq <= last_delivered_seq)
);

-- For the foreign key, when a block ends.
CREATE INDEX frozen_receipts_block_idx ON frozen_receipts (blocker_id, blocked_id);

-- The cursors at the time of an earlier block are not known: those of now.
INSERT INTO frozen_receipts (conversation_id, blocked_id, blocker_id, last_delivered_seq, last_read_seq)
SELECT p.conversation_id, b.blocked_id, b.blocker_id, p.last_delivered_seq, p.last_read_seq
FROM blocks b
JOIN conversation_participants p ON p.user_id = b.blocker_id
JOIN conversation_participants o ON o.conversation_id = p.conversation_id AND o.user_id = b.blocked_id;
