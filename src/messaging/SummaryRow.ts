import { isHidden } from "./MessageRow.ts"
import { mostUnread, previewLength } from "./Conversation.ts"

/**
 * The columns of `conversations AS c` as `ConversationSummary` decodes them, for the participant of
 * `conversation_participants AS p`. The last message and the unread ones by chat_messages_seq_key: past the cursor, and
 * no further than is shown.
 */
export const summaryColumns = `
  c.id, c.is_direct_message AS "isDirectMessage", c.name, c.head,
  date_trunc('milliseconds', c.updated_at) AS "lastActivityAt", p.role, p.last_read_seq AS "lastReadSeq",
  (SELECT jsonb_build_object('id', u.id, 'username', u.username, 'displayName', u.display_name, 'avatarUrl', u.avatar_url)
    FROM conversation_participants o JOIN users u ON u.id = o.user_id
    WHERE c.is_direct_message AND o.conversation_id = c.id AND o.user_id <> p.user_id LIMIT 1) AS other,
  (SELECT count(*)::int FROM (
    SELECT FROM chat_messages m
    WHERE m.conversation_id = c.id AND m.seq > greatest(p.last_read_seq, p.visible_after)
      AND m.deleted_at IS NULL AND m.message_type <> 'system' AND m.sender_id IS DISTINCT FROM p.user_id
      AND NOT ${isHidden}
    LIMIT ${mostUnread}) u) AS "unreadCount",
  (SELECT jsonb_build_object('id', m.id, 'seq', m.seq, 'createdAt', m.created_at,
      'senderId', CASE WHEN NOT m.is_hidden THEN m.sender_id END,
      'messageType', CASE WHEN m.is_hidden THEN 'hidden' ELSE m.message_type END,
      'preview', CASE WHEN NOT m.is_hidden AND m.deleted_at IS NULL AND m.message_type = 'text'
        THEN left(m.content, ${previewLength}) END)
    FROM (SELECT m.*, ${isHidden} AS is_hidden FROM chat_messages m
      WHERE m.conversation_id = c.id AND m.seq > p.visible_after ORDER BY m.seq DESC LIMIT 1) m) AS "lastMessage"`
