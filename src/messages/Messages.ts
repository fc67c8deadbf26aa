import { Context, Effect, Layer, type Result, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import type { Incarnation } from "../contract/Incarnation.ts"
import { Incarnations } from "../database/Incarnations.ts"
import { pageBytes } from "../contract/Paging.ts"
import { NotFound, type DatabaseUnavailable } from "../contract/Problem.ts"
import { Usage } from "../usage/Usage.ts"
import { isHidden } from "./BlockRow.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"
import type { LogVersion } from "../contract/LogVersion.ts"
import { hide, Message, MessageId, type Draft, type MessagePage } from "../contract/Message.ts"
import type { NewMessage } from "../contract/MessageLines.ts"
import {
  LogState,
  logState,
  logViews,
  type Head,
  type SharedReceipts,
  type View,
  type VisibilityState
} from "./LogView.ts"
import { messagePages, type PageRequest } from "./MessagePages.ts"
import { messageColumns, pageColumns, parseContents, wholeMessagesWithin, type ContentRow } from "./MessageRow.ts"
import { Outbox } from "./Outbox.ts"
import { messageSends, type SendProblem, type Sent } from "./MessageSends.ts"

/** A position in the log: a message as it is now, where it was posted or where it last changed. */
export interface LogEntry extends VisibilityState {
  readonly position: Position
  readonly message: Message
  /** The bytes of it that people wrote. */
  readonly bytes: number
  /** As in {@link View}. */
  readonly incarnation: Incarnation
}

export class Messages extends Context.Service<
  Messages,
  {
    /**
     * Puts a message into the log, durably, before this succeeds. A repeated send changes nothing and returns the message as
     * it is now, for ever, also after edits; `created` marks the first time. A deleted message has no content to compare, so
     * any repeated send of its author returns the tombstone.
     */
    readonly send: (
      sender: UserId,
      conversationId: ConversationId,
      id: MessageId,
      draft: Draft
    ) => Effect.Effect<Sent, SendProblem>
    /**
     * Sends messages of one sender in their order, as if each was sent once the one before has its outcome, with few
     * transactions. Returns the outcome of each. A message that the server cannot store now (`DatabaseUnavailable`), or that
     * a quota refuses, ends this: those behind it have the same problem, unless they are stored already.
     */
    readonly sendAll: (
      sender: UserId,
      conversationId: ConversationId,
      drafts: ReadonlyArray<NewMessage>
    ) => Effect.Effect<ReadonlyArray<Result.Result<Sent, SendProblem>>>
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
    /** The incarnation of the database, which is a part of each version. */
    readonly incarnation: Effect.Effect<Incarnation>
    /** The version of a message, which an edit can name as the one that it replaces. */
    readonly versionOf: (message: Message) => Effect.Effect<LogVersion>
    /** How far several conversations go. Deleted ones are left out. */
    readonly heads: (ids: ReadonlyArray<ConversationId>) => Effect.Effect<ReadonlyArray<Head>, DatabaseUnavailable>
    /** The receipts of several conversations. Deleted ones are left out. */
    readonly receipts: (
      ids: ReadonlyArray<ConversationId>
    ) => Effect.Effect<ReadonlyArray<SharedReceipts>, DatabaseUnavailable>
    /** A page of the messages that a view shows. */
    readonly page: (
      conversationId: ConversationId,
      view: View,
      request: PageRequest
    ) => Effect.Effect<MessagePage, DatabaseUnavailable>
    /**
     * The log after a position, ascending: at most `limit` entries, and none after those that people wrote `bytes` of
     * (`pageBytes` by default). New messages are where they were posted, and changed ones where they last changed; a message
     * that is both new and changed is in both positions. As shown to all whom no block concerns.
     */
    readonly since: (
      conversationId: ConversationId,
      position: Position,
      limit: number,
      bytes?: number
    ) => Effect.Effect<ReadonlyArray<LogEntry>, DatabaseUnavailable>
    /** Some messages of a conversation as they are now, as one participant sees them. Does not check that they may. */
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
      const incarnations = yield* Incarnations
      const columnsOfPage = sql.literal(pageColumns())
      // As the participant `p` sees it.
      const columnsForViewer = sql.literal(messageColumns("p.user_id"))

      const { send, sendAll } = messageSends(sql, yield* Outbox, yield* Usage)
      const { heads, receipts, view } = logViews(sql)
      const page = messagePages(sql)

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
          ...LogState,
          position: Position,
          bytes: Schema.Int
        }),
        execute: ({ bytes, conversationId, limit, position }) =>
          Effect.map(
            sql<ContentRow>`
              SELECT m.*, ${sql.literal(logState("m.conversation_id"))} FROM (${wholeMessagesWithin(
                sql,
                sql`
                  SELECT ${columnsOfPage}, m.position FROM (
                    (SELECT *, seq AS position FROM chat_messages
                      WHERE conversation_id = ${conversationId} AND seq > ${position} ORDER BY seq LIMIT ${limit})
                    UNION ALL
                    (SELECT *, version AS position FROM chat_messages
                      WHERE conversation_id = ${conversationId} AND version > ${position} AND version <> seq
                      ORDER BY version LIMIT ${limit})
                  ) m ORDER BY position LIMIT ${limit}`,
                "position",
                bytes
              )}) m ORDER BY m.position`,
            parseContents
          )
      })

      const since = Effect.fn("Messages.since")(
        (conversationId: ConversationId, position: Position, limit: number, bytes = pageBytes) =>
          Effect.map(findSince({ conversationId, position, limit, bytes }), (rows) =>
            rows.map(({ bytes, changes, epoch, incarnation, position, ...message }): LogEntry => ({
              bytes,
              epoch,
              changes,
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

      const incarnation = Effect.sync(incarnations.latest)
      const versionOf = ({ version }: Message) =>
        Effect.map(incarnation, (incarnation): LogVersion => ({ incarnation, position: version }))

      return Messages.of({ send, sendAll, get, incarnation, versionOf, view, heads, receipts, page, since, seenBy })
    })
  )
}
