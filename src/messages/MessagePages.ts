import { Effect, Schema } from "effect"
import { SqlSchema, type SqlClient } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"
import { hide, Message, MessagePage } from "../contract/Message.ts"
import { pageBytes } from "../contract/Paging.ts"
import { haveReached } from "../contract/Receipt.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import type { View } from "./LogView.ts"
import { pageColumns, parseContents, writtenBytes, type ContentRow } from "./MessageRow.ts"

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
const PageRow = Schema.Struct({ ...pageFields, bytes: Schema.Int, hasNext: Schema.Boolean })
type Row = Omit<typeof PageRow.Type, "bytes" | "hasNext">

/** Messages in the order of the log, and whether there are earlier and later ones. */
interface Stretch {
  readonly messages: ReadonlyArray<Row>
  readonly hasEarlier: boolean
  readonly hasLater: boolean
}

/** Reads the pages of conversations. */
export const messagePages = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal(pageColumns("p.user_id"))

  // By chat_messages_seq_key, (conversation_id, seq): read as far as `limit`, or until there are enough bytes. A content is not
  // read before its message is known to be shown.
  const inOrder = (order: "ASC" | "DESC") => {
    const direction = sql.literal(order)
    return SqlSchema.findAll({
      Request: Schema.Struct({ ...Range.fields, limit: Schema.Int, bytes: Schema.Int }),
      Result: PageRow,
      execute: ({ bytes, conversationId, high, limit, low, viewer }) =>
        Effect.map(
          sql<ContentRow>`
            SELECT ${columns}, m.bytes, m.next IS NOT NULL AS "hasNext" FROM (
              SELECT *, lead(seq) OVER log AS next, ${sql.literal(writtenBytes)} AS own_bytes,
                sum(${sql.literal(writtenBytes)}) OVER (log ROWS UNBOUNDED PRECEDING) AS bytes
              FROM chat_messages WHERE conversation_id = ${conversationId} AND seq > ${low} AND seq < ${high}
              WINDOW log AS (ORDER BY seq ${direction})
              ORDER BY seq ${direction} LIMIT ${limit}
            ) m, (SELECT ${viewer}::uuid AS user_id) p
            WHERE m.bytes - m.own_bytes < ${bytes} ORDER BY m.seq ${direction}`,
          parseContents
        )
    })
  }
  const oldestFirst = inOrder("ASC")
  const newestFirst = inOrder("DESC")

  /** The messages at one end of a range, from that end on, and whether the range has more. */
  const readEnd = Effect.fnUntraced(function* (
    direction: typeof newestFirst,
    range: Range,
    limit: number,
    bytes = pageBytes
  ) {
    const found = yield* direction({ ...range, limit, bytes })
    const last = found.at(-1)
    return {
      messages: found.map(({ bytes: _bytes, hasNext: _hasNext, ...message }) => message),
      bytes: last?.bytes ?? 0,
      hasMore: last?.hasNext ?? false
    }
  })

  /** Whether a log goes past the last of some messages. */
  const goesPast = (messages: ReadonlyArray<Row>, head: Position) => {
    const last = messages.at(-1)
    return last !== undefined && last.seq < head
  }

  const readNewest = (range: Range, limit: number) =>
    Effect.map(readEnd(newestFirst, range, limit), ({ hasMore, messages }): Stretch => ({
      messages: messages.toReversed(),
      hasEarlier: hasMore,
      hasLater: false
    }))

  const readBefore = (range: Range, limit: number, head: Position) =>
    Effect.map(readNewest(range, limit), (stretch): Stretch => ({
      ...stretch,
      hasLater: goesPast(stretch.messages, head)
    }))

  const readAfter = (range: Range, limit: number, visibleAfter: Position) =>
    Effect.map(readEnd(oldestFirst, range, limit), ({ hasMore, messages }): Stretch => {
      const [first] = messages
      return { messages, hasEarlier: first !== undefined && first.seq > visibleAfter + 1, hasLater: hasMore }
    })

  const readAround = Effect.fnUntraced(function* (range: Range, limit: number, middle: Position, head: Position) {
    const high = Position.make(middle + 1)
    const earlier = yield* readEnd(newestFirst, { ...range, high }, Math.ceil(limit / 2), pageBytes / 2)
    const messages = earlier.messages.toReversed()
    const rest = limit - messages.length
    if (rest === 0) return { messages, hasEarlier: earlier.hasMore, hasLater: goesPast(messages, head) }
    const low = Position.make(Math.max(range.low, middle))
    const later = yield* readEnd(oldestFirst, { ...range, low }, rest, pageBytes - earlier.bytes)
    return { messages: [...messages, ...later.messages], hasEarlier: earlier.hasMore, hasLater: later.hasMore }
  })

  return Effect.fn("Messages.page")(function* (
    conversationId: ConversationId,
    { head, hiddenSenders, receipts, viewer, visibleAfter }: View,
    { after, around, before, limit }: PageRequest
  ) {
    // Messages that were posted after `head` was read are left out.
    const range = {
      viewer,
      conversationId,
      low: Position.make(Math.max(after ?? 0, visibleAfter)),
      high: Position.make(Math.min(before ?? head + 1, head + 1))
    }
    const { hasEarlier, hasLater, messages } = yield* around !== undefined
      ? readAround(range, limit, Position.make(Math.min(around, head)), head)
      : after !== undefined
        ? readAfter(range, limit, visibleAfter)
        : before !== undefined
          ? readBefore(range, limit, head)
          : readNewest(range, limit)

    return new MessagePage({
      messages: messages.map((row): Message => {
        const message = Object.assign(row, {
          isDelivered: haveReached(receipts, "deliveredSeq", row),
          isRead: haveReached(receipts, "readSeq", row)
        })
        return row.senderId !== null && hiddenSenders.has(row.senderId) ? hide(message) : message
      }),
      receipts,
      before: hasEarlier ? String(messages[0]?.seq) : null,
      after: hasLater ? String(messages.at(-1)?.seq) : null
    })
  }, catchDatabaseErrors)
}
