import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { inSlices } from "../database/Slices.ts"
import { boundedLocks } from "../database/LockWaits.ts"
import { inTransaction } from "../database/Transaction.ts"
import { withinBytes } from "../database/PageSlice.ts"
import { ContactPolicy } from "../people/ContactPolicy.ts"
import { pageOf, type Page, type PageCursor } from "../contract/Paging.ts"
import { Forbidden, NotFound, type DatabaseUnavailable } from "../contract/Problem.ts"
import {
  type History,
  ConversationId,
  Participant,
  Position,
  Role,
  type ParticipantLimitReached
} from "../contract/Conversation.ts"
import type { SystemContent } from "../contract/Message.ts"
import * as GroupRules from "./GroupRules.ts"
import { cursorOfParticipant, participantOrder, participantRows } from "./ParticipantRow.ts"
import { Ownership } from "./Ownership.ts"
import { Removal } from "./Removal.ts"
import { beforeAll, ConversationLocks } from "../messages/ConversationLocks.ts"
import { SystemMessages, type SystemMessage } from "../messages/SystemMessages.ts"

/** Conversations that one transaction takes a person out of, at most: each may have a thousand participants to look at. */
const mostAtOnce = 100

/** The participants of groups, and their roles. Each change is a message in the log, in the same transaction. */
export class Participants extends Context.Service<
  Participants,
  {
    /** The people of a conversation that the caller is in, in the order in which they joined. */
    readonly list: (
      caller: UserId,
      conversationId: ConversationId,
      limit: number,
      after: PageCursor | undefined
    ) => Effect.Effect<Page<Participant>, NotFound | DatabaseUnavailable>
    /** Adds a person to a group as a member. A participant keeps their role. */
    readonly add: (
      caller: UserId,
      conversationId: ConversationId,
      userId: UserId
    ) => Effect.Effect<void, NotFound | Forbidden | ParticipantLimitReached | DatabaseUnavailable>
    /** Gives a person a role, and adds them first if they are not in the group. */
    readonly setRole: (
      caller: UserId,
      conversationId: ConversationId,
      userId: UserId,
      role: "admin" | "member"
    ) => Effect.Effect<void, NotFound | Forbidden | ParticipantLimitReached | DatabaseUnavailable>
    /**
     * Makes a person who can sign in the owner, and adds them first if they are not in the group. The caller becomes an
     * admin.
     */
    readonly handOver: (
      caller: UserId,
      conversationId: ConversationId,
      userId: UserId
    ) => Effect.Effect<void, NotFound | Forbidden | ParticipantLimitReached | DatabaseUnavailable>
    /** Removes a person, or the caller. A group whose owner leaves passes on (see `Ownership`), and the last person to leave ends it. */
    readonly remove: (
      caller: UserId,
      conversationId: ConversationId,
      userId: UserId
    ) => Effect.Effect<void, NotFound | Forbidden | DatabaseUnavailable>
    /**
     * Takes a person out of all their conversations, as part of the transaction that has marked their account as deleted.
     * Where there are many, the rest follows in transactions of its own.
     *
     * They leave each group as they could have themselves: its log says so, and what they owned passes on. A direct
     * conversation keeps them. A conversation in which nobody is left is removed.
     */
    readonly leaveEverywhere: (userId: UserId) => Effect.Effect<void, SqlError.SqlError | Schema.SchemaError>
  }
