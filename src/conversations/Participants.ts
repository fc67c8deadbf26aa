import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { ContactPolicy } from "../people/ContactPolicy.ts"
import { pageOf, type Page, type PageCursor } from "../contract/Paging.ts"
import { Forbidden, NotFound, type DatabaseUnavailable } from "../contract/Problem.ts"
import type { History } from "../contract/Conversation.ts"
import {
  ConversationId,
  maxParticipants,
  Participant,
  ParticipantLimitReached,
  Position,
  Role
} from "../contract/Conversation.ts"
import type { SystemContent } from "../contract/Message.ts"
import { Ownership } from "./Ownership.ts"
import { Removal } from "./Removal.ts"
import { ConversationLocks } from "../messages/ConversationLocks.ts"
import { SystemMessages } from "../messages/SystemMessages.ts"

/** Who takes part in a group, and in which role. Each change is a message in the log, in the same transaction. */
export class Participants extends Context.Service<
  Participants,
  {
    /** The people of a conversation that the caller takes part in, longest there first. */
    readonly list: (
      caller: UserId,
      conversationId: ConversationId,
      limit: number,
      after: PageCursor | undefined
    ) => Effect.Effect<Page<Participant>, NotFound | DatabaseUnavailable>
    /**
     * Adds a person as a member, or with `role` gives them another one: `owner` hands the group over. Owner and admins add;
     * only the owner gives roles. What is so already stays so.
     */
    readonly put: (
      caller: UserId,
      conversationId: ConversationId,
      userId: UserId,
      role: Role | undefined
    ) => Effect.Effect<void, NotFound | Forbidden | ParticipantLimitReached | DatabaseUnavailable>
    /**
     * Removes a person, or oneself. The owner removes anybody, admins remove members. When the owner leaves, the group
     * passes to who has been in it longest, admins first; when the last one leaves, it is gone.
     */
    readonly remove: (
      caller: UserId,
      conversationId: ConversationId,
      userId: UserId
    ) => Effect.Effect<void, NotFound | Forbidden | DatabaseUnavailable>
  }
