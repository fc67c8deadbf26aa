import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../auth/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { inTransaction } from "../database/Transaction.ts"
import { Forbidden, NotFound, type DatabaseUnavailable, type QuotaExceeded } from "../Problem.ts"
import { Change, ChangeBus } from "../streaming/ChangeBus.ts"
import { Usage } from "../usage/Usage.ts"
import { ConversationId, Position, Role } from "./Conversation.ts"
import type { Message } from "./Message.ts"
import { MessageId, MessageVersion, StaleVersion } from "./Message.ts"
import { mentionedNames } from "./Mentions.ts"
import { Messages } from "./Messages.ts"

/** The message that a change is about. */
export interface Target {
  readonly conversationId: ConversationId
  readonly id: MessageId
}

/**
 * Changes of messages that are in the log already. Each takes the next position under the conversation's row lock and
 * moves the message's `version` there; one that changes nothing takes none. Lists keep the conversation at its place: only a
 * new message moves it.
 */
export class MessageChanges extends Context.Service<
  MessageChanges,
  {
    /**
     * Replaces the text of a message of the caller's, and whom it mentions. What it said before is kept. `expected`, where
     * given, is the version that the caller knows; a text that is there already is there, whatever was known.
     */
    readonly edit: (
      caller: UserId,
      target: Target,
      content: string,
      expected?: Position
    ) => Effect.Effect<Message, NotFound | Forbidden | StaleVersion | QuotaExceeded | DatabaseUnavailable>
    /** Erases a message, by its author or by who leads the group. A tombstone stays. */
    readonly erase: (caller: UserId, target: Target) => Effect.Effect<void, NotFound | Forbidden | DatabaseUnavailable>
    readonly react: (
      caller: UserId,
      target: Target,
      emoji: string
    ) => Effect.Effect<void, NotFound | DatabaseUnavailable>
    readonly unreact: (
      caller: UserId,
      target: Target,
      emoji: string
    ) => Effect.Effect<void, NotFound | DatabaseUnavailable>
    /** What a message said before it was edited, from the first on. */
    readonly history: (
      caller: UserId,
      target: Target
    ) => Effect.Effect<ReadonlyArray<MessageVersion>, NotFound | DatabaseUnavailable>
  }