>()("xfchat/conversations/Participants") {
  static readonly layer = Layer.effect(
    Participants,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const systemMessages = yield* SystemMessages
      const locks = yield* ConversationLocks
      const contacts = yield* ContactPolicy
      const ownership = yield* Ownership
      const removal = yield* Removal

      // By the primary key of conversation_participants.
      const findRoles = SqlSchema.findAll({
        Request: ConversationId,
        Result: Schema.Struct({ userId: UserId, role: Role }),
        execute: (id) => sql`
          SELECT user_id AS "userId", role FROM conversation_participants WHERE conversation_id = ${id}`
      })

      interface Group extends GroupRules.Group {
        readonly id: ConversationId
        readonly history: typeof History.Type
        readonly head: Position
      }

      /** One change of a group under its lock. `write` makes it, and gives what the log says of it. */
      const change = Effect.fnUntraced(function* <E>(
        caller: UserId,
        id: ConversationId,
        write: (group: Group) => Effect.Effect<ReadonlyArray<SystemContent>, E>
      ) {
        const head = yield* locks.withLock(
          caller,
          id,
          Effect.fnUntraced(function* (conversation) {
            if (conversation.isDirectMessage) {
              return yield* new Forbidden({ detail: "The participants of a direct conversation cannot change." })
            }
            const roles = new Map((yield* findRoles(id)).map(({ role, userId }) => [userId, role]))
            const said = yield* write({ ...conversation, id, caller, roles })
            return said.length === 0 ? undefined : yield* systemMessages.append(id, said)
          })
        )
        if (head !== undefined) yield* systemMessages.announce(id, head)
      }, catchDatabaseErrors)

      // By the primary keys. The time is that of the statement, not of the transaction: taken under the lock, it is in the
      // order of the log. Where one of the new participant and another blocks the other, receipts are frozen from the start.
      const insert = ({ head, history, id }: Group, userId: UserId) => sql`
        WITH joined AS (
          INSERT INTO conversation_participants
            (conversation_id, user_id, joined_at, visible_after, last_delivered_seq, last_read_seq)
          SELECT ${id}::uuid, id, statement_timestamp(), ${history === "whole" ? 0 : head}, ${head}, ${head}
          FROM users WHERE id = ${userId} AND deleted_at IS NULL FOR SHARE
          RETURNING *
        ), blocking AS (
          SELECT joined.*, b.blocked_id FROM joined JOIN blocks b ON b.blocker_id = joined.user_id
          JOIN conversation_participants o ON o.conversation_id = ${id} AND o.user_id = b.blocked_id
          UNION ALL
          SELECT p.*, b.blocked_id FROM joined JOIN blocks b ON b.blocked_id = joined.user_id
          JOIN conversation_participants p ON p.conversation_id = ${id} AND p.user_id = b.blocker_id
        ), frozen AS (
          INSERT INTO frozen_receipts (conversation_id, blocked_id, blocker_id, last_delivered_seq, last_read_seq)
          SELECT conversation_id, blocked_id, user_id, last_delivered_seq, last_read_seq FROM blocking
          ON CONFLICT DO NOTHING
        )
        SELECT user_id FROM joined`

      /** Adds a person who is not in the group, and gives what the log says of it. */
      const join = Effect.fnUntraced(function* (group: Group, userId: UserId) {
        const { caller, roles } = group
        if (roles.has(userId)) return []
        yield* GroupRules.add(group, (yield* contacts.of(caller, [userId])).get(userId))
        const inserted = yield* insert(group, userId)
        if (inserted.length === 0) return yield* noUser
        return [{ event: "joined", by: caller, user: userId }] satisfies ReadonlyArray<SystemContent>
      })

      // By the primary key. It waits for a transaction that disables or deletes the account, and such a transaction waits for this
      // one, so that it includes this group when it then goes through the groups of the account.
      const findSuccessor = SqlSchema.findAll({
        Request: UserId,
        Result: Schema.Struct({ isDisabled: Schema.Boolean }),
        execute: (id) => sql`
          SELECT disabled_at IS NOT NULL AS "isDisabled" FROM users WHERE id = ${id} AND deleted_at IS NULL FOR SHARE`
      })

      const noUser = new NotFound({ detail: "There is no such user." })

      const add = Effect.fn("Participants.add")((caller: UserId, id: ConversationId, userId: UserId) =>
        change(caller, id, (group) => join(group, userId))
      )

      const setRole = Effect.fn("Participants.setRole")(
        (caller: UserId, id: ConversationId, userId: UserId, role: "admin" | "member") =>
          change(
            caller,
            id,
            Effect.fnUntraced(function* (group: Group) {
              const said: ReadonlyArray<SystemContent> = yield* join(group, userId)
              if (!(yield* GroupRules.giveRole(group, userId, role))) return said
              // By the primary key.
              yield* sql`
                UPDATE conversation_participants SET role = ${role} WHERE conversation_id = ${id} AND user_id = ${userId}`
              return [...said, { event: "roleChanged", by: caller, user: userId, role }]
            })
          )
      )

      const handOver = Effect.fn("Participants.handOver")((caller: UserId, id: ConversationId, userId: UserId) =>
        change(
          caller,
          id,
          Effect.fnUntraced(function* (group: Group) {
            const said: ReadonlyArray<SystemContent> = yield* join(group, userId)
            if (!(yield* GroupRules.giveRole(group, userId, "owner"))) return said
            const [successor] = yield* findSuccessor(userId)
            if (successor === undefined) return yield* noUser
            yield* GroupRules.succeed(successor)
            yield* ownership.give(id, userId)
            return [
              ...said,
              { event: "roleChanged", by: caller, user: caller, role: "admin" },
              { event: "roleChanged", by: caller, user: userId, role: "owner" }
            ]
          })
        )
      )

      const remove = Effect.fn("Participants.remove")((caller: UserId, id: ConversationId, userId: UserId) =>
        change(
          caller,
          id,
          Effect.fnUntraced(function* (group: Group) {
            const said: Array<SystemContent> = []
            const removed = yield* GroupRules.remove(group, userId)
            if (removed === "nothing") return said
            if (removed === "ends") {
              yield* removal.remove([id])
              yield* systemMessages.announce(id, Position.make(0))
              return said
            }
            const [inherited] = group.roles.get(userId) === "owner" ? yield* ownership.passOn(userId, [id]) : []
            // By the primary key.
            yield* sql`DELETE FROM conversation_participants WHERE conversation_id = ${id} AND user_id = ${userId}`
            said.push(
              userId === caller ? { event: "left", user: userId } : { event: "removed", by: caller, user: userId }
            )
            if (inherited !== undefined) {
              said.push({ event: "roleChanged", by: caller, user: inherited.heir, role: "owner" })
            }
            return said
          })
        )
      )

      // By conversation_participants_user_id_idx and the primary key. In the order of ids, like every lock of several.
      const lockNext = SqlSchema.findAll({
        Request: Schema.Struct({ userId: UserId, after: ConversationId }),
        Result: Schema.Struct({ id: ConversationId }),
        execute: ({ after, userId }) => sql`
          SELECT c.id FROM ${boundedLocks(sql)}, conversation_participants p JOIN conversations c ON c.id = p.conversation_id
          WHERE p.user_id = ${userId} AND p.conversation_id > ${after}
          ORDER BY p.conversation_id LIMIT ${mostAtOnce} FOR NO KEY UPDATE OF c`
      })

      const Departing = Schema.Struct({ userId: UserId, conversations: Schema.Array(ConversationId) })

      // By the primary keys. A statement after the locks, so that it sees what was committed before they were granted.
      const findEmptied = SqlSchema.findAll({
        Request: Departing,
        Result: Schema.Struct({ id: ConversationId }),
        execute: ({ conversations, userId }) => sql`
          SELECT c.id FROM unnest(${conversations}::uuid[]) AS c (id) WHERE NOT EXISTS (
            SELECT FROM conversation_participants o JOIN users u ON u.id = o.user_id
            WHERE o.conversation_id = c.id AND o.user_id <> ${userId} AND u.deleted_at IS NULL)`
      })

      // By the primary keys.
      const leaveGroups = SqlSchema.findAll({
        Request: Departing,
        Result: Schema.Struct({ id: ConversationId }),
        execute: ({ conversations, userId }) => sql`
          DELETE FROM conversation_participants p USING conversations c
          WHERE c.id = p.conversation_id AND NOT c.is_direct_message
            AND p.conversation_id = ANY(${conversations}::uuid[]) AND p.user_id = ${userId}
          RETURNING p.conversation_id AS id`
      })

      // By the primary key. An update without a change: inboxes show rows that were written.
      const touchDirect = SqlSchema.findAll({
        Request: Schema.Array(ConversationId),
        Result: Schema.Struct({ id: ConversationId, head: Position }),
        execute: (ids) => sql`
          UPDATE conversations SET head = head WHERE id = ANY(${ids}::uuid[]) AND is_direct_message RETURNING id, head`
      })

      const announce = (changed: ReadonlyArray<{ readonly id: ConversationId; readonly head: Position }>) =>
        Effect.forEach(changed, ({ head, id }) => systemMessages.announce(id, head), { discard: true })

      /** Leaves the conversations with the lowest ids after `after`. Gives the last of them, if there may be more. */
      const leaveSome = Effect.fnUntraced(function* (userId: UserId, after: ConversationId) {
        const found = (yield* lockNext({ userId, after })).map(({ id }) => id)
        if (found.length === 0) return undefined
        const emptied = (yield* findEmptied({ userId, conversations: found })).map(({ id }) => id)
        const conversations = found.filter((id) => !emptied.includes(id))
        if (emptied.length > 0) yield* removal.remove(emptied)
        yield* announce(emptied.map((id) => ({ id, head: Position.make(0) })))
        const heirs = new Map((yield* ownership.passOn(userId, conversations)).map(({ heir, id }) => [id, heir]))
        const said = (yield* leaveGroups({ userId, conversations })).flatMap(({ id }): ReadonlyArray<SystemMessage> => {
          const heir = heirs.get(id)
          const left: SystemMessage = { conversationId: id, content: { event: "left", user: userId } }
          return heir === undefined
            ? [left]
            : [left, { conversationId: id, content: { event: "roleChanged", by: userId, user: heir, role: "owner" } }]
        })
        yield* announce(yield* systemMessages.appendAll(said))
        yield* announce(yield* touchDirect(conversations))
        return found.length === mostAtOnce ? found.at(-1) : undefined
      })

      // By the primary key. A row that another process works on is left to it.
      const findDeparture = SqlSchema.findAll({
        Request: Schema.Void,
        Result: Schema.Struct({ userId: UserId, after: ConversationId }),
        execute: () => sql`
          SELECT user_id AS "userId", left_up_to AS after FROM departures LIMIT 1 FOR UPDATE SKIP LOCKED`
      })

      const depart = Effect.gen(function* () {
        const [departure] = yield* findDeparture()
        if (departure === undefined) return false
        const { after, userId } = departure
        const last = yield* leaveSome(userId, after)
        yield* last === undefined
          ? sql`DELETE FROM departures WHERE user_id = ${userId}`
          : sql`UPDATE departures SET left_up_to = ${last} WHERE user_id = ${userId}`
        return true
      }).pipe(inTransaction(sql), catchDatabaseErrors)
      const departNow = yield* inSlices("The departure of deleted accounts", depart)

      const leaveEverywhere = Effect.fn("Participants.leaveEverywhere")(function* (userId: UserId) {
        const last = yield* leaveSome(userId, beforeAll)
        if (last === undefined) return
        yield* sql`INSERT INTO departures (user_id, left_up_to) VALUES (${userId}, ${last})`
        yield* sql.afterCommit(departNow)
      })

      // By the primary keys. To the millisecond, as a cursor has it.
      const findPage = SqlSchema.findAll({
        Request: Schema.Struct({
          caller: UserId,
          conversationId: ConversationId,
          limit: Schema.Int,
          after: Schema.NullOr(Schema.DateTimeUtcFromDate),
          id: Schema.NullOr(Schema.String)
        }),
        Result: Schema.Struct({ item: Participant, found: Schema.Int }),
        execute: ({ after, caller, conversationId, id, limit }) =>
          withinBytes(
            sql,
            sql`
              SELECT * FROM (${participantRows(sql, conversationId)}) o
              WHERE EXISTS (SELECT FROM conversation_participants
                  WHERE conversation_id = ${conversationId} AND user_id = ${caller})
                AND (${after}::timestamptz IS NULL OR ("joinedAt", id) > (${after}::timestamptz, ${id}::uuid))
              ORDER BY ${sql.literal(participantOrder)} LIMIT ${limit}`,
            participantOrder
          )
      })

      const list = Effect.fn("Participants.list")(function* (
        caller: UserId,
        conversationId: ConversationId,
        limit: number,
        after: PageCursor | undefined
      ) {
        const rows = yield* findPage({
          caller,
          conversationId,
          limit: limit + 1,
          after: after?.before ?? null,
          id: after?.id ?? null
        })
        if (rows.length === 0 && after === undefined) {
          return yield* new NotFound({ detail: "There is no such conversation." })
        }
        return pageOf(
          rows.map(({ item }) => item),
          limit,
          cursorOfParticipant,
          rows[0]?.found
        )
      }, catchDatabaseErrors)

      return Participants.of({ list, add, setRole, handOver, remove, leaveEverywhere })
    })
  )
}
