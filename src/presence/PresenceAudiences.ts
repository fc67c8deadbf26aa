import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { ConversationId } from "../contract/Conversation.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import type { PresenceAudience } from "../contract/PresencePage.ts"

/** Conversations of more people show neither presence nor typing: each change is told to so many at most. */
export const mostPeople = 100

/**
 * Who may see whom: friends, and who take part in a conversation of at most {@link mostPeople} together, but nobody whom
 * one of the two blocks. Who hides their presence sees nobody and is seen by nobody.
 */
export class PresenceAudiences extends Context.Service<
  PresenceAudiences,
  {
    /** The circle of each of some people; an empty one for who is not there. */
    readonly of: (
      users: ReadonlyArray<UserId>
    ) => Effect.Effect<ReadonlyMap<UserId, PresenceAudience>, DatabaseUnavailable>
    /** Those among some people who take part in any of these conversations. */
    readonly participants: (
      conversations: ReadonlyArray<ConversationId>,
      among: ReadonlyArray<UserId>
    ) => Effect.Effect<ReadonlyArray<UserId>, DatabaseUnavailable>
  }
>()("xfchat/presence/Circles") {
  static readonly layer = Layer.effect(
    PresenceAudiences,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      // By conversation_participants_user_id_idx and its primary key, friend_requests_from_user_id_idx and
      // friend_requests_to_user_id_idx, and the primary keys of users and blocks. Of a large conversation, no more than mostPeople
      // entries of the index are read.
      const find = SqlSchema.findAll({
        Request: Schema.Array(UserId),
        Result: Schema.Struct({
          user: UserId,
          people: Schema.Array(UserId),
          conversations: Schema.Array(ConversationId)
        }),
        execute: (users) => sql`
          SELECT me.id AS "user", mine.conversations, ARRAY(
            SELECT u.id FROM (
              SELECT to_user_id AS id FROM friend_requests WHERE from_user_id = me.id AND status = 'accepted'
              UNION
              SELECT from_user_id FROM friend_requests WHERE to_user_id = me.id AND status = 'accepted'
              UNION
              SELECT user_id FROM conversation_participants WHERE conversation_id = ANY(mine.conversations)
            ) near JOIN users u ON u.id = near.id
            WHERE u.id <> me.id AND u.shows_presence
              AND NOT EXISTS (SELECT FROM blocks WHERE blocker_id = me.id AND blocked_id = u.id)
              AND NOT EXISTS (SELECT FROM blocks WHERE blocker_id = u.id AND blocked_id = me.id)
          ) AS people
          FROM users me, LATERAL (
            SELECT coalesce(array_agg(p.conversation_id), '{}') AS conversations FROM conversation_participants p
            WHERE p.user_id = me.id AND NOT EXISTS (
              SELECT FROM conversation_participants o WHERE o.conversation_id = p.conversation_id OFFSET ${mostPeople})
          ) mine
          WHERE me.id = ANY(${users}::uuid[]) AND me.shows_presence`
      })

      const of = Effect.fn("PresenceAudiences.of")(function* (users: ReadonlyArray<UserId>) {
        const circles = new Map<UserId, PresenceAudience>(
          users.map((user) => [user, { people: new Set(), conversations: new Set() }])
        )
        for (const { conversations, people, user } of yield* find(users)) {
          circles.set(user, { people: new Set(people), conversations: new Set(conversations) })
        }
        return circles
      }, catchDatabaseErrors)

      // By the primary key of conversation_participants.
      const findParticipants = SqlSchema.findAll({
        Request: Schema.Struct({ conversations: Schema.Array(ConversationId), among: Schema.Array(UserId) }),
        Result: Schema.Struct({ user: UserId }),
        execute: ({ among, conversations }) => sql`
          SELECT DISTINCT user_id AS "user" FROM conversation_participants
          WHERE conversation_id = ANY(${conversations}::uuid[]) AND user_id = ANY(${among}::uuid[])`
      })

      const participants = Effect.fn("PresenceAudiences.participants")(
        (conversations: ReadonlyArray<ConversationId>, among: ReadonlyArray<UserId>) =>
          Effect.map(findParticipants({ conversations, among }), (rows) => rows.map(({ user }) => user)),
        catchDatabaseErrors
      )

      return PresenceAudiences.of({ of, participants })
    })
  )
}
