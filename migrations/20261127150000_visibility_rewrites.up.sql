-- A block or unblock is one short transaction that also writes a mark. The logs of the person follow, some at a time.

-- People whose view of their logs has changed: of the logs with ids after rewritten_up_to, every copy is out of date. A change
-- while an earlier one is in progress begins again, with another change_id. Blocks from before blocks_since have their frozen
-- receipts.
CREATE TABLE visibility_rewrites (
    viewer_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    change_id UUID NOT NULL DEFAULT gen_random_uuid(),
    blocks_since TIMESTAMPTZ NOT NULL DEFAULT date_trunc('milliseconds', now()),
    rewritten_up_to UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);
