import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { ConversationId } from "../contract/Conversation.ts"

/** A group, and who owns it now. */
export interface Inherited {
  readonly id: ConversationId
  readonly heir: UserId
}

/** To whom a group passes whose owner no longer leads it. */
export class Ownership extends Context.Service<
  Ownership,
  {
    /**
     * Passes on those of some groups that a person owns, to the participant who has been there longest: people who can sign
     * in before disabled accounts, admins before members. The former owner becomes an admin. An owner who `leaves` is
     * followed by anybody; one who stays only by a person who can sign in. Where there is nobody, all stays as it is. Part of a
     * transaction that has locked the groups.
     */
    readonly passOn: (
      owner: UserId,
      groups: ReadonlyArray<ConversationId>,
      why: "leaves" | "stays"
    ) => Effect.Effect<ReadonlyArray<Inherited>, SqlError.SqlError | Schema.SchemaError>
    /** Gives a group to one of its participants; its owner becomes an admin. Part of a transaction that has locked the group. */
    readonly give: (group: ConversationId, heir: UserId) => Effect.Effect<void, SqlError.SqlError>
  }
>()("xfchat/conversations/Ownership") {
  static readonly layer = Layer.effect(
    Ownership,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      // By the primary keys.
      const passOn = SqlSchema.findAll({
        Request: Schema.Struct({ owner: UserId, groups: Schema.Array(ConversationId), leaves: Schema.Boolean }),
        Result: Schema.Struct({ id: ConversationId, heir: UserId }),
        execute: ({ groups, leaves, owner }) => sql`
          WITH heirs AS (
            SELECT DISTINCT ON (o.conversation_id) o.conversation_id, o.user_id
            FROM conversation_participants former
            JOIN conversation_participants o ON o.conversation_id = former.conversation_id AND o.user_id <> former.user_id
            JOIN users u ON u.id = o.user_id AND u.deleted_at IS NULL AND (${leaves} OR u.disabled_at IS NULL)
            WHERE former.conversation_id = ANY(${groups}::uuid[]) AND former.user_id = ${owner} AND former.role = 'owner'
            ORDER BY o.conversation_id, u.disabled_at IS NULL DESC, o.role = 'admin' DESC, o.joined_at, o.user_id
          ), changed AS (
            UPDATE conversation_participants p SET role = CASE WHEN p.user_id = h.user_id THEN 'owner' ELSE 'admin' END
            FROM heirs h WHERE p.conversation_id = h.conversation_id AND p.user_id IN (h.user_id, ${owner})
          )
          SELECT conversation_id AS id, user_id AS heir FROM heirs`
      })

      // By the primary key.
      const give = (group: ConversationId, heir: UserId) =>
        Effect.asVoid(sql`
          UPDATE conversation_participants SET role = CASE WHEN user_id = ${heir} THEN 'owner' ELSE 'admin' END
          WHERE conversation_id = ${group} AND (user_id = ${heir} OR role = 'owner')`)

      return Ownership.of({
        passOn: (owner, groups, why) =>
          groups.length === 0 ? Effect.succeed([]) : passOn({ owner, groups, leaves: why === "leaves" }),
        give
      })
    })
  )
}
