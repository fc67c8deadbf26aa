import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { blocks, friendshipsOf } from "../people/PairRow.ts"
import { ConversationId } from "../contract/Conversation.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import type { PresenceAudience } from "../contract/PresencePage.ts"

/** Larger conversations show neither presence nor typing, so that a change reaches few people. */
export const mostPeople = 100

/**
 * The people whom each person may see: friends, and the other participants of conversations of at most {@link mostPeople}, except where
 * either blocks the other. People who hide their presence see nobody, and nobody sees them.
 */
export class PresenceAudiences extends Context.Service<
  PresenceAudiences,
  {
    /** The audience of each user; an empty one for a user who does not exist. */
    readonly find: (
      users: ReadonlyArray<UserId>
    ) => Effect.Effect<ReadonlyMap<UserId, PresenceAudience>, DatabaseUnavailable>
    /** Those of some users who are participants of any of these conversations. */
    readonly findParticipants: (
      conversations: ReadonlyArray<ConversationId>,
      among: ReadonlyArray<UserId>
    ) => Effect.Effect<ReadonlyArray<UserId>, DatabaseUnavailable>
  }
>()("xfchat/presence/PresenceAudiences") {
  static readonly layer = Layer.effect(
    PresenceAudiences,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      // By conversation_participants_user_id_idx and its primary key, friend_requests_from_user_id_idx and
      // friend_requests_to_user_id_idx, and the primary keys of users and blocks. Of a large conversation at most mostPeople + 1
      // entries of the index are read.
      const findRows = SqlSchema.findAll({
        Request: Schema.Array(UserId),
        Result: Schema.Struct({
          user: UserId,
          people: Schema.Array(UserId),
          conversations: Schema.Array(ConversationId)
        }),
        execute: (users) => sql`
          SELECT me.id AS "user", mine.conversations, ARRAY(
            SELECT u.id FROM (
              SELECT id FROM (${sql.literal(friendshipsOf("me.id"))}) friends
              UNION
              SELECT user_id FROM conversation_participants WHERE conversation_id = ANY(mine.conversations)
            ) near JOIN users u ON u.id = near.id
            WHERE u.id <> me.id AND u.shows_presence
              AND NOT ${sql.literal(blocks("me.id", "u.id"))} AND NOT ${sql.literal(blocks("u.id", "me.id"))}
          ) AS people
          FROM users me, LATERAL (
            SELECT coalesce(array_agg(p.conversation_id), '{}') AS conversations FROM conversation_participants p
            WHERE p.user_id = me.id AND NOT EXISTS (
              SELECT FROM conversation_participants o WHERE o.conversation_id = p.conversation_id OFFSET ${mostPeople})
          ) mine
          WHERE me.id = ANY(${users}::uuid[]) AND me.shows_presence`
      })

      const find = Effect.fn("PresenceAudiences.find")(function* (users: ReadonlyArray<UserId>) {
        const audiences = new Map<UserId, PresenceAudience>(
          users.map((user) => [user, { people: new Set(), conversations: new Set() }])
        )
        for (const { conversations, people, user } of yield* findRows(users)) {
          audiences.set(user, { people: new Set(people), conversations: new Set(conversations) })
        }
        return audiences
      }, catchDatabaseErrors)

      // By the primary key of conversation_participants.
      const findParticipantRows = SqlSchema.findAll({
        Request: Schema.Struct({ conversations: Schema.Array(ConversationId), among: Schema.Array(UserId) }),
        Result: Schema.Struct({ user: UserId }),
        execute: ({ among, conversations }) => sql`
          SELECT DISTINCT user_id AS "user" FROM conversation_participants
          WHERE conversation_id = ANY(${conversations}::uuid[]) AND user_id = ANY(${among}::uuid[])`
      })

      const findParticipants = Effect.fn("PresenceAudiences.findParticipants")(
        (conversations: ReadonlyArray<ConversationId>, among: ReadonlyArray<UserId>) =>
          Effect.map(findParticipantRows({ conversations, among }), (rows) => rows.map(({ user }) => user)),
        catchDatabaseErrors
      )

      return PresenceAudiences.of({ find, findParticipants })
    })
  )
}
