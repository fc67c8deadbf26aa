import { blockedBy, blocks } from "../people/PairRow.ts"

/**
 * The SQL of what blocks hide. `viewer` and `user` are expressions for ids.
 */

/** Whether a person is not blocked by the viewer, whose blocks are read once. By the primary key of blocks. */
export const isNotBlocked = (viewer: string, user: string): string => `${user} <> ALL (${blockedBy(viewer)})`

/** Whether a person is blocked by the participant of `conversation_participants AS p`. By the primary key of blocks. */
export const isBlocked = (user: string): string => blocks("p.user_id", user)

/**
 * Whether the sender of `chat_messages AS m` is blocked by the participant of `conversation_participants AS p`. System
 * messages have no sender, and stay: a conversation is another one after them, and they tell clients to read it again. By the
 * primary key of blocks.
 */
export const isHidden = isBlocked("m.sender_id")

/** The same, or whether `m` tells what a blocked person did to the conversation: in a list, neither is worth a new place. */
export const isByBlocked = isBlocked(`CASE WHEN m.message_type = 'system'
  THEN coalesce(m.content::jsonb ->> 'by', m.content::jsonb ->> 'user')::uuid ELSE m.sender_id END`)
