import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../auth/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { Forbidden, NotFound, type DatabaseUnavailable } from "../Problem.ts"
import { ConversationId, Position } from "./Conversation.ts"
import { Message, MessageId, MessageIdReused, MessagePage, type Draft } from "./Message.ts"
import { messageColumns, receiptColumns } from "./MessageRow.ts"
import { Outbox } from "./Outbox.ts"

/** Which part of a conversation to show: the newest messages, or those next to a position. */
export interface PageRequest {
  /** Most messages; 1 to 200. */
  readonly limit: number
  readonly before?: Position | undefined
  readonly after?: Position | undefined
}

export class Messages extends Context.Service<
  Messages,
  {
    /**
     * Puts a message into the log, durably, before this succeeds. Sending it again changes nothing and answers the
     * same, for ever; `created` tells the first time.
     */
    readonly send: (
      sender: UserId,
      conversationId: ConversationId,
      id: MessageId,
      draft: Draft
    ) => Effect.Effect<
      { readonly message: Message; readonly created: boolean },
      NotFound | Forbidden | MessageIdReused | DatabaseUnavailable
    >
    readonly get: (
      caller: UserId,
      conversationId: ConversationId,
      id: MessageId
    ) => Effect.Effect<Message, NotFound | DatabaseUnavailable>
    /** The position of the last change, for a participant. */
    readonly head: (
      caller: UserId,
      conversationId: ConversationId
    ) => Effect.Effect<Position, NotFound | DatabaseUnavailable>
    /** The positions of the last changes of several conversations. */
    readonly heads: (
      ids: ReadonlyArray<ConversationId>
    ) => Effect.Effect<ReadonlyArray<{ readonly id: ConversationId; readonly head: Position }>, DatabaseUnavailable>
    /** A page of the log as it stood at `head`. Who asks must have been found to take part, by {@link head}. */
    readonly page: (
      conversationId: ConversationId,
      head: Position,
      request: PageRequest
    ) => Effect.Effect<MessagePage, DatabaseUnavailable>
    /** The messages posted after a position, ascending, at most `limit`: one index range. */
    readonly since: (
      conversationId: ConversationId,
      position: Position,
      limit: number
    ) => Effect.Effect<ReadonlyArray<Message>, DatabaseUnavailable>
  }
>()("xfchat/messaging/Messages") {
  static readonly layer = Layer.effect(
    Messages,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const outbox = yield* Outbox
      const columns = sql.literal(`${messageColumns}, ${receiptColumns}`)

      const send = Effect.fn("Messages.send")(function* (
        senderId: UserId,
        conversationId: ConversationId,
        id: MessageId,
        draft: Draft
      ) {
        const { created, isParticipant, message } = yield* outbox.append({ ...draft, conversationId, id, senderId })
        if (!isParticipant || message === undefined)
          return yield* new NotFound({ detail: "There is no such conversation." })
        if (created) return { message, created }
        if (message.conversationId === conversationId && message.senderId !== senderId) {
          return yield* new Forbidden({ detail: "This message is somebody else's." })
        }
        if (
          message.conversationId !== conversationId ||
          message.content !== draft.content ||
          message.messageType !== draft.messageType
        ) {
          return yield* new MessageIdReused({ detail: "This id was given to another message: choose a new one." })
        }
        return { message, created }
      })

      // By the primary keys of conversations and conversation_participants.
      const findHead = SqlSchema.findAll({
        Request: Schema.Struct({ caller: UserId, conversationId: ConversationId }),
        Result: Schema.Struct({ head: Position }),
        execute: ({ caller, conversationId }) => sql`
          SELECT c.head FROM conversations c
          JOIN conversation_participants p ON p.conversation_id = c.id AND p.user_id = ${caller}
          WHERE c.id = ${conversationId}`
      })

      const head = Effect.fn("Messages.head")(function* (caller: UserId, conversationId: ConversationId) {
        const [found] = yield* findHead({ caller, conversationId })
        return found === undefined ? yield* new NotFound({ detail: "There is no such conversation." }) : found.head
      }, catchDatabaseErrors)

      // By the primary key.
      const findHeads = SqlSchema.findAll({
        Request: Schema.Array(ConversationId),
        Result: Schema.Struct({ id: ConversationId, head: Position }),
        execute: (ids) => sql`SELECT id, head FROM conversations WHERE id = ANY(${ids}::uuid[])`
      })

      const heads = Effect.fn("Messages.heads")(
        (ids: ReadonlyArray<ConversationId>) => (ids.length === 0 ? Effect.succeed([]) : findHeads(ids)),
        catchDatabaseErrors
      )

      const Range = Schema.Struct({ conversationId: ConversationId, low: Position, high: Position, limit: Schema.Int })

      // Both by chat_messages_seq_key, (conversation_id, seq).
      const newestFirst = SqlSchema.findAll({
        Request: Range,
        Result: Message,
        execute: ({ conversationId, low, high, limit }) => sql`
          SELECT ${columns} FROM chat_messages m
          WHERE m.conversation_id = ${conversationId} AND m.seq > ${low} AND m.seq < ${high}
          ORDER BY m.seq DESC LIMIT ${limit}`
      })
      const oldestFirst = SqlSchema.findAll({
        Request: Range,
        Result: Message,
        execute: ({ conversationId, low, high, limit }) => sql`
          SELECT ${columns} FROM chat_messages m
          WHERE m.conversation_id = ${conversationId} AND m.seq > ${low} AND m.seq < ${high}
          ORDER BY m.seq LIMIT ${limit}`
      })

      const page = Effect.fn("Messages.page")(function* (
        conversationId: ConversationId,
        head: Position,
        { limit, before, after }: PageRequest
      ) {
        // Position 0 holds no message, and no message counts that came after `head` was read.
        const range = {
          conversationId,
          low: after ?? Position.make(0),
          high: Position.make(Math.min(before ?? head + 1, head + 1)),
          limit: limit + 1
        }
        const forward = after !== undefined
        const found = yield* forward ? oldestFirst(range) : newestFirst(range)
        const messages = found.slice(0, limit)
        if (!forward) messages.reverse()
        const first = messages[0]?.seq
        const last = messages.at(-1)?.seq
        const more = found.length > limit
        return new MessagePage({
          messages,
          before: first !== undefined && (forward ? first > 1 : more) ? String(first) : null,
          after: last !== undefined && (forward ? more : last < head) ? String(last) : null
        })
      }, catchDatabaseErrors)

      const since = Effect.fn("Messages.since")(
        (conversationId: ConversationId, position: Position, limit: number) =>
          oldestFirst({ conversationId, low: position, high: Position.make(Number.MAX_SAFE_INTEGER), limit }),
        catchDatabaseErrors
      )

      // By the primary key.
      const find = SqlSchema.findAll({
        Request: Schema.Struct({ caller: UserId, conversationId: ConversationId, id: MessageId }),
        Result: Message,
        execute: ({ caller, conversationId, id }) => sql`
          SELECT ${columns} FROM chat_messages m
          WHERE m.conversation_id = ${conversationId} AND m.id = ${id} AND EXISTS (
            SELECT FROM conversation_participants WHERE conversation_id = ${conversationId} AND user_id = ${caller})`
      })

      const get = Effect.fn("Messages.get")(function* (caller: UserId, conversationId: ConversationId, id: MessageId) {
        const [message] = yield* find({ caller, conversationId, id })
        return message ?? (yield* new NotFound({ detail: "There is no such message." }))
      }, catchDatabaseErrors)

      return Messages.of({ send, get, head, heads, page, since })
    })
  )
}
