import { Cause, Context, Effect, Layer, Schema, Struct } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { boundedLocks } from "../database/LockWaits.ts"
import { inTransaction } from "../database/Transaction.ts"
import { isAfterCursor, pageSlice, PageSlice, withinBytes } from "../database/PageSlice.ts"
import { ContactPolicy } from "../people/ContactPolicy.ts"
import { pageOf, type PageCursor } from "../contract/Paging.ts"
import {
  Forbidden,
  NotFound,
  ValidationFailed,
  type DatabaseUnavailable,
  type QuotaExceeded
} from "../contract/Problem.ts"
import { Usage } from "../usage/Usage.ts"
import {
  Conversation,
  ConversationId,
  ConversationSummary,
  History,
  Position,
  type ConversationList,
  type GroupChange,
  type NewGroup
} from "../contract/Conversation.ts"
import * as GroupRules from "./GroupRules.ts"
import { cursorOfParticipant, participantOrder, participantRows } from "./ParticipantRow.ts"
import { Removal } from "./Removal.ts"
import { lastActivity, summaryColumns, unreadJoin, visibleHead } from "./SummaryRow.ts"
import { beforeAll, ConversationLocks, type LockedConversation } from "../messages/ConversationLocks.ts"
import { SystemMessages } from "../messages/SystemMessages.ts"

/** Conversations that one statement revises: a person may be in any number, and a statement has a time limit. */
const maxRevised = 1_000

/** A direct conversation, and whether it is new. */
export interface Opened {
  readonly id: ConversationId
  readonly created: boolean
}

export class Conversations extends Context.Service<
  Conversations,
  {
    /**
     * The one direct conversation of two people, created if there is none, even if both ask at once. An existing one is
     * always returned. A new one needs the other person's permission.
     */
    readonly direct: (
      caller: UserId,
      other: UserId
    ) => Effect.Effect<
      { readonly conversation: Conversation; readonly created: boolean },
      NotFound | Forbidden | ValidationFailed | QuotaExceeded | DatabaseUnavailable
    >
    /**
     * The one direct conversation of two people, created if there is none, whatever they permit. Part of a transaction.
     */
    readonly open: (
      caller: UserId,
      other: UserId
    ) => Effect.Effect<Opened, NotFound | SqlError.SqlError | Schema.SchemaError>
    /** Creates a group that the caller owns. Each participant's settings must let the caller add them. */
    readonly create: (
      caller: UserId,
      group: NewGroup
    ) => Effect.Effect<Conversation, Forbidden | ValidationFailed | QuotaExceeded | DatabaseUnavailable>
    /** A conversation that the caller is in. */
    readonly get: (caller: UserId, id: ConversationId) => Effect.Effect<Conversation, NotFound | DatabaseUnavailable>
    /**
     * Changes the name or description of a group, or how much history new participants see. Each change is a message in the
     * log.
     */
    readonly update: (
      caller: UserId,
      id: ConversationId,
      change: GroupChange
    ) => Effect.Effect<Conversation, NotFound | Forbidden | DatabaseUnavailable>
    /** Deletes a group with all its messages. */
    readonly remove: (
      caller: UserId,
      id: ConversationId
    ) => Effect.Effect<void, NotFound | Forbidden | DatabaseUnavailable>
    /** The caller's conversations, the last active one first. */
    readonly list: (
      caller: UserId,
      limit: number,
      after: PageCursor | undefined
    ) => Effect.Effect<ConversationList, DatabaseUnavailable>
    /**
     * Has the inboxes of others show this person's conversations again, with the new name or picture. Part of the
     * transaction that has changed it.
     */
    readonly bumpRevisions: (userId: UserId) => Effect.Effect<void, SqlError.SqlError | Schema.SchemaError>
  }
