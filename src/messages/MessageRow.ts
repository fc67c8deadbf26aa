import type { SqlClient, Statement } from "effect/sql"
import { isNotBlocked } from "./BlockRow.ts"
import { maxReactions, maxReactorsNamed } from "../contract/Reaction.ts"
import { cursor, hasCursor } from "./ReceiptRow.ts"

/** The time of a reaction, to the millisecond like a cursor: lists of reactors are ordered by it, then by their ids. */
export const reactedAt = "date_trunc('milliseconds', created_at)"

/**
 * The columns of `chat_messages AS m` as `Message` decodes them, except its reactions and receipts. A deleted message has no
 * content. Content is returned as it is stored, see {@link parseContents}: PostgreSQL would escape it again, and a text of
 * 64 KiB can become six times as long.
 */
const ownColumns = `
  m.id, m.conversation_id AS "conversationId", m.seq, m.version, m.sender_id AS "senderId",
  m.message_type AS "messageType", m.reply_to AS "replyTo", m.mentions, m.created_at AS "createdAt",
  m.edited_at AS "editedAt", m.deleted_at AS "deletedAt",
  CASE WHEN m.deleted_at IS NULL THEN m.content END AS content`

/**
 * Whether the cursors of all participants but the sender have reached a message. By the primary key of
 * conversation_participants. Without a viewer, as shown to all whom no block concerns.
 */
export const haveReached = (column: "last_delivered_seq" | "last_read_seq", viewer: string | undefined) => `
  coalesce((
    SELECT min(${viewer === undefined ? `r.${column}` : cursor(viewer, "r", column)}) >= m.seq
    FROM conversation_participants r
    WHERE r.conversation_id = m.conversation_id AND r.user_id IS DISTINCT FROM m.sender_id
      ${viewer === undefined ? "" : `AND ${hasCursor(viewer, "r")}`}
  ), false)`

/** The columns of a message except its receipts, which a page derives from those of the conversation. */
export const pageColumns = (viewer?: string): string => `${ownColumns},
  coalesce((
    SELECT jsonb_agg(jsonb_build_object('emoji', emoji, 'count', count, 'userIds', users) ORDER BY first, emoji)
    FROM (
      SELECT emoji, count(*), min(created_at) AS first,
        (array_agg(user_id ORDER BY ${reactedAt}, user_id))[1:${maxReactorsNamed}] AS users
      FROM message_reactions WHERE conversation_id = m.conversation_id AND message_id = m.id
        ${viewer === undefined ? "" : `AND ${isNotBlocked(viewer, "user_id")}`}
      GROUP BY emoji ORDER BY first, emoji LIMIT ${maxReactions}
    ) r
  ), '[]') AS reactions`

/**
 * The columns of a message as one person sees it. `viewer` is an expression for their id; without it, as shown to all whom no
 * block concerns. Reactions by the primary key of message_reactions.
 */
export const messageColumns = (viewer?: string): string => `${pageColumns(viewer)}, ${receiptColumns(viewer)}`

/** The columns of a message that depend on the receipts of all participants. */
const receiptColumns = (viewer?: string): string => `
  ${haveReached("last_delivered_seq", viewer)} AS "isDelivered",
  ${haveReached("last_read_seq", viewer)} AS "isRead"`

/** A content as it is stored: a text unchanged, every other kind as JSON. */
export const storedContent = (content: unknown): string =>
  typeof content === "string" ? content : JSON.stringify(content)

/** The part of a row that {@link parseContents} needs. */
export interface ContentRow {
  readonly messageType: string
  readonly content: string | null
}

/** Rows with {@link messageColumns} as `Message` decodes them: see {@link storedContent}. */
export const parseContents = (rows: ReadonlyArray<ContentRow>): ReadonlyArray<unknown> =>
  rows.map((row) =>
    row.messageType === "text" || row.content === null ? row : { ...row, content: JSON.parse(row.content) }
  )

/**
 * The first of some messages in an order, as far as people wrote `bytes` of them, and one more. `rows` has the {@link pageColumns}.
 * PostgreSQL knows the length of a content without reading it; a mention is a UUID, its quotes and a comma. As JSON, a content can
 * be six times as long: `fitting` measures what goes out.
 */
export const messagesWithin = (
  sql: SqlClient.SqlClient,
  rows: Statement.Fragment,
  order: string,
  bytes: number
): Statement.Fragment => sql`
  SELECT * FROM (
    SELECT *, sum(bytes) OVER (ORDER BY ${sql.literal(order)} ROWS UNBOUNDED PRECEDING) - bytes AS "bytesBefore" FROM (
      SELECT *, coalesce(octet_length(content), 0) + 39 * cardinality(mentions) + octet_length(reactions::text) AS bytes
      FROM (${rows}) r
    ) r
  ) r WHERE "bytesBefore" < ${bytes}`

/** The same as {@link messagesWithin}, with the columns that depend on receipts. */
export const wholeMessagesWithin = (
  sql: SqlClient.SqlClient,
  rows: Statement.Fragment,
  order: string,
  bytes: number,
  viewer?: string
): Statement.Fragment => sql`
  SELECT m.*, ${sql.literal(receiptColumns(viewer))} FROM (
    SELECT *, "conversationId" AS conversation_id, "senderId" AS sender_id FROM (${messagesWithin(sql, rows, order, bytes)}) m
  ) m`