>()("xfchat/conversations/Participants") {
  static readonly layer = Layer.effect(
    Participants,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const systemMessages = yield* SystemMessages
      const locks = yield* ConversationLocks
      const reaches = yield* ContactPolicy
      const ownership = yield* Ownership
      const removal = yield* Removal

      // By the primary key of conversation_participants: the people, longest in the conversation first.
      const findRoles = SqlSchema.findAll({
        Request: ConversationId,
        Result: Schema.Struct({ userId: UserId, role: Role }),
        execute: (id) => sql`
          SELECT user_id AS "userId", role FROM conversation_participants WHERE conversation_id = ${id}
          ORDER BY joined_at, user_id`
      })

      const setRole = (conversationId: ConversationId, userId: UserId, role: Role) => sql`
        UPDATE conversation_participants SET role = ${role} WHERE conversation_id = ${conversationId} AND user_id = ${userId}`

      type Group = {
        readonly history: typeof History.Type
        readonly head: Position
        readonly roles: ReadonlyMap<UserId, Role>
        readonly role: Role
      }

      /** One change of a group under its lock. `write` makes it, and gives what is to be said of it. */
      const change = Effect.fnUntraced(function* <E>(
        caller: UserId,
        conversationId: ConversationId,
        write: (group: Group) => Effect.Effect<ReadonlyArray<SystemContent>, E>
      ) {
        const head = yield* locks.withLock(
          caller,
          conversationId,
          Effect.fnUntraced(function* (conversation) {
            const roles = new Map((yield* findRoles(conversationId)).map(({ role, userId }) => [userId, role]))
            if (conversation.isDirectMessage) {
              return yield* new Forbidden({ detail: "A direct conversation is always of the same two." })
            }
            const said = yield* write({ ...conversation, roles })
            return said.length === 0 ? undefined : yield* systemMessages.append(conversationId, said)
          })
        )
        if (head !== undefined) yield* systemMessages.announce(conversationId, head)
      }, catchDatabaseErrors)

      const put = Effect.fn("Participants.put")(
        (caller: UserId, conversationId: ConversationId, userId: UserId, role: Role | undefined) =>
          change(caller, conversationId, (group) =>
            Effect.gen(function* () {
              const said: Array<SystemContent> = []
              const current = group.roles.get(userId)
              if (current === undefined) {
                if (group.role === "member") {
                  return yield* new Forbidden({ detail: "Only the owner and admins add people." })
                }
                const reach = (yield* reaches.of(caller, [userId])).get(userId)
                if (reach?.group === false) {
                  return yield* new Forbidden({ detail: "This person can be added by their friends only." })
                }
                if (group.roles.size >= maxParticipants) {
                  return yield* new ParticipantLimitReached({ detail: `There are ${maxParticipants} already.` })
                }
                // The time of the statement, not of the transaction: taken under the lock, it is in the order of the log.
                const visibleAfter = group.history === "whole" ? 0 : group.head
                // Where a block is between the new participant and another, receipts are frozen from the start.
                const made = yield* sql`
                  WITH joined AS (
                    INSERT INTO conversation_participants
                      (conversation_id, user_id, joined_at, visible_after, last_delivered_seq, last_read_seq)
                    SELECT ${conversationId}::uuid, id, statement_timestamp(), ${visibleAfter}, ${group.head}, ${group.head}
                    FROM users WHERE id = ${userId} AND deleted_at IS NULL FOR SHARE
                    RETURNING *
                  ), blocking AS (
                    SELECT joined.*, b.blocked_id FROM joined JOIN blocks b ON b.blocker_id = joined.user_id
                    JOIN conversation_participants o ON o.conversation_id = ${conversationId} AND o.user_id = b.blocked_id
                    UNION ALL
                    SELECT p.*, b.blocked_id FROM joined JOIN blocks b ON b.blocked_id = joined.user_id
                    JOIN conversation_participants p ON p.conversation_id = ${conversationId} AND p.user_id = b.blocker_id
                  ), frozen AS (
                    INSERT INTO frozen_receipts (conversation_id, blocked_id, blocker_id, last_delivered_seq, last_read_seq)
                    SELECT conversation_id, blocked_id, user_id, last_delivered_seq, last_read_seq FROM blocking
                    ON CONFLICT DO NOTHING
                  )
                  SELECT user_id FROM joined`
                if (made.length === 0) return yield* new NotFound({ detail: "There is no such user." })
                said.push({ event: "joined", by: caller, user: userId })
              }
              if (role !== undefined && role !== (current ?? "member")) {
                if (group.role !== "owner") return yield* new Forbidden({ detail: "Only the owner gives roles." })
                if (userId === caller) {
                  return yield* new Forbidden({ detail: "To stop owning a group, give it to somebody else." })
                }
                if (role === "owner") {
                  yield* ownership.give(conversationId, userId)
                  said.push({ event: "roleChanged", by: caller, user: caller, role: "admin" })
                } else {
                  yield* setRole(conversationId, userId, role)
                }
                said.push({ event: "roleChanged", by: caller, user: userId, role })
              }
              return said
            })
          )
      )

      const remove = Effect.fn("Participants.remove")(
        (caller: UserId, conversationId: ConversationId, userId: UserId) =>
          change(caller, conversationId, (group) =>
            Effect.gen(function* () {
              const current = group.roles.get(userId)
              if (current === undefined) return []
              const may =
                userId === caller || group.role === "owner" || (group.role === "admin" && current === "member")
              if (!may) return yield* new Forbidden({ detail: "The owner removes anybody, admins remove members." })
              if (group.roles.size === 1) {
                yield* removal.remove([conversationId])
                yield* systemMessages.announce(conversationId, Position.make(0))
                return []
              }
              const [inherited] = current === "owner" ? yield* ownership.passOn(userId, [conversationId], "leaves") : []
              yield* sql`
                DELETE FROM conversation_participants WHERE conversation_id = ${conversationId} AND user_id = ${userId}`
              const said: Array<SystemContent> = [
                userId === caller ? { event: "left", user: userId } : { event: "removed", by: caller, user: userId }
              ]
              if (inherited !== undefined) {
                said.push({ event: "roleChanged", by: caller, user: inherited.heir, role: "owner" })
              }
              return said
            })
          )
      )

      // By the primary keys. To the millisecond, as a cursor has it.
      const findPage = SqlSchema.findAll({
        Request: Schema.Struct({
          caller: UserId,
          conversationId: ConversationId,
          limit: Schema.Int,
          after: Schema.NullOr(Schema.DateTimeUtcFromDate),
          id: Schema.NullOr(Schema.String)
        }),
        Result: Schema.Struct({ participant: Participant }),
        execute: ({ after, caller, conversationId, id, limit }) => sql`
          SELECT jsonb_build_object(
            'id', u.id, 'username', u.username, 'displayName', u.display_name, 'avatarUrl', u.avatar_url,
            'role', p.role, 'joinedAt', p.joined_at) AS participant
          FROM conversation_participants p JOIN users u ON u.id = p.user_id
          WHERE p.conversation_id = ${conversationId}
            AND EXISTS (SELECT FROM conversation_participants WHERE conversation_id = ${conversationId} AND user_id = ${caller})
            AND (${after}::timestamptz IS NULL
              OR (date_trunc('milliseconds', p.joined_at), p.user_id) > (${after}::timestamptz, ${id}::uuid))
          ORDER BY date_trunc('milliseconds', p.joined_at), p.user_id LIMIT ${limit}`
      })

      const list = Effect.fn("Participants.list")(function* (
        caller: UserId,
        conversationId: ConversationId,
        limit: number,
        after: PageCursor | undefined
      ) {
        const found = yield* findPage({
          caller,
          conversationId,
          limit: limit + 1,
          after: after?.before ?? null,
          id: after?.id ?? null
        })
        if (found.length === 0 && after === undefined) {
          return yield* new NotFound({ detail: "There is no such conversation." })
        }
        return pageOf(
          found.map(({ participant }) => participant),
          limit,
          ({ id, joinedAt }) => ({ before: joinedAt, id })
        )
      }, catchDatabaseErrors)

      return Participants.of({ list, put, remove })
    })
  )
}
