/**
 * The columns of `chat_messages AS m` as `Message` decodes them, but for its two receipt flags.
 */
export const messageColumns = `
  m.id, m.conversation_id AS "conversationId", m.seq, m.version, m.sender_id AS "senderId",
  m.message_type AS "messageType", m.content, m.reply_to AS "replyTo", m.created_at AS "createdAt",
  m.edited_at AS "editedAt", m.deleted_at AS "deletedAt"`

/**
 * `isDelivered` and `isRead` of `chat_messages AS m`: whether the cursors of all participants but the sender have come
 * this far. By the primary key of conversation_participants.
 */
export const receiptColumns = `
  coalesce((SELECT min(p.last_delivered_seq) >= m.seq FROM conversation_participants p
    WHERE p.conversation_id = m.conversation_id AND p.user_id IS DISTINCT FROM m.sender_id), false) AS "isDelivered",
  coalesce((SELECT min(p.last_read_seq) >= m.seq FROM conversation_participants p
    WHERE p.conversation_id = m.conversation_id AND p.user_id IS DISTINCT FROM m.sender_id), false) AS "isRead"`
