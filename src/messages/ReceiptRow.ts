import { maxReceiptsListed } from "../contract/Conversation.ts"
import { blockersOf } from "../people/PairRow.ts"
import { isBeingRewritten, isNotBlocked } from "./BlockRow.ts"

/**
 * How far participants have read and received, as one person sees it, in SQL. All receipts are derived by these rules, so that
 * they are the same everywhere:
 *
 * - A person whom the viewer blocks has no cursor: for the viewer, that person receives nothing.
 * - A person who blocks the viewer keeps the cursor of the time of the block, so that the block does not show.
 * - All others have their own cursors. So has everyone once a block has ended, and no cursor ever goes back.
 *
 * `viewer` is an expression for the viewer's id, and `participant` the alias of a row of `conversation_participants`. The
 * arrays, by the primary key of blocks and by blocks_blocked_id_idx, are read once for each viewer.
 */
export const hasCursor = (viewer: string, participant: string): string => isNotBlocked(viewer, `${participant}.user_id`)

/**
 * A cursor of a participant who {@link hasCursor has one}. By the primary key of frozen_receipts. Until a new block is applied to
 * the log, the cursor of the blocker is frozen by its first move. Without either, both began after the block.
 */
export const cursor = (viewer: string, participant: string, column: "last_delivered_seq" | "last_read_seq"): string => `
  CASE WHEN ${participant}.user_id = ANY (${blockersOf(viewer)})
    THEN coalesce((SELECT f.${column} FROM frozen_receipts f WHERE f.conversation_id = ${participant}.conversation_id
      AND f.blocked_id = ${viewer} AND f.blocker_id = ${participant}.user_id),
      CASE WHEN ${isBeingRewritten(`${participant}.user_id`, `${participant}.conversation_id`)}
        THEN ${participant}.${column} ELSE 0 END)
    ELSE ${participant}.${column} END`

/**
 * Statements for a WITH, from `frozen` on: before a write moves the cursors of participants, freezes them for the people whom these
 * have blocked, where a block is still to be applied to the log. `locked` is a query with the participants' locked rows, as
 * `conversation_id`, `user_id`, `last_delivered_seq` and `last_read_seq`. By the primary keys.
 */
export const freezing = (locked: string): string => `
  blocking AS MATERIALIZED (
    SELECT l.*, b.blocked_id FROM (
      SELECT l.*, w.blocks_since FROM (${locked}) l, LATERAL (
        SELECT blocks_since FROM visibility_rewrites w
        WHERE w.viewer_id = l.user_id AND w.rewritten_up_to < l.conversation_id OFFSET 0) w
    ) l, LATERAL (
      SELECT blocked_id FROM blocks b WHERE b.blocker_id = l.user_id AND b.created_at >= l.blocks_since
        AND EXISTS (SELECT FROM conversation_participants o
          WHERE o.conversation_id = l.conversation_id AND o.user_id = b.blocked_id OFFSET 0)
      FOR KEY SHARE SKIP LOCKED
    ) b
  ), frozen AS (
    INSERT INTO frozen_receipts (conversation_id, blocked_id, blocker_id, last_delivered_seq, last_read_seq)
    SELECT conversation_id, blocked_id, user_id, last_delivered_seq, last_read_seq FROM blocking
    ON CONFLICT DO NOTHING
  )`

/**
 * The `ReceiptList` of a conversation, as JSON. `conversation` is an expression for its id. By the primary key of
 * conversation_participants.
 */
export const receiptList = (conversation: string, viewer?: string): string => `(
  SELECT coalesce(jsonb_agg(jsonb_build_object('userId', user_id, 'deliveredSeq', delivered, 'readSeq', read)
    ORDER BY user_id), '[]')
  FROM (
    SELECT *, count(*) OVER () AS size, row_number() OVER (ORDER BY delivered, user_id) AS by_delivered,
      row_number() OVER (ORDER BY read, user_id) AS by_read
    FROM (
      SELECT r.user_id, ${viewer === undefined ? "r.last_delivered_seq" : cursor(viewer, "r", "last_delivered_seq")} AS delivered,
        ${viewer === undefined ? "r.last_read_seq" : cursor(viewer, "r", "last_read_seq")} AS read
      FROM conversation_participants r
      WHERE r.conversation_id = ${conversation} ${viewer === undefined ? "" : `AND ${hasCursor(viewer, "r")}`}
    ) r
  ) r WHERE size <= ${maxReceiptsListed} OR by_delivered <= 2 OR by_read <= 2)`