>()("xfchat/conversations/Conversations") {
  static readonly layer = Layer.effect(
    Conversations,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const systemMessages = yield* SystemMessages
      const locks = yield* ConversationLocks
      const contacts = yield* ContactPolicy
      const usage = yield* Usage
      const removal = yield* Removal
      const summary = sql.literal(summaryColumns)
      const head = sql.literal(visibleHead)

      const Pair = Schema.Struct({ caller: UserId, other: UserId })

      // The unique index conversations_direct_pair_key settles races: the second insert waits for the commit of the first, and
      // then inserts nothing. Nothing is inserted either if one of the two accounts is gone, or is being deleted.
      const insertDirect = SqlSchema.findAll({
        Request: Pair,
        Result: Schema.Struct({ id: ConversationId }),
        execute: ({ caller, other }) => sql`
          WITH people AS (
            SELECT id FROM users WHERE id IN (${caller}, ${other}) AND deleted_at IS NULL FOR SHARE
          ), made AS (
            INSERT INTO conversations (is_direct_message, created_by, direct_low, direct_high)
            SELECT true, ${caller}, least(${caller}::uuid, ${other}), greatest(${caller}::uuid, ${other})
            WHERE (SELECT count(*) FROM people) = 2
            ON CONFLICT (direct_low, direct_high) DO NOTHING
            RETURNING id
          ), joined AS (
            INSERT INTO conversation_participants (conversation_id, user_id)
            SELECT made.id, people.id FROM made, people
          )
          SELECT id FROM made`
      })

      const findDirect = SqlSchema.findAll({
        Request: Pair,
        Result: Schema.Struct({ id: ConversationId }),
        execute: ({ caller, other }) => sql`
          SELECT id FROM conversations
          WHERE direct_low = least(${caller}::uuid, ${other}::uuid) AND direct_high = greatest(${caller}::uuid, ${other}::uuid)`
      })

      const noSuchUser = new NotFound({ detail: "There is no such user." })

      const make = Effect.fnUntraced(function* (pair: typeof Pair.Type) {
        const [made] = yield* insertDirect(pair)
        const [found] = made === undefined ? yield* findDirect(pair) : [made]
        if (found === undefined) return yield* noSuchUser
        if (made !== undefined) yield* systemMessages.announce(made.id, Position.make(0))
        return { id: found.id, created: made !== undefined }
      })

      const open = Effect.fn("Conversations.open")(function* (caller: UserId, other: UserId) {
        const [existing] = yield* findDirect({ caller, other })
        if (existing !== undefined) return { ...existing, created: false }
        const opened = yield* make({ caller, other })
        if (opened.created) yield* sql.afterCommit(usage.count(caller, { conversationsCreated: 1 }))
        return opened
      })

      const direct = Effect.fn("Conversations.direct")(function* (caller: UserId, other: UserId) {
        if (caller === other) {
          return yield* new ValidationFailed({
            errors: [{ path: ["params", "userId"], message: "must be another person's id" }]
          })
        }
        const [existing] = yield* findDirect({ caller, other })
        if (existing === undefined) {
          const reach = (yield* contacts.of(caller, [other])).get(other)
          if (reach === undefined) return yield* noSuchUser
          if (!reach.direct) {
            return yield* new Forbidden({ detail: "This person does not accept new conversations from everyone." })
          }
        }
        const { created, id } =
          existing === undefined
            ? yield* make({ caller, other }).pipe(
                Effect.tap(({ created }) => (created ? usage.spend(caller, "conversationsCreated") : Effect.void)),
                inTransaction(sql)
              )
            : { ...existing, created: false }
        return { conversation: yield* get(caller, id), created }
      }, catchDatabaseErrors)

      const insertGroup = SqlSchema.findOne({
        Request: Schema.Struct({
          caller: UserId,
          name: Schema.NullOr(Schema.String),
          description: Schema.NullOr(Schema.String),
          history: History,
          people: Schema.Array(UserId)
        }),
        Result: Schema.Struct({ id: ConversationId, joined: Schema.Int }),
        execute: ({ caller, description, history, name, people }) => sql`
          WITH made AS (
            INSERT INTO conversations (is_direct_message, created_by, name, description, history)
            VALUES (false, ${caller}, ${name}, ${description}, ${history}) RETURNING id
          ), joined AS (
            INSERT INTO conversation_participants (conversation_id, user_id, role)
            SELECT made.id, u.id, CASE WHEN u.id = ${caller}::uuid THEN 'owner' ELSE 'member' END
            FROM made, users u WHERE u.id = ANY(${people}::uuid[]) AND u.deleted_at IS NULL FOR SHARE OF u
            RETURNING user_id
          )
          SELECT made.id, (SELECT count(*)::int FROM joined) AS joined FROM made`
      })

      const create = Effect.fn("Conversations.create")(function* (caller: UserId, group: NewGroup) {
        const people = [...new Set([caller, ...group.participantIds])]
        for (const [id, reach] of yield* contacts.of(caller, people)) {
          if (id !== caller && !reach.group) {
            return yield* new Forbidden({ detail: "Some of these people can only be added by their friends." })
          }
        }
        const { head, id } = yield* Effect.gen(function* () {
          const { id, joined } = yield* insertGroup({
            caller,
            people,
            name: group.name ?? null,
            description: group.description ?? null,
            history: group.history ?? "whole"
          })
          if (joined < people.length) {
            return yield* new ValidationFailed({
              errors: [{ path: ["payload", "participantIds"], message: "must be the ids of users" }]
            })
          }
          const head = yield* systemMessages.append(id, [{ event: "created", by: caller }])
          yield* usage.spend(caller, "conversationsCreated")
          return { id, head }
        }).pipe(inTransaction(sql))
        yield* systemMessages.announce(id, head)
        const conversation = yield* find(caller, id)
        return conversation ?? (yield* new Cause.NoSuchElementError())
      }, catchDatabaseErrors)

      const withGroup = <A, E, R>(
        caller: UserId,
        id: ConversationId,
        change: (group: typeof LockedConversation.Type) => Effect.Effect<A, E, R>
      ) =>
        locks.withLock(caller, id, (group): Effect.Effect<A, E | Forbidden, R> =>
          group.isDirectMessage
            ? Effect.fail(new Forbidden({ detail: "A direct conversation cannot be renamed, described or deleted." }))
            : change(group)
        )

      const update = Effect.fn("Conversations.update")(function* (
        caller: UserId,
        id: ConversationId,
        change: GroupChange
      ) {
        const head = yield* withGroup(
          caller,
          id,
          Effect.fnUntraced(function* (group: typeof LockedConversation.Type) {
            const { said, settings } = yield* GroupRules.update({ caller, role: group.role }, group, change)
            if (said.length === 0) return undefined
            const { description, history, name } = settings
            // By the primary key.
            yield* sql`
              UPDATE conversations SET name = ${name}, description = ${description}, history = ${history} WHERE id = ${id}`
            return yield* systemMessages.append(id, said)
          })
        )
        if (head !== undefined) yield* systemMessages.announce(id, head)
        return yield* get(caller, id)
      }, catchDatabaseErrors)

      const remove = Effect.fn("Conversations.remove")(function* (caller: UserId, id: ConversationId) {
        yield* withGroup(caller, id, ({ role }) =>
          Effect.andThen(GroupRules.end({ caller, role }), removal.remove([id]))
        )
        yield* systemMessages.announce(id, Position.make(0))
      }, catchDatabaseErrors)

      // By conversation_participants_user_id_idx.
      const findList = SqlSchema.findAll({
        Request: Schema.Struct({
          ...PageSlice,
          caller: UserId
        }),
        Result: Schema.Struct({ ...ConversationSummary.fields, found: Schema.Int }),
        execute: ({ caller, limit, ...slice }) => {
          const rows = sql`
            SELECT ${summary}
            FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id ${sql.literal(unreadJoin)}
            WHERE p.user_id = ${caller} AND ${isAfterCursor(sql, [lastActivity, "c.id"], slice)}
            ORDER BY "lastActivityAt" DESC, c.id DESC LIMIT ${limit}`
          return withinBytes(sql, rows, '"lastActivityAt" DESC, id DESC')
        }
      })

      const list = Effect.fn("Conversations.list")(function* (
        caller: UserId,
        limit: number,
        after: PageCursor | undefined
      ) {
        const found = yield* findList({ caller, ...pageSlice(limit, after) })
        const summaries = found.map((row) => new ConversationSummary(Struct.omit(row, ["found"])))
        const { items, next } = pageOf(
          summaries,
          limit,
          ({ id, lastActivityAt }) => ({ before: lastActivityAt, id }),
          found[0]?.found
        )
        return { conversations: items, next }
      }, catchDatabaseErrors)

      // By the primary keys of conversations and conversation_participants.
      const findRow = SqlSchema.findAll({
        Request: Schema.Struct({ caller: UserId, id: ConversationId }),
        Result: Schema.Struct({ ...Struct.omit(Conversation.fields, ["participantsCursor"]), found: Schema.Int }),
        execute: ({ caller, id }) => sql`
          SELECT c.id, c.is_direct_message AS "isDirectMessage", c.name, c.description, c.history, ${head} AS head,
            c.created_at AS "createdAt", everyone.*
          FROM conversations c JOIN conversation_participants p ON p.conversation_id = c.id AND p.user_id = ${caller},
            LATERAL (
              SELECT jsonb_agg(item ORDER BY "joinedAt", id) AS participants, max(found) AS found
              FROM (${withinBytes(sql, participantRows(sql, id), participantOrder)}) o
            ) everyone
          WHERE c.id = ${id}`
      })

      const find = Effect.fnUntraced(function* (caller: UserId, id: ConversationId) {
        const [row] = yield* findRow({ caller, id })
        if (row === undefined) return undefined
        const { found, ...conversation } = row
        const { items, next } = pageOf(conversation.participants, found, cursorOfParticipant, found)
        return new Conversation({ ...conversation, participants: items, participantsCursor: next })
      })

      const get = Effect.fn("Conversations.get")(function* (caller: UserId, id: ConversationId) {
        return (yield* find(caller, id)) ?? (yield* new NotFound({ detail: "There is no such conversation." }))
      }, catchDatabaseErrors)

      // By conversation_participants_user_id_idx and the primary key, in its order, like every lock of several.
      const revise = SqlSchema.findAll({
        Request: Schema.Struct({ userId: UserId, after: ConversationId }),
        Result: Schema.Struct({ id: ConversationId }),
        execute: ({ after, userId }) => sql`
          WITH revised AS (
            INSERT INTO conversation_revisions AS r (conversation_id)
            SELECT conversation_id FROM ${boundedLocks(sql)}, conversation_participants
            WHERE user_id = ${userId} AND conversation_id > ${after} ORDER BY conversation_id LIMIT ${maxRevised}
            ON CONFLICT (conversation_id) DO UPDATE SET revision = r.revision + 1
            RETURNING conversation_id AS id
          )
          SELECT id FROM revised ORDER BY id`
      })

      const bumpRevisions = Effect.fn("Conversations.bumpRevisions")(function* (userId: UserId) {
        let after: ConversationId | undefined = beforeAll
        while (after !== undefined) {
          const revised: ReadonlyArray<{ readonly id: ConversationId }> = yield* revise({ userId, after })
          for (const { id } of revised) yield* systemMessages.announce(id, Position.make(0))
          after = revised.length === maxRevised ? revised.at(-1)?.id : undefined
        }
      })

      return Conversations.of({ direct, open, create, get, update, remove, list, bumpRevisions })
    })
  )
}
