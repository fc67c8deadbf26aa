import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../auth/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { NotFound, ValidationFailed, type DatabaseUnavailable } from "../Problem.ts"
import { Conversation, ConversationId } from "./Conversation.ts"

export class Conversations extends Context.Service<
  Conversations,
  {
    /** The one direct conversation of two people, made if there is none, also when both ask at once. */
    readonly direct: (
      caller: UserId,
      other: UserId
    ) => Effect.Effect<
      { readonly conversation: Conversation; readonly created: boolean },
      NotFound | ValidationFailed | DatabaseUnavailable
    >
    /** A conversation that the caller takes part in. */
    readonly get: (caller: UserId, id: ConversationId) => Effect.Effect<Conversation, NotFound | DatabaseUnavailable>
  }
>()("xfchat/messaging/Conversations") {
  static readonly layer = Layer.effect(
    Conversations,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const Pair = Schema.Struct({ caller: UserId, other: UserId })

      // The unique index conversations_direct_pair_key settles races: who comes second waits for the first to commit, and
      // inserts nothing. Nothing is made either when the other person is not there.
      const insertDirect = SqlSchema.findAll({
        Request: Pair,
        Result: Schema.Struct({ id: ConversationId }),
        execute: ({ caller, other }) => sql`
          WITH made AS (
            INSERT INTO conversations (is_direct_message, created_by, direct_low, direct_high)
            SELECT true, ${caller}::uuid, least(${caller}::uuid, id), greatest(${caller}::uuid, id)
            FROM users WHERE id = ${other}
            ON CONFLICT (direct_low, direct_high) DO NOTHING
            RETURNING id
          ), joined AS (
            INSERT INTO conversation_participants (conversation_id, user_id)
            SELECT made.id, person FROM made, unnest(ARRAY[${caller}, ${other}]::uuid[]) AS person
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

      const direct = Effect.fn("Conversations.direct")(function* (caller: UserId, other: UserId) {
        if (caller === other) {
          return yield* new ValidationFailed({
            errors: [{ path: ["params", "userId"], message: "must be somebody else's id" }]
          })
        }
        const pair = { caller, other }
        const [existing] = yield* findDirect(pair)
        const [made] = existing === undefined ? yield* insertDirect(pair) : []
        const [found] = (existing ?? made) ? [existing ?? made] : yield* findDirect(pair)
        if (found === undefined) return yield* new NotFound({ detail: "There is no such user." })
        return { conversation: yield* get(caller, found.id), created: made !== undefined }
      }, catchDatabaseErrors)

      // By the primary keys of conversations and conversation_participants.
      const find = SqlSchema.findAll({
        Request: Schema.Struct({ caller: UserId, id: ConversationId }),
        Result: Conversation,
        execute: ({ caller, id }) => sql`
          SELECT c.id, c.is_direct_message AS "isDirectMessage", c.name, c.description, c.head, c.created_at AS "createdAt",
            (SELECT jsonb_agg(jsonb_build_object(
                'id', u.id, 'username', u.username, 'displayName', u.display_name, 'avatarUrl', u.avatar_url,
                'role', p.role, 'joinedAt', p.joined_at) ORDER BY p.joined_at, p.user_id)
              FROM conversation_participants p JOIN users u ON u.id = p.user_id
              WHERE p.conversation_id = c.id) AS participants
          FROM conversations c
          WHERE c.id = ${id}
            AND EXISTS (SELECT FROM conversation_participants WHERE conversation_id = c.id AND user_id = ${caller})`
      })

      const get = Effect.fn("Conversations.get")(function* (caller: UserId, id: ConversationId) {
        const [conversation] = yield* find({ caller, id })
        return conversation ?? (yield* new NotFound({ detail: "There is no such conversation." }))
      }, catchDatabaseErrors)

      return Conversations.of({ direct, get })
    })
  )
}
