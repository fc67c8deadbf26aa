import { eventOf, isBlocked, isByBlocked, isHidden } from "../messages/BlockRow.ts"
import { maxReceiptsListed, maxParticipantsListed, maxUnread, previewLength } from "../contract/Conversation.ts"
import { haveReached } from "../messages/MessageRow.ts"
import { profileJson } from "../people/ProfileRow.ts"

/** The name of a person in a system message. */
const nameOf = (user: string) => `coalesce(${user}.display_name, ${user}.username, 'Somebody')`

/** A system message as a line of a list: `author` did it to `subject`. */
const eventText = `
  CASE m.event->>'event'
    WHEN 'created' THEN ${nameOf("author")} || ' created the group'
    WHEN 'renamed' THEN ${nameOf("author")} || coalesce(' renamed the group to ' || (m.event->>'name'), ' took the group''s name away')
    WHEN 'described' THEN ${nameOf("author")} || ' changed the description'
    WHEN 'historyChanged' THEN ${nameOf("author")} || ' changed who sees the history'
    WHEN 'joined' THEN ${nameOf("author")} || ' added ' || ${nameOf("subject")}
    WHEN 'left' THEN ${nameOf("author")} || ' left'
    WHEN 'removed' THEN ${nameOf("author")} || ' removed ' || ${nameOf("subject")}
    WHEN 'roleChanged' THEN ${nameOf("subject")} || ' is now '
      || CASE m.event->>'role' WHEN 'owner' THEN 'the owner' WHEN 'admin' THEN 'an admin' ELSE 'a member' END
  END`

/**
 * A join with the numbers of unread messages, by chat_messages_seq_key: from the cursor on, up to the limit.
 */
export const unreadJoin = `
  CROSS JOIN LATERAL (
    SELECT count(*)::int AS "unreadCount", count(*) FILTER (WHERE u.is_mention)::int AS "mentionCount" FROM (
      SELECT p.user_id = ANY (m.mentions) AS is_mention FROM chat_messages m
      WHERE m.conversation_id = c.id AND m.seq > greatest(p.last_read_seq, p.visible_after)
        AND m.deleted_at IS NULL AND m.message_type <> 'system' AND m.sender_id IS DISTINCT FROM p.user_id
        AND NOT ${isHidden}
      LIMIT ${maxUnread}) u
  ) unread
  CROSS JOIN LATERAL (
    SELECT count(*)::int AS "participantCount" FROM conversation_participants o WHERE o.conversation_id = c.id
  ) people`

/** Whether the participant blocks anybody. By the primary key of blocks. */
const blocksAnybody = `EXISTS (SELECT FROM blocks b WHERE b.blocker_id = p.user_id)`

/** The newest message that a list shows to the participant. */
const newest = (columns: string) => `
  SELECT ${columns} FROM chat_messages m
  WHERE m.conversation_id = c.id AND m.seq > p.visible_after AND NOT ${isByBlocked} ORDER BY m.seq DESC LIMIT 1`

/**
 * The time at which a conversation was last active for the participant, by which lists are ordered. A person who blocks
 * somebody must not learn of that person's acts here: for them a conversation ends with its newest message that is not by a
 * blocked person.
 */
export const lastActivity = `date_trunc('milliseconds', CASE WHEN ${blocksAnybody}
  THEN coalesce((${newest("m.created_at")}), c.created_at) ELSE c.updated_at END)`

/** How far a conversation goes for the participant, by the same rule. */
export const visibleHead = `CASE WHEN ${blocksAnybody} THEN coalesce((${newest("m.seq")}), p.visible_after) ELSE c.head END`

/**
 * The columns of `conversations AS c` as `ConversationSummary` decodes them, for the participant of
 * `conversation_participants AS p`; with {@link unreadJoin}. The last message by chat_messages_seq_key, people by the
 * primary keys of conversation_participants and users.
 */
export const summaryColumns = `
  c.id, c.is_direct_message AS "isDirectMessage", c.name,
  ${visibleHead} AS head,
  ${lastActivity} AS "lastActivityAt", p.role, p.last_read_seq AS "lastReadSeq",
  (SELECT ${profileJson("u")}
    FROM conversation_participants o JOIN users u ON u.id = o.user_id
    WHERE c.is_direct_message AND o.conversation_id = c.id AND o.user_id <> p.user_id LIMIT 1) AS other,
  (SELECT coalesce(jsonb_agg(${profileJson("u")} ORDER BY o.joined_at, o.user_id), '[]') FROM (
      SELECT o.user_id, o.joined_at FROM conversation_participants o
      WHERE o.conversation_id = c.id AND o.user_id <> p.user_id AND (c.is_direct_message OR NOT ${isBlocked("o.user_id")})
      ORDER BY o.joined_at, o.user_id LIMIT ${maxParticipantsListed}) o
    JOIN users u ON u.id = o.user_id) AS participants,
  people."participantCount", unread."unreadCount", unread."mentionCount",
  (SELECT jsonb_build_object('id', m.id, 'seq', m.seq, 'createdAt', m.created_at,
      'senderId', m.author_id, 'sender', CASE WHEN author.id IS NOT NULL THEN ${profileJson("author")} END,
      'subject', CASE WHEN subject.id IS NOT NULL THEN ${profileJson("subject")} END,
      'messageType', m.message_type,
      'event', m.event,
      'preview', left(CASE WHEN m.deleted_at IS NOT NULL THEN NULL WHEN m.message_type = 'text' THEN m.content
        WHEN m.content LIKE '"%' THEN m.content::jsonb #>> '{}' ELSE ${eventText} END, ${previewLength}),
      'isDelivered', people."participantCount" <= ${maxReceiptsListed}
        AND ${haveReached("last_delivered_seq", "p.user_id")},
      'isRead', people."participantCount" <= ${maxReceiptsListed}
        AND ${haveReached("last_read_seq", "p.user_id")})
    FROM (
      SELECT *, coalesce(sender_id, (event->>'by')::uuid, (event->>'user')::uuid) AS author_id
      FROM (${newest(`m.*, ${eventOf("m")} AS event`)}) m
    ) m
    LEFT JOIN users author ON author.id = m.author_id AND author.deleted_at IS NULL AND NOT ${isBlocked("author.id")}
    LEFT JOIN users subject ON subject.id = (m.event->>'user')::uuid AND subject.deleted_at IS NULL
      AND NOT ${isBlocked("subject.id")}) AS "lastMessage"`
