import { blockedBy, blocks } from "../people/PairRow.ts"

/**
 * The SQL of what blocks hide. `viewer` and `user` are expressions for ids.
 */

/** Whether a person is not blocked by the viewer, whose blocks are read once. By the primary key of blocks. */
export const isNotBlocked = (viewer: string, user: string): string => `${user} <> ALL (${blockedBy(viewer)})`

/** Whether a person is blocked by the participant of `conversation_participants AS p`. By the primary key of blocks. */
export const isBlocked = (user: string): string => blocks("p.user_id", user)

/**
 * Whether the sender of `chat_messages AS m` is blocked by the participant of `conversation_participants AS p`. System messages
 * have no sender and are always shown: they announce changes of the conversation, which clients then read again. By the primary
 * key of blocks.
 */
export const isHidden = isBlocked("m.sender_id")

/**
 * Whether a block or unblock of the viewer's is still to be applied to a log; see `Visibility`. By the primary key of
 * visibility_rewrites, which has few rows.
 */
export const isBeingRewritten = (viewer: string, conversation: string): string =>
  `EXISTS (SELECT FROM visibility_rewrites w WHERE w.viewer_id = ${viewer} AND w.rewritten_up_to < ${conversation} OFFSET 0)`

/** The event of a system message, as `jsonb`. Those of an older XFChat are texts, and a deleted one is empty: they have none. */
export const eventOf = (message: string): string =>
  `CASE WHEN ${message}.message_type = 'system' AND ${message}.content LIKE '{%' THEN ${message}.content::jsonb END`

/** The same, or whether `m` says what a blocked person did to the conversation: neither moves the conversation up in a list. */
export const isByBlocked = isBlocked(
  `coalesce(m.sender_id, (${eventOf("m")} ->> 'by')::uuid, (${eventOf("m")} ->> 'user')::uuid)`
)