>()("xfchat/messaging/MessageChanges") {
  static readonly layer = Layer.effect(
    MessageChanges,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus
      const messages = yield* Messages
      const usage = yield* Usage

      const TargetOf = Schema.Struct({ caller: UserId, conversationId: ConversationId, id: MessageId })

      const Found = Schema.Struct({
        role: Role,
        senderId: Schema.NullOr(UserId),
        messageType: Schema.String,
        content: Schema.String,
        version: Position,
        isDeleted: Schema.Boolean
      })

      // By the primary keys. A statement after the lock, so that it sees what was committed before the lock was had.
      const find = SqlSchema.findAll({
        Request: TargetOf,
        Result: Found,
        execute: ({ caller, conversationId, id }) => sql`
          SELECT p.role, m.sender_id AS "senderId", m.message_type AS "messageType", m.content, m.version,
            m.deleted_at IS NOT NULL AS "isDeleted"
          FROM chat_messages m
          JOIN conversation_participants p ON p.conversation_id = m.conversation_id AND p.user_id = ${caller}
          WHERE m.conversation_id = ${conversationId} AND m.id = ${id} AND m.seq > p.visible_after`
      })

      const lock = SqlSchema.findAll({
        Request: ConversationId,
        Result: Schema.Struct({ head: Position }),
        execute: (id) => sql`SELECT head FROM conversations WHERE id = ${id} FOR NO KEY UPDATE`
      })

      /**
       * One change under the conversation's lock. `write` makes it, and says whether there was anything to change; if so
       * the message moves to the next position.
       */
      const change = Effect.fnUntraced(function* <E>(
        caller: UserId,
        { conversationId, id }: Target,
        write: (found: typeof Found.Type) => Effect.Effect<boolean, E>
      ) {
        const head = yield* Effect.gen(function* () {
          const [conversation] = yield* lock(conversationId)
          const [found] = yield* find({ caller, conversationId, id })
          if (conversation === undefined || found === undefined) {
            return yield* new NotFound({ detail: "There is no such message." })
          }
          if (!(yield* write(found))) return undefined
          const next = Position.make(conversation.head + 1)
          // By the primary keys.
          yield* sql`
            WITH advanced AS (
              UPDATE conversations SET head = ${next} WHERE id = ${conversationId}
            )
            UPDATE chat_messages SET version = ${next} WHERE conversation_id = ${conversationId} AND id = ${id}`
          return next
        }).pipe(inTransaction(sql))
        if (head !== undefined) yield* bus.publish([Change.Log({ conversationId, head })])
      }, catchDatabaseErrors)

      const edit = Effect.fn("MessageChanges.edit")(function* (
        caller: UserId,
        target: Target,
        content: string,
        expected?: Position
      ) {
        const { conversationId, id } = target
        yield* usage.allow(caller, "contentBytes")
        yield* change(caller, target, (found) =>
          Effect.gen(function* () {
            if (found.senderId !== caller) return yield* new Forbidden({ detail: "This message is somebody else's." })
            if (found.isDeleted || found.messageType !== "text") {
              return yield* new Forbidden({ detail: "Only a text that is not deleted can be edited." })
            }
            // First, so that an edit whose answer was lost can be asked for again.
            if (content === found.content) return false
            if (expected !== undefined && expected !== found.version) {
              return yield* new StaleVersion({ detail: `The message is at version ${found.version}.` })
            }
            yield* sql`
              INSERT INTO message_versions (conversation_id, message_id, version, content, written_at)
              SELECT conversation_id, id, version, content, coalesce(edited_at, created_at) FROM chat_messages
              WHERE conversation_id = ${conversationId} AND id = ${id}`
            yield* sql`
              UPDATE chat_messages
              SET content = ${content}, edited_at = statement_timestamp(), updated_at = statement_timestamp(),
                mentions = ARRAY(
                  SELECT u.id FROM users u
                  JOIN conversation_participants p ON p.conversation_id = ${conversationId} AND p.user_id = u.id
                  WHERE lower(u.username) = ANY (${mentionedNames(content)}::text[]) ORDER BY u.id)
              WHERE conversation_id = ${conversationId} AND id = ${id}`
            yield* sql.afterCommit(usage.count(caller, { contentBytes: Buffer.byteLength(content) }))
            return true
          })
        )
        return yield* messages.get(caller, conversationId, id)
      })

      const erase = Effect.fn("MessageChanges.erase")((caller: UserId, target: Target) => {
        const { conversationId, id } = target
        return change(caller, target, (found) =>
          Effect.gen(function* () {
            if (found.senderId !== caller && found.role === "member") {
              return yield* new Forbidden({ detail: "This message is somebody else's." })
            }
            if (found.messageType === "system") return yield* new Forbidden({ detail: "This message is the server's." })
            if (found.isDeleted) return false
            yield* sql`DELETE FROM message_versions WHERE conversation_id = ${conversationId} AND message_id = ${id}`
            yield* sql`DELETE FROM message_reactions WHERE conversation_id = ${conversationId} AND message_id = ${id}`
            yield* sql`
              UPDATE chat_messages
              SET content = '', mentions = '{}', deleted_at = statement_timestamp(), updated_at = statement_timestamp()
              WHERE conversation_id = ${conversationId} AND id = ${id}`
            return true
          })
        )
      })

      const react = Effect.fn("MessageChanges.react")((caller: UserId, target: Target, emoji: string) => {
        const { conversationId, id } = target
        return change(caller, target, (found) =>
          Effect.gen(function* () {
            if (found.isDeleted) return yield* new NotFound({ detail: "This message is deleted." })
            const made = yield* sql`
              INSERT INTO message_reactions (conversation_id, message_id, user_id, emoji, created_at)
              VALUES (${conversationId}, ${id}, ${caller}, ${emoji}, statement_timestamp())
              ON CONFLICT DO NOTHING RETURNING emoji`
            return made.length > 0
          })
        )
      })

      const unreact = Effect.fn("MessageChanges.unreact")((caller: UserId, target: Target, emoji: string) => {
        const { conversationId, id } = target
        return change(caller, target, () =>
          Effect.map(
            sql`
              DELETE FROM message_reactions
              WHERE conversation_id = ${conversationId} AND message_id = ${id} AND user_id = ${caller} AND emoji = ${emoji}
              RETURNING emoji`,
            (removed) => removed.length > 0
          )
        )
      })

      // By the primary key of message_versions.
      const findVersions = SqlSchema.findAll({
        Request: TargetOf,
        Result: MessageVersion,
        execute: ({ conversationId, id }) => sql`
          SELECT version, content, written_at AS "writtenAt" FROM message_versions
          WHERE conversation_id = ${conversationId} AND message_id = ${id} ORDER BY version`
      })

      const history = Effect.fn("MessageChanges.history")(function* (caller: UserId, { conversationId, id }: Target) {
        const { messageType } = yield* messages.get(caller, conversationId, id)
        if (messageType === "hidden") return []
        return yield* findVersions({ caller, conversationId, id })
      }, catchDatabaseErrors)

      return MessageChanges.of({ edit, erase, react, unreact, history })
    })
  )
}
