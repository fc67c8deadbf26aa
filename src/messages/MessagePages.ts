import { Effect, Schema } from "effect"
import { SqlSchema, type SqlClient } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"
import { hide, Message, maxContentBytes, MessagePage, toJson } from "../contract/Message.ts"
import { fitting, pageBytes } from "../contract/Paging.ts"
import { haveReached } from "../contract/Receipt.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import type { View } from "./LogView.ts"
import { messagesWithin, pageColumns, parseContents, type ContentRow } from "./MessageRow.ts"

/** A part of a conversation: its newest messages, or those next to a position. */
export interface PageRequest {
  /** Most messages; 1 to 200. A page of long messages has fewer: see `pageBytes`. */
  readonly limit: number
  readonly before?: Position | undefined
  readonly after?: Position | undefined
  /** Both sides of this position, which itself is among the earlier ones. */
  readonly around?: Position | undefined
}

/** The positions between two, both exclusive, as one participant sees them. */
const Range = Schema.Struct({ viewer: UserId, conversationId: ConversationId, low: Position, high: Position })
type Range = typeof Range.Type

const { isDelivered: _isDelivered, isRead: _isRead, ...pageFields } = Message.fields
const PageRow = Schema.Struct({ ...pageFields, hasNext: Schema.Boolean, hasBefore: Schema.Boolean })
type Row = typeof PageRow.Type

/** Messages in the order of the log, and whether there are earlier and later ones. */
interface Stretch {
  readonly messages: ReadonlyArray<Message>
  readonly hasEarlier: boolean
  readonly hasLater: boolean
}

/** The messages at one end of a range, from that end on. */
interface End {
  readonly messages: ReadonlyArray<Message>
  /** The size of the messages as JSON. */
  readonly bytes: number
  /** Whether the range has more. */
  readonly hasMore: boolean
  /** Whether there are visible messages on the other side of that end. */
  readonly hasOthers: boolean
}

const jsonBytes = (message: Message) => Buffer.byteLength(toJson(message))

/**
 * At least that size, found without writing the JSON: nearly all pages are far smaller than their budget.
 */
const mostBytes = ({ content, mentions, reactions }: Message) =>
  1_024 +
  (typeof content === "string" ? 6 * content.length : maxContentBytes) +
  39 * mentions.length +
  512 * reactions.length

/** Reads the pages of conversations. */
export const messagePages = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal(pageColumns("p.user_id"))

  // By chat_messages_seq_key, (conversation_id, seq): read as far as `limit`. A content is not read before its message is known
  // to be shown.
  const inOrder = (order: "ASC" | "DESC") => {
    const direction = sql.literal(order)
    return SqlSchema.findAll({
      Request: Schema.Struct({
        ...Range.fields,
        limit: Schema.Int,
        bytes: Schema.Int,
        visibleAfter: Position,
        head: Position
      }),
      Result: PageRow,
      execute: ({ bytes, conversationId, head, high, limit, low, viewer, visibleAfter }) =>
        Effect.map(
          sql<ContentRow>`
            SELECT *, coalesce((
                SELECT true FROM chat_messages WHERE conversation_id = ${conversationId}
                  AND ${order === "ASC" ? sql`seq > ${visibleAfter} AND seq <= ${low}` : sql`seq >= ${high} AND seq <= ${head}`}
                ORDER BY seq LIMIT 1), false) AS "hasBefore"
            FROM (${messagesWithin(
              sql,
              sql`
                SELECT ${columns}, m.next IS NOT NULL AS "hasNext" FROM (
                  SELECT *, lead(seq) OVER (ORDER BY seq ${direction}) AS next
                  FROM chat_messages WHERE conversation_id = ${conversationId} AND seq > ${low} AND seq < ${high}
                  ORDER BY seq ${direction} LIMIT ${limit}
                ) m, (SELECT ${viewer}::uuid AS user_id) p ORDER BY m.seq ${direction}`,
              `seq ${order}`,
              bytes
            )}) m ORDER BY seq ${direction}`,
          parseContents
        )
    })
  }
  const oldestFirst = inOrder("ASC")
  const newestFirst = inOrder("DESC")

  const shown =
    ({ hiddenSenders, receipts }: View) =>
    ({ hasBefore: _hasBefore, hasNext: _hasNext, ...row }: Row): Message => {
      const message = Object.assign(row, {
        isDelivered: haveReached(receipts, "deliveredSeq", row),
        isRead: haveReached(receipts, "readSeq", row)
      })
      return row.senderId !== null && hiddenSenders.has(row.senderId) ? hide(message) : message
    }

  const readEnd = Effect.fnUntraced(function* (
    direction: typeof newestFirst,
    view: View,
    range: Range,
    limit: number,
    bytes = pageBytes
  ) {
    const { head, visibleAfter } = view
    const found = yield* direction({ ...range, limit, bytes: Math.max(bytes, 1), head, visibleAfter })
    const messages = found.map(shown(view))
    const most = messages.reduce((sum, message) => sum + mostBytes(message), 0)
    const { bytes: used, items } = most < bytes ? { bytes: most, items: messages } : fitting(messages, jsonBytes, bytes)
    return {
      messages: items,
      bytes: used,
      hasMore: found[items.length - 1]?.hasNext ?? false,
      hasOthers: found[0]?.hasBefore ?? false
    } satisfies End
  })

  const readBefore = (view: View, range: Range, limit: number) =>
    Effect.map(readEnd(newestFirst, view, range, limit), ({ hasMore, hasOthers, messages }): Stretch => ({
      messages: messages.toReversed(),
      hasEarlier: hasMore,
      hasLater: hasOthers
    }))

  const readAfter = (view: View, range: Range, limit: number) =>
    Effect.map(readEnd(oldestFirst, view, range, limit), ({ hasMore, hasOthers, messages }): Stretch => ({
      messages,
      hasEarlier: hasOthers,
      hasLater: hasMore
    }))

  const readAround = Effect.fnUntraced(function* (view: View, range: Range, limit: number, middle: Position) {
    const high = Position.make(middle + 1)
    const earlier = yield* readEnd(newestFirst, view, { ...range, high }, Math.ceil(limit / 2), pageBytes / 2)
    const messages = earlier.messages.toReversed()
    const rest = limit - messages.length
    if (rest === 0) return { messages, hasEarlier: earlier.hasMore, hasLater: earlier.hasOthers }
    const low = Position.make(Math.max(range.low, middle))
    const later = yield* readEnd(oldestFirst, view, { ...range, low }, rest, pageBytes - earlier.bytes)
    return { messages: [...messages, ...later.messages], hasEarlier: earlier.hasMore, hasLater: later.hasMore }
  })

  return Effect.fn("Messages.page")(function* (
    conversationId: ConversationId,
    view: View,
    { after, around, before, limit }: PageRequest
  ) {
    const { head, receipts, viewer, visibleAfter } = view
    // Messages that were posted after `head` was read are left out.
    const range = {
      viewer,
      conversationId,
      low: Position.make(Math.max(after ?? 0, visibleAfter)),
      high: Position.make(Math.min(before ?? head + 1, head + 1))
    }
    const { hasEarlier, hasLater, messages } = yield* around !== undefined
      ? readAround(view, range, limit, Position.make(Math.min(around, head)))
      : after !== undefined
        ? readAfter(view, range, limit)
        : readBefore(view, range, limit)

    return new MessagePage({
      messages,
      receipts,
      before: hasEarlier ? String(messages[0]?.seq) : null,
      after: hasLater ? String(messages.at(-1)?.seq) : null
    })
  }, catchDatabaseErrors)
}
