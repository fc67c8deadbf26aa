import { Context, Effect, Equal, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { currentIncarnation, Incarnation } from "../contract/Incarnation.ts"
import { Incarnations } from "../database/Incarnations.ts"
import { pageBytes } from "../contract/Paging.ts"
import {
  Forbidden,
  NotFound,
  ValidationFailed,
  type DatabaseUnavailable,
  type QuotaExceeded
} from "../contract/Problem.ts"
import { Usage } from "../usage/Usage.ts"
import { isHidden } from "./BlockRow.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"
import type { LogVersion } from "../contract/LogVersion.ts"
import { haveReached, ReceiptList } from "../contract/Receipt.ts"
import { hide, Message, MessageId, MessageIdReused, MessagePage, type Draft } from "../contract/Message.ts"
import {
  messageColumns,
  pageColumns,
  parseContents,
  writtenBytes,
  type ContentRow,
  storedContent
} from "./MessageRow.ts"
import { Outbox, type Outcome, type Send } from "./Outbox.ts"
import { receiptList } from "./ReceiptRow.ts"

/** The part of a conversation's log that a participant may see. */
export interface View {
  readonly viewer: UserId
  /** The position of the last change. */
  readonly head: Position
  /** Only messages posted after this. */
  readonly visibleAfter: Position
  /** Only the places of what these wrote: the participant has blocked them. */
  readonly hiddenSenders: ReadonlySet<UserId>
  /** Whether the participant blocks anybody, or another one blocks them: they may see a message otherwise than all do. */
  readonly isPersonal: boolean
  /** A copy of the log that reaches no further was made when the participant saw it differently. */
  readonly rewrittenAt: Position
  /** How often any participant's view of what is there already has changed. */
  readonly epoch: number
  /** Of the database that `head` was read in: a copy from another one may hold what was lost. */
  readonly incarnation: Incarnation
  /** As the participant sees them. */
  readonly receipts: ReceiptList
}

/** Which part of a conversation to show: the newest messages, or those next to a position. */
export interface PageRequest {
  /** Most messages; 1 to 200. A page of long ones has fewer: see `pageBytes`. */
  readonly limit: number
  readonly before?: Position | undefined
  readonly after?: Position | undefined
  /** Both sides of this position, which itself is among the earlier ones. */
  readonly around?: Position | undefined
}

/** A place in the log: a message as it is now, at the position where it was posted or at that where it last changed. */
export interface LogEntry {
  readonly position: Position
  readonly message: Message
  /** The bytes that people wrote of it. */
  readonly bytes: number
  /** As in {@link View}: the positions above that of a view's change have its epoch, or a later one. */
  readonly epoch: number
  /** As in {@link View}. */
  readonly incarnation: Incarnation
}

/** How far a conversation's log goes. */
export interface Head {
  readonly id: ConversationId
  readonly head: Position
  /** As in {@link View}. */
  readonly epoch: number
  /** As in {@link View}. */
  readonly incarnation: Incarnation
}

/** The receipts of a conversation as everyone sees them whom no block concerns. */
export interface SharedReceipts extends Head {
  readonly receipts: ReceiptList
  /** The participants who see others, because a block stands between them and another participant: see their views. */
  readonly exceptions: ReadonlySet<UserId>
}

export class Messages extends Context.Service<
  Messages,
  {
    /**
     * Puts a message into the log, durably, before this succeeds. Sending it again changes nothing and answers the
     * message as it is now, for ever, also when it was edited since; `created` tells the first time. Of a deleted message
     * no content is left to compare: whatever its author sends again is answered with the tombstone.
     */
    readonly send: (
      sender: UserId,
      conversationId: ConversationId,
      id: MessageId,
      draft: Draft
    ) => Effect.Effect<
      { readonly message: Message; readonly created: boolean },
      NotFound | Forbidden | MessageIdReused | ValidationFailed | QuotaExceeded | DatabaseUnavailable
    >
    readonly get: (
      caller: UserId,
      conversationId: ConversationId,
      id: MessageId
    ) => Effect.Effect<Message, NotFound | DatabaseUnavailable>
    /** The view of a participant. */
    readonly view: (
      caller: UserId,
      conversationId: ConversationId
    ) => Effect.Effect<View, NotFound | DatabaseUnavailable>
    /** The version of a message, for who may want to change it. */
    readonly versionOf: (message: Message) => Effect.Effect<LogVersion>
    /** The positions of the last changes of several conversations; those that are gone are left out. */
    readonly heads: (ids: ReadonlyArray<ConversationId>) => Effect.Effect<ReadonlyArray<Head>, DatabaseUnavailable>
    /** The receipts of several conversations; those that are gone are left out. */
    readonly receipts: (
      ids: ReadonlyArray<ConversationId>
    ) => Effect.Effect<ReadonlyArray<SharedReceipts>, DatabaseUnavailable>
    /** A page of what may be seen. */
    readonly page: (
      conversationId: ConversationId,
      view: View,
      request: PageRequest
    ) => Effect.Effect<MessagePage, DatabaseUnavailable>
    /**
     * The log after a position, ascending, at most `limit` places, and no further once they have `bytes` of what people
     * wrote (`pageBytes` unless it is said): new messages where they were posted, and changed ones where they last changed. A message that is both new and changed has both places. As all see it whom no block concerns.
     */
    readonly since: (
      conversationId: ConversationId,
      position: Position,
      limit: number,
      bytes?: number
    ) => Effect.Effect<ReadonlyArray<LogEntry>, DatabaseUnavailable>
    /** Some messages of a conversation as they are now, as one participant sees them. Whether they may is the caller's to know. */
    readonly seenBy: (
      viewer: UserId,
      conversationId: ConversationId,
      ids: ReadonlyArray<MessageId>
    ) => Effect.Effect<ReadonlyMap<MessageId, Message>, DatabaseUnavailable>
  }
>()("xfchat/messages/Messages") {
  static readonly layer = Layer.effect(
    Messages,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const outbox = yield* Outbox
      const usage = yield* Usage
      const incarnations = yield* Incarnations
      const columns = sql.literal(messageColumns())
      // As the participant `p` sees it.
      const columnsForViewer = sql.literal(messageColumns("p.user_id"))
      const pageColumnsForViewer = sql.literal(pageColumns("p.user_id"))

      // By the primary key of message_versions.
      const findFirstContent = SqlSchema.findAll({
        Request: Schema.Struct({ conversationId: ConversationId, id: MessageId }),
        Result: Schema.Struct({ content: Schema.String }),
        execute: ({ conversationId, id }) => sql`
          SELECT content FROM message_versions WHERE conversation_id = ${conversationId} AND message_id = ${id}
          ORDER BY version LIMIT 1`
      })

      /** The content of a message as it was sent; `undefined` once it is erased. */
      const sentContent = Effect.fnUntraced(function* ({ content, conversationId, deletedAt, editedAt, id }: Message) {
        if (deletedAt !== null) return undefined
        if (editedAt === null) return content
        return (yield* findFirstContent({ conversationId, id }))[0]?.content
      }, catchDatabaseErrors)

      // By chat_messages_id_key.
      const isStored = (id: MessageId) =>
        Effect.map(sql`SELECT FROM chat_messages WHERE id = ${id}`, (rows) => rows.length > 0).pipe(catchDatabaseErrors)

      /** A message that exists can be sent again at any time, since that stores nothing new. */
      const append = (send: Send) => {
        const appended = outbox.append(send)
        return appended.pipe(
          usage.sending(send.senderId, Buffer.byteLength(storedContent(send.content))),
          Effect.catchTag("QuotaExceeded", (error) =>
            Effect.flatMap(isStored(send.id), (isStored): Effect.Effect<Outcome, QuotaExceeded | DatabaseUnavailable> =>
              isStored ? appended : Effect.fail(error)
            )
          )
        )
      }

      // Not traced: that alone would be some hundredths of what a send costs. `Outbox.deliver` is, and the request.
      const send = Effect.fnUntraced(function* (
        senderId: UserId,
        conversationId: ConversationId,
        id: MessageId,
        draft: Draft
      ) {
        const outcome = yield* append({ ...draft, conversationId, id, senderId })
        if (!outcome.isParticipant) return yield* new NotFound({ detail: "There is no such conversation." })
        const { created, message } = outcome
        if (message === undefined) {
          return yield* new ValidationFailed({
            errors: [{ path: ["payload", "replyTo"], message: "must be a message of this conversation" }]
          })
        }
        if (created) return { message, created }
        if (message.conversationId === conversationId && message.senderId !== senderId) {
          return yield* new Forbidden({ detail: "This message is somebody else's." })
        }
        const sent = yield* sentContent(message)
        const isSame =
          message.conversationId === conversationId &&
          message.messageType === draft.messageType &&
          message.replyTo === (draft.replyTo ?? null) &&
          (sent === undefined || Equal.equals(sent, draft.content))
        if (!isSame) {
          return yield* new MessageIdReused({ detail: "This id was given to another message: choose a new one." })
        }
        return { message, created }
      })

      // By the primary key.
      const epochOf = (id: string) =>
        sql.literal(`coalesce((SELECT epoch FROM visibility_epochs WHERE conversation_id = ${id}), 0)`)

      // The one row of database_incarnation.
      const incarnation = sql.literal(`${currentIncarnation} AS incarnation`)

      // By the primary keys of conversations, conversation_participants, blocks and frozen_receipts, and
      // blocks_blocked_id_idx.
      const findView = SqlSchema.findAll({
        Request: Schema.Struct({ caller: UserId, conversationId: ConversationId }),
        Result: Schema.Struct({
          head: Position,
          visibleAfter: Position,
          hiddenSenders: Schema.Array(UserId),
          isBlocked: Schema.Boolean,
          rewrittenAt: Position,
          epoch: Schema.Int,
          incarnation: Incarnation,
          receipts: ReceiptList
        }),
        execute: ({ caller, conversationId }) => sql`
          SELECT c.head, p.visible_after AS "visibleAfter", p.rewritten_at AS "rewrittenAt", ${epochOf("c.id")} AS epoch,
            ${incarnation}, ${sql.literal(receiptList("c.id", "p.user_id"))} AS receipts,
            ARRAY(SELECT blocked_id FROM blocks WHERE blocker_id = ${caller}) AS "hiddenSenders",
            EXISTS (SELECT FROM blocks b JOIN conversation_participants o
              ON o.conversation_id = c.id AND o.user_id = b.blocker_id WHERE b.blocked_id = ${caller}) AS "isBlocked"
          FROM conversations c
          JOIN conversation_participants p ON p.conversation_id = c.id AND p.user_id = ${caller}
          WHERE c.id = ${conversationId}`
      })

      const view = Effect.fn("Messages.view")(function* (caller: UserId, conversationId: ConversationId) {
        const [found] = yield* findView({ caller, conversationId })
        if (found === undefined) return yield* new NotFound({ detail: "There is no such conversation." })
        const { isBlocked, ...view } = found
        const hiddenSenders = new Set(view.hiddenSenders)
        return { ...view, viewer: caller, hiddenSenders, isPersonal: isBlocked || hiddenSenders.size > 0 }
      }, catchDatabaseErrors)

      // By the primary key.
      const findHeads = SqlSchema.findAll({
        Request: Schema.Array(ConversationId),
        Result: Schema.Struct({ id: ConversationId, head: Position, epoch: Schema.Int, incarnation: Incarnation }),
        execute: (ids) => sql`
          SELECT c.id, c.head, ${epochOf("c.id")} AS epoch, ${incarnation} FROM conversations c
          WHERE c.id = ANY(${ids}::uuid[]) AND c.deleted_at IS NULL`
      })

      const heads = Effect.fn("Messages.heads")(
        (ids: ReadonlyArray<ConversationId>) => (ids.length === 0 ? Effect.succeed([]) : findHeads(ids)),
        catchDatabaseErrors
      )

      // By the primary keys of conversations, conversation_participants and blocks.
      const findReceipts = SqlSchema.findAll({
        Request: Schema.Array(ConversationId),
        Result: Schema.Struct({
          id: ConversationId,
          head: Position,
          epoch: Schema.Int,
          incarnation: Incarnation,
          receipts: ReceiptList,
          exceptions: Schema.Array(UserId)
        }),
        execute: (ids) => sql`
          SELECT c.id, c.head, ${epochOf("c.id")} AS epoch, ${incarnation},
            ${sql.literal(receiptList("c.id"))} AS receipts,
            ARRAY(SELECT DISTINCT unnest(ARRAY[b.blocker_id, b.blocked_id]) FROM conversation_participants p
              JOIN blocks b ON b.blocker_id = p.user_id
              JOIN conversation_participants o ON o.conversation_id = p.conversation_id AND o.user_id = b.blocked_id
              WHERE p.conversation_id = c.id) AS exceptions
          FROM conversations c WHERE c.id = ANY(${ids}::uuid[]) AND c.deleted_at IS NULL`
      })

      const receipts = Effect.fn("Messages.receipts")(
        (ids: ReadonlyArray<ConversationId>) =>
          Effect.map(ids.length === 0 ? Effect.succeed([]) : findReceipts(ids), (rows) =>
            rows.map(({ exceptions, ...row }): SharedReceipts => ({ ...row, exceptions: new Set(exceptions) }))
          ),
        catchDatabaseErrors
      )

      const Range = Schema.Struct({
        viewer: UserId,
        conversationId: ConversationId,
        low: Position,
        high: Position,
        limit: Schema.Int,
        bytes: Schema.Int
      })
      const { isDelivered: _isDelivered, isRead: _isRead, ...pageFields } = Message.fields
      const PageRow = Schema.Struct({ ...pageFields, bytes: Schema.Int, hasNext: Schema.Boolean })

      // By chat_messages_seq_key, (conversation_id, seq): read as far as `limit`, or until there are enough bytes. A content
      // is not read before its message is known to be shown.
      const inOrder = (order: "ASC" | "DESC") => {
        const direction = sql.literal(order)
        return SqlSchema.findAll({
          Request: Range,
          Result: PageRow,
          execute: ({ bytes, conversationId, high, limit, low, viewer }) =>
            Effect.map(
              sql<ContentRow>`
                SELECT ${pageColumnsForViewer}, m.bytes, m.next IS NOT NULL AS "hasNext" FROM (
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

      /** A part of the log on one side of a position, ascending, and whether there is more beyond. */
      const side = Effect.fnUntraced(function* (direction: typeof newestFirst, range: typeof Range.Type) {
        if (range.limit === 0) return { messages: [], bytes: 0, more: true }
        const found = (yield* direction(range)).map(({ bytes, hasNext, ...message }) => ({ message, bytes, hasNext }))
        const last = found.at(-1)
        const messages = found.map(({ message }) => message)
        return {
          messages: direction === newestFirst ? messages.toReversed() : messages,
          bytes: last?.bytes ?? 0,
          more: last?.hasNext ?? false
        }
      })

      const page = Effect.fn("Messages.page")(function* (
        conversationId: ConversationId,
        { head, hiddenSenders, receipts, viewer, visibleAfter }: View,
        { after, around, before, limit }: PageRequest
      ) {
        // No message counts that came after `head` was read.
        const low = Math.max(after ?? 0, visibleAfter)
        const high = Math.min(before ?? head + 1, head + 1)
        const middle = around === undefined ? undefined : Math.min(around, head)
        const earlierLimit = middle === undefined ? (after === undefined ? limit : 0) : Math.ceil(limit / 2)
        const earlier = yield* side(newestFirst, {
          viewer,
          conversationId,
          low: Position.make(low),
          high: Position.make(middle === undefined ? high : middle + 1),
          limit: earlierLimit,
          bytes: middle === undefined ? pageBytes : pageBytes / 2
        })
        const laterLimit = middle === undefined ? (after === undefined ? 0 : limit) : limit - earlier.messages.length
        const later = yield* side(oldestFirst, {
          viewer,
          conversationId,
          low: Position.make(Math.max(low, middle ?? low)),
          high: Position.make(high),
          limit: laterLimit,
          bytes: pageBytes - earlier.bytes
        })

        const messages = [...earlier.messages, ...later.messages].map((row): Message => {
          const message = Object.assign(row, {
            isDelivered: haveReached(receipts, "deliveredSeq", row),
            isRead: haveReached(receipts, "readSeq", row)
          })
          return row.senderId !== null && hiddenSenders.has(row.senderId) ? hide(message) : message
        })
        const first = messages[0]?.seq
        const last = messages.at(-1)?.seq
        const hasBefore = first !== undefined && (earlierLimit > 0 ? earlier.more : first > visibleAfter + 1)
        const hasAfter =
          last !== undefined && (laterLimit > 0 ? later.more : last < head && (before ?? around) !== undefined)
        return new MessagePage({
          messages,
          receipts,
          before: hasBefore ? String(first) : null,
          after: hasAfter ? String(last) : null
        })
      }, catchDatabaseErrors)

      // Two index ranges: chat_messages_seq_key, and chat_messages_changed_idx, which holds changed messages only.
      const findSince = SqlSchema.findAll({
        Request: Schema.Struct({
          conversationId: ConversationId,
          position: Position,
          limit: Schema.Int,
          bytes: Schema.Int
        }),
        Result: Schema.Struct({
          ...Message.fields,
          position: Position,
          bytes: Schema.Int,
          epoch: Schema.Int,
          incarnation: Incarnation
        }),
        execute: ({ bytes, conversationId, limit, position }) =>
          Effect.map(
            sql<ContentRow>`
              SELECT ${columns}, m.position, m.own_bytes AS bytes, ${epochOf("m.conversation_id")} AS epoch, ${incarnation}
              FROM (
                SELECT *, sum(own_bytes) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) AS bytes FROM (
                  (SELECT *, seq AS position, ${sql.literal(writtenBytes)} AS own_bytes FROM chat_messages
                    WHERE conversation_id = ${conversationId} AND seq > ${position} ORDER BY seq LIMIT ${limit})
                  UNION ALL
                  (SELECT *, version AS position, ${sql.literal(writtenBytes)} AS own_bytes FROM chat_messages
                    WHERE conversation_id = ${conversationId} AND version > ${position} AND version <> seq
                    ORDER BY version LIMIT ${limit})
                ) l ORDER BY position LIMIT ${limit}
              ) m WHERE m.bytes - m.own_bytes < ${bytes} ORDER BY m.position`,
            parseContents
          )
      })

      const since = Effect.fn("Messages.since")(
        (conversationId: ConversationId, position: Position, limit: number, bytes = pageBytes) =>
          Effect.map(findSince({ conversationId, position, limit, bytes }), (rows) =>
            rows.map(({ bytes, epoch, incarnation, position, ...message }): LogEntry => ({
              bytes,
              epoch,
              incarnation,
              position,
              message: new Message(message)
            }))
          ),
        catchDatabaseErrors
      )

      // By the primary key.
      const findSeen = SqlSchema.findAll({
        Request: Schema.Struct({ viewer: UserId, conversationId: ConversationId, ids: Schema.Array(MessageId) }),
        Result: Schema.Struct({ ...Message.fields, isHidden: Schema.Boolean }),
        execute: ({ conversationId, ids, viewer }) =>
          Effect.map(
            sql<ContentRow>`
              SELECT ${columnsForViewer}, ${sql.literal(isHidden)} AS "isHidden"
              FROM chat_messages m, (SELECT ${viewer}::uuid AS user_id) p
              WHERE m.conversation_id = ${conversationId} AND m.id = ANY(${ids}::uuid[])`,
            parseContents
          )
      })

      const seen = ({ isHidden, ...message }: Message & { readonly isHidden: boolean }) =>
        isHidden ? hide(new Message(message)) : new Message(message)

      const seenBy = Effect.fn("Messages.seenBy")(
        (viewer: UserId, conversationId: ConversationId, ids: ReadonlyArray<MessageId>) =>
          Effect.map(
            findSeen({ viewer, conversationId, ids }),
            (rows) => new Map(rows.map((row) => [row.id, seen(row)]))
          ),
        catchDatabaseErrors
      )

      // By the primary key.
      const find = SqlSchema.findAll({
        Request: Schema.Struct({ caller: UserId, conversationId: ConversationId, id: MessageId }),
        Result: Schema.Struct({ ...Message.fields, isHidden: Schema.Boolean }),
        execute: ({ caller, conversationId, id }) =>
          Effect.map(
            sql<ContentRow>`
              SELECT ${columnsForViewer}, ${sql.literal(isHidden)} AS "isHidden" FROM chat_messages m
              JOIN conversation_participants p ON p.conversation_id = m.conversation_id AND p.user_id = ${caller}
              WHERE m.conversation_id = ${conversationId} AND m.id = ${id} AND m.seq > p.visible_after`,
            parseContents
          )
      })

      const get = Effect.fn("Messages.get")(function* (caller: UserId, conversationId: ConversationId, id: MessageId) {
        const [found] = yield* find({ caller, conversationId, id })
        if (found === undefined) return yield* new NotFound({ detail: "There is no such message." })
        return seen(found)
      }, catchDatabaseErrors)

      const versionOf = ({ version }: Message) =>
        Effect.sync((): LogVersion => ({ incarnation: incarnations.latest(), position: version }))

      return Messages.of({ send, get, versionOf, view, heads, receipts, page, since, seenBy })
    })
  )
}
