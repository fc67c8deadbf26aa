import type { SqlClient } from "effect/sql"
import type { UserId } from "../contract/Account.ts"
import { isHidden, isNotBlocked } from "../messages/BlockRow.ts"

/** Tables that an export of one person leaves out, and why. */
export const notOfUser: Readonly<Record<string, string>> = {
  schema_migrations: "the schema",
  database_incarnation: "a counter of the database",
  login_attempts: "hashes of what was typed as a login",
  set_aside: "rows that an upgrade could not assign to anybody",
  people_revisions: "a counter",
  visibility_epochs: "a counter",
  visibility_rewrites: "how far a block has been applied to the person's logs",
  frozen_receipts: "copies of receipts, for people whom the person blocks",
  message_terms: "derived from the messages",
  search_progress: "a counter",
  conversation_revisions: "a counter",
  announcements: "how far a change of a profile has been announced",
  successions: "how far the groups of a disabled account have passed on",
  departures: "how far a deleted account has left its conversations"
}

/**
 * A person's own data and the data that they may see, table by table: statements that return each row as `row`. `people` is
 * not a table, but the names of everyone who occurs in the rest.
 */
export const ofUser = (sql: SqlClient.SqlClient, id: UserId) => {
  // By conversation_participants_user_id_idx.
  const conversations = sql`SELECT conversation_id FROM conversation_participants WHERE user_id = ${id}`
  // Also by chat_messages_seq_key, and the primary key of blocks.
  const messages = sql`
    SELECT m.* FROM conversation_participants p JOIN chat_messages m USING (conversation_id)
    WHERE p.user_id = ${id} AND m.seq > p.visible_after AND NOT ${sql.literal(isHidden)}`
  // The sender of a request does not learn that it was declined, and nobody sees a request that has ended.
  const requests = sql`
    SELECT * FROM friend_requests
    WHERE status IN ('pending', 'accepted') AND ${id}::uuid IN (from_user_id, to_user_id)
       OR status = 'rejected' AND from_user_id = ${id}`
  const reactions = sql`
    SELECT r.*, m.seq FROM (${messages}) m
    JOIN message_reactions r ON r.conversation_id = m.conversation_id AND r.message_id = m.id
    JOIN conversation_participants p ON p.conversation_id = m.conversation_id AND p.user_id = ${id}
    WHERE ${sql.literal(isNotBlocked("p.user_id", "r.user_id"))}`
  return {
    users: sql`SELECT to_jsonb(u) - 'password_hash' AS row FROM users u WHERE id = ${id}`,
    sessions: sql`SELECT to_jsonb(s) - 'token_hash' AS row FROM sessions s WHERE user_id = ${id} ORDER BY created_at`,
    contacts: sql`SELECT to_jsonb(k) AS row FROM contacts k WHERE user_id = ${id} ORDER BY created_at, id`,
    friend_requests: sql`
      SELECT CASE WHEN status = 'accepted' THEN to_jsonb(f)
        ELSE to_jsonb(f) || '{"status": "pending", "responded_at": null}'::jsonb END AS row
      FROM (${requests}) f ORDER BY created_at, id`,
    blocks: sql`SELECT to_jsonb(b) AS row FROM blocks b WHERE blocker_id = ${id} ORDER BY created_at, blocked_id`,
    usage_tracking: sql`
      SELECT to_jsonb(t) AS row FROM usage_tracking t WHERE user_id = ${id} ORDER BY period_start, metric_type`,
    conversations: sql`
      SELECT to_jsonb(c) AS row FROM conversations c WHERE id IN (${conversations}) ORDER BY created_at, id`,
    // Of other participants, only what the person may see.
    conversation_participants: sql`
      SELECT CASE WHEN user_id = ${id} THEN to_jsonb(p) ELSE jsonb_build_object(
          'conversation_id', conversation_id, 'user_id', user_id, 'joined_at', joined_at, 'role', role) END AS row
      FROM conversation_participants p
      WHERE conversation_id IN (${conversations}) ORDER BY conversation_id, joined_at, user_id`,
    chat_messages: sql`
      SELECT CASE WHEN deleted_at IS NULL THEN to_jsonb(m) ELSE to_jsonb(m) || '{"content": null}'::jsonb END AS row
      FROM (${messages}) m ORDER BY conversation_id, seq`,
    message_versions: sql`
      SELECT to_jsonb(v) AS row FROM (${messages}) m
      JOIN message_versions v ON v.conversation_id = m.conversation_id AND v.message_id = m.id
      WHERE m.deleted_at IS NULL ORDER BY m.conversation_id, m.seq, v.version`,
    message_reactions: sql`
      SELECT to_jsonb(r) - 'seq' AS row FROM (${reactions}) r ORDER BY conversation_id, seq, user_id, emoji`,
    people: sql`
      SELECT jsonb_build_object('id', id, 'username', username, 'display_name', display_name) AS row
      FROM users WHERE id <> ${id} AND id IN (
        SELECT user_id FROM conversation_participants WHERE conversation_id IN (${conversations})
        UNION SELECT sender_id FROM (${messages}) m
        UNION SELECT user_id FROM (${reactions}) r
        UNION SELECT unnest(ARRAY[from_user_id, to_user_id]) FROM (${requests}) f
        UNION SELECT blocked_id FROM blocks WHERE blocker_id = ${id}
      ) ORDER BY username`
  }
}
