import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { folded } from "../database/FoldedName.ts"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { currentIncarnation, firstIncarnation, Incarnation } from "../contract/Incarnation.ts"
import { fitting, pageBytes, pageOf, type Page, type PageCursor } from "../contract/Paging.ts"
import { Forbidden, NotFound, type DatabaseUnavailable, type QuotaExceeded } from "../contract/Problem.ts"
import { ChangeHint, ChangeBus } from "../changes/ChangeBus.ts"
import { Usage } from "../usage/Usage.ts"
import { ConversationId, leads, Position } from "../contract/Conversation.ts"
import { formatLogVersion, type LogVersion } from "../contract/LogVersion.ts"
import type { Message } from "../contract/Message.ts"
import { maxVersionBytes, maxVersions, MessageId, MessageVersion, StaleVersion } from "../contract/Message.ts"
import { mentionedNames } from "./Mentions.ts"
import { profileColumns } from "../people/ProfileRow.ts"
import { isNotBlocked } from "./BlockRow.ts"
import { ConversationLocks, type LockedConversation } from "./ConversationLocks.ts"
import { reactedAt } from "./MessageRow.ts"
import { Messages } from "./Messages.ts"
import {
  canonicalEmoji,
  maxReactions,
  maxReactionsOfPerson,
  ReactionLimitReached,
  Reactor
} from "../contract/Reaction.ts"

/** The message that a change is about. */
export interface Target {
  readonly conversationId: ConversationId
  readonly id: MessageId
}

/** Earlier contents of a message, and the version that the next page begins after; `null` on the last page. */
export interface VersionPage {
  readonly versions: ReadonlyArray<MessageVersion>
  readonly next: Position | null
}

/** Whether a version that a client has is the message's. */
const isAt = (known: LogVersion, found: { readonly incarnation: Incarnation; readonly version: Position }): boolean =>
  known.position === found.version &&
  (known.incarnation === found.incarnation || known.incarnation === firstIncarnation)

/**
 * Changes of messages in the log. Each takes the next position under the conversation's row lock and moves the message's
 * `version` there, unless there is nothing to change. The conversation keeps its place in lists: only a new message moves it.
 */
export class MessageChanges extends Context.Service<
  MessageChanges,
  {
    /**
     * Replaces the text of a message of the caller's, and its mentions. The earlier content is kept, within `maxVersions` and
     * `maxVersionBytes`. If `expected` is given, the message must be at that version, unless it has the new text already. A
     * version of the first incarnation is accepted in every incarnation, since it may be the bare `version` of a message.
     */
    readonly edit: (
      caller: UserId,
      target: Target,
      content: string,
      expected?: LogVersion
    ) => Effect.Effect<Message, NotFound | Forbidden | StaleVersion | QuotaExceeded | DatabaseUnavailable>
    /** Erases a message of the caller's, or any message of a group that the caller leads. A tombstone stays. */
    readonly erase: (caller: UserId, target: Target) => Effect.Effect<void, NotFound | Forbidden | DatabaseUnavailable>
    /** Reacts to a message with an `Emoji` in its canonical spelling. Does nothing if the caller has reacted with it. */
    readonly react: (
      caller: UserId,
      target: Target,
      emoji: string
    ) => Effect.Effect<void, NotFound | ReactionLimitReached | DatabaseUnavailable>
    /** Removes a reaction of the caller's, in whichever spelling. */
    readonly unreact: (
      caller: UserId,
      target: Target,
      emoji: string
    ) => Effect.Effect<void, NotFound | DatabaseUnavailable>
    /** The people who reacted with an `Emoji`, in the order of their reactions. */
    readonly reactors: (
      caller: UserId,
      target: Target,
      emoji: string,
      limit: number,
      after: PageCursor | undefined
    ) => Effect.Effect<Page<Reactor>, NotFound | DatabaseUnavailable>
    /** The contents of a message before its edits, the first one first, or those after a version. */
    readonly history: (
      caller: UserId,
      target: Target,
      limit: number,
      after?: Position
    ) => Effect.Effect<VersionPage, NotFound | DatabaseUnavailable>
  }
>()("xfchat/messages/MessageChanges") {
  static readonly layer = Layer.effect(
    MessageChanges,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus
      const locks = yield* ConversationLocks
      const messages = yield* Messages
      const usage = yield* Usage

      const TargetOf = Schema.Struct({ caller: UserId, conversationId: ConversationId, id: MessageId })

      const Found = Schema.Struct({
        senderId: Schema.NullOr(UserId),
        messageType: Schema.String,
        content: Schema.String,
        version: Position,
        incarnation: Incarnation,
        isDeleted: Schema.Boolean
      })

      // By chat_messages_id_key. A statement after the lock sees all that was committed before it.
      const find = SqlSchema.findAll({
        Request: Schema.Struct({ conversationId: ConversationId, id: MessageId, visibleAfter: Position }),
        Result: Found,
        execute: ({ conversationId, id, visibleAfter }) => sql`
          SELECT sender_id AS "senderId", message_type AS "messageType", content, version,
            ${sql.literal(currentIncarnation)} AS incarnation, deleted_at IS NOT NULL AS "isDeleted"
          FROM chat_messages
          WHERE conversation_id = ${conversationId} AND id = ${id} AND seq > ${visibleAfter}`
      })

      /**
       * One change under the conversation's lock. `write` makes it, and returns whether there was anything to change; if so
       * the message moves to the next position.
       */
      const change = Effect.fnUntraced(function* <E>(
        caller: UserId,
        { conversationId, id }: Target,
        write: (found: typeof Found.Type, conversation: typeof LockedConversation.Type) => Effect.Effect<boolean, E>
      ) {
        const head = yield* locks.withLock(
          caller,
          conversationId,
          Effect.fnUntraced(function* (conversation) {
            const [found] = yield* find({ conversationId, id, visibleAfter: conversation.visibleAfter })
            if (found === undefined) return yield* new NotFound({ detail: "There is no such message." })
            if (!(yield* write(found, conversation))) return undefined
            const next = Position.make(conversation.head + 1)
            // By the primary keys.
            yield* sql`
              WITH advanced AS (
                UPDATE conversations SET head = ${next} WHERE id = ${conversationId}
              )
              UPDATE chat_messages SET version = ${next} WHERE conversation_id = ${conversationId} AND id = ${id}`
            return next
          })
        )
        if (head !== undefined) yield* bus.publish([ChangeHint.Log({ conversationId, head })])
      }, catchDatabaseErrors)

      // By the primary keys. The statement does not see the row that it inserts, which is the newest one.
      const keepVersion = ({ conversationId, id }: Target) => sql`
        WITH there AS (
          SELECT version, min(version) OVER () AS first, row_number() OVER newest AS place,
            sum(octet_length(content)) OVER newest AS bytes,
            first_value(octet_length(content)) OVER (ORDER BY version) AS first_bytes
          FROM message_versions WHERE conversation_id = ${conversationId} AND message_id = ${id}
          WINDOW newest AS (ORDER BY version DESC)
        ), kept AS (
          INSERT INTO message_versions (conversation_id, message_id, version, content, written_at)
          SELECT conversation_id, id, version, content, coalesce(edited_at, created_at) FROM chat_messages
          WHERE conversation_id = ${conversationId} AND id = ${id}
          RETURNING octet_length(content) AS bytes
        )
        DELETE FROM message_versions v USING there, kept
        WHERE v.conversation_id = ${conversationId} AND v.message_id = ${id} AND v.version = there.version
          AND there.version > there.first
          AND (there.place > ${maxVersions - 2} OR there.first_bytes + there.bytes + kept.bytes > ${maxVersionBytes})`

      const edit = Effect.fn("MessageChanges.edit")(function* (
        caller: UserId,
        target: Target,
        content: string,
        expected?: LogVersion
      ) {
        const { conversationId, id } = target
        yield* usage.allow(caller, "contentBytes")
        yield* change(
          caller,
          target,
          Effect.fnUntraced(function* (found) {
            if (found.senderId !== caller) return yield* new Forbidden({ detail: "This message is somebody else's." })
            if (found.isDeleted || found.messageType !== "text") {
              return yield* new Forbidden({ detail: "Only a text that is not deleted can be edited." })
            }
            // Checked first, so that an edit whose answer was lost can be repeated.
            if (content === found.content) return false
            if (expected !== undefined && !isAt(expected, found)) {
              const version = formatLogVersion({ incarnation: found.incarnation, position: found.version })
              return yield* new StaleVersion({ detail: `The message is at version ${version}.` })
            }
            yield* keepVersion(target)
            yield* sql`
              UPDATE chat_messages
              SET content = ${content}, edited_at = statement_timestamp(), updated_at = statement_timestamp(),
                mentions = ARRAY(
                  SELECT u.id FROM users u
                  JOIN conversation_participants p ON p.conversation_id = ${conversationId} AND p.user_id = u.id
                  WHERE ${sql.literal(folded("u.username"))} = ANY (${mentionedNames(content)}::text[]) ORDER BY u.id)
              WHERE conversation_id = ${conversationId} AND id = ${id}`
            yield* sql.afterCommit(usage.count(caller, { contentBytes: Buffer.byteLength(content) }))
            return true
          })
        )
        return yield* messages.get(caller, conversationId, id)
      })

      const erase = Effect.fn("MessageChanges.erase")((caller: UserId, target: Target) => {
        const { conversationId, id } = target
        return change(
          caller,
          target,
          Effect.fnUntraced(function* (found, { role }) {
            if (found.senderId !== caller && !leads(role)) {
              return yield* new Forbidden({ detail: "This message is somebody else's." })
            }
            if (found.messageType === "system") return yield* new Forbidden({ detail: "This message is the server's." })
            if (found.isDeleted) return false
            yield* sql`DELETE FROM message_versions WHERE conversation_id = ${conversationId} AND message_id = ${id}`
            yield* sql`DELETE FROM message_reactions WHERE conversation_id = ${conversationId} AND message_id = ${id}`
            yield* sql`
              WITH forgotten AS (
                DELETE FROM message_terms t USING chat_messages m
                WHERE m.conversation_id = ${conversationId} AND m.id = ${id}
                  AND t.conversation_id = ${conversationId} AND t.seq = m.seq
              )
              UPDATE chat_messages
              SET content = '', mentions = '{}', deleted_at = statement_timestamp(), updated_at = statement_timestamp()
              WHERE conversation_id = ${conversationId} AND id = ${id}`
            return true
          })
        )
      })

      // By the primary key of message_reactions.
      const countReactions = SqlSchema.findOne({
        Request: Schema.Struct({ ...TargetOf.fields, emoji: Schema.String }),
        Result: Schema.Struct({
          isThere: Schema.Boolean,
          isOfOthers: Schema.Boolean,
          own: Schema.Int,
          different: Schema.Int
        }),
        execute: ({ caller, conversationId, emoji, id }) => sql`
          SELECT count(*) FILTER (WHERE user_id = ${caller} AND emoji = ${emoji}) > 0 AS "isThere",
            count(*) FILTER (WHERE emoji = ${emoji}) > 0 AS "isOfOthers",
            (count(*) FILTER (WHERE user_id = ${caller}))::int AS own, count(DISTINCT emoji)::int AS different
          FROM message_reactions WHERE conversation_id = ${conversationId} AND message_id = ${id}`
      })

      const react = Effect.fn("MessageChanges.react")((caller: UserId, target: Target, emoji: string) => {
        const { conversationId, id } = target
        return change(
          caller,
          target,
          Effect.fnUntraced(function* (found) {
            if (found.isDeleted) return yield* new NotFound({ detail: "This message is deleted." })
            const reactions = yield* countReactions({ ...target, caller, emoji })
            if (reactions.isThere) return false
            if (reactions.own >= maxReactionsOfPerson) {
              return yield* new ReactionLimitReached({
                detail: `You have ${maxReactionsOfPerson} reactions to this message: remove one first.`
              })
            }
            if (!reactions.isOfOthers && reactions.different >= maxReactions) {
              return yield* new ReactionLimitReached({
                detail: `This message has ${maxReactions} different reactions: choose one of them.`
              })
            }
            yield* sql`
              INSERT INTO message_reactions (conversation_id, message_id, user_id, emoji, created_at)
              VALUES (${conversationId}, ${id}, ${caller}, ${emoji}, statement_timestamp())`
            return true
          })
        )
      })

      const unreact = Effect.fn("MessageChanges.unreact")((caller: UserId, target: Target, emoji: string) => {
        const { conversationId, id } = target
        return change(caller, target, () =>
          Effect.map(
            sql`
              DELETE FROM message_reactions
              WHERE conversation_id = ${conversationId} AND message_id = ${id} AND user_id = ${caller}
                AND emoji IN (${emoji}, ${canonicalEmoji(emoji)})
              RETURNING emoji`,
            (removed) => removed.length > 0
          )
        )
      })

      // By the primary keys of message_reactions and users.
      const findReactors = SqlSchema.findAll({
        Request: Schema.Struct({
          ...TargetOf.fields,
          emoji: Schema.String,
          limit: Schema.Int,
          after: Schema.NullOr(Schema.DateTimeUtcFromDate),
          afterId: Schema.NullOr(Schema.String)
        }),
        Result: Reactor,
        execute: ({ after, afterId, caller, conversationId, emoji, id, limit }) => sql`
          SELECT ${sql.literal(profileColumns())}, r.reacted_at AS "reactedAt"
          FROM (
            SELECT r.user_id, ${sql.literal(reactedAt)} AS reacted_at
            FROM message_reactions r, (SELECT ${caller}::uuid AS user_id) viewer
            WHERE conversation_id = ${conversationId} AND message_id = ${id} AND emoji = ${emoji}
              AND ${sql.literal(isNotBlocked("viewer.user_id", "r.user_id"))}
          ) r JOIN users u ON u.id = r.user_id
          WHERE ${after}::timestamptz IS NULL OR (r.reacted_at, u.id) > (${after}::timestamptz, ${afterId}::uuid)
          ORDER BY r.reacted_at, u.id LIMIT ${limit}`
      })

      const reactors = Effect.fn("MessageChanges.reactors")(function* (
        caller: UserId,
        target: Target,
        emoji: string,
        limit: number,
        after: PageCursor | undefined
      ) {
        const { messageType } = yield* messages.get(caller, target.conversationId, target.id)
        if (messageType === "hidden") return { items: [], next: null }
        const found = yield* findReactors({
          ...target,
          caller,
          emoji,
          limit: limit + 1,
          after: after?.before ?? null,
          afterId: after?.id ?? null
        })
        return pageOf(found, limit, ({ id, reactedAt }) => ({ before: reactedAt, id }))
      }, catchDatabaseErrors)

      // By the primary key of message_versions.
      const findVersions = SqlSchema.findAll({
        Request: Schema.Struct({ ...TargetOf.fields, after: Position, limit: Schema.Int }),
        Result: Schema.Struct({ ...MessageVersion.fields, hasNext: Schema.Boolean }),
        execute: ({ after, conversationId, id, limit }) => sql`
          SELECT version, content, written_at AS "writtenAt", next IS NOT NULL AS "hasNext" FROM (
            SELECT version, content, written_at, lead(version) OVER history AS next, octet_length(content) AS own_bytes,
              sum(octet_length(content)) OVER (history ROWS UNBOUNDED PRECEDING) AS bytes
            FROM message_versions WHERE conversation_id = ${conversationId} AND message_id = ${id} AND version > ${after}
            WINDOW history AS (ORDER BY version) ORDER BY version LIMIT ${limit}
          ) v WHERE bytes - own_bytes < ${pageBytes} ORDER BY version`
      })

      const history = Effect.fn("MessageChanges.history")(function* (
        caller: UserId,
        { conversationId, id }: Target,
        limit: number,
        after: Position = Position.make(0)
      ) {
        const { messageType } = yield* messages.get(caller, conversationId, id)
        if (messageType === "hidden") return { versions: [], next: null }
        const found = yield* findVersions({ caller, conversationId, id, after, limit })
        const { items } = fitting(found, ({ content }) => 128 + Buffer.byteLength(JSON.stringify(content)))
        const last = items.at(-1)
        return {
          versions: items.map(({ content, version, writtenAt }) => new MessageVersion({ content, version, writtenAt })),
          next: last?.hasNext === true ? last.version : null
        }
      }, catchDatabaseErrors)

      return MessageChanges.of({ edit, erase, react, unreact, reactors, history })
    })
  )
}
