import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { ConversationId } from "../contract/Conversation.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { inTransaction } from "../database/Transaction.ts"
import { beforeAll } from "../messages/ConversationLocks.ts"
import { SystemMessages, type Said } from "../messages/SystemMessages.ts"

/** Groups that one transaction passes on, at most: each may have a thousand participants to look at. */
const mostAtOnce = 100

/** A group that has passed on, and its new owner. */
export interface Inherited {
  readonly id: ConversationId
  readonly heir: UserId
}

/** The owners of groups: the rule by which a group passes on when its owner no longer leads it, and the change itself. */
export class Ownership extends Context.Service<
  Ownership,
  {
    /**
     * Passes on those of some groups that a person owns, each to the participant who has been in it longest: people who can
     * sign in before disabled accounts, admins before members. The former owner becomes an admin. Anybody can succeed an
     * owner who `leaves`; only a person who can sign in succeeds one who `stays`. Without a successor nothing changes. Part
     * of a transaction that has locked the groups.
     */
    readonly passOn: (
      owner: UserId,
      groups: ReadonlyArray<ConversationId>,
      why: "leaves" | "stays"
    ) => Effect.Effect<ReadonlyArray<Inherited>, SqlError.SqlError | Schema.SchemaError>
    /** Passes on all groups of a person who stays in them, and says so in their logs. */
    readonly passOnEverywhere: (owner: UserId) => Effect.Effect<void, DatabaseUnavailable>
    /** Makes a participant the owner, and the owner an admin. Part of a transaction that has locked the group. */
    readonly give: (group: ConversationId, heir: UserId) => Effect.Effect<void, SqlError.SqlError>
  }
>()("xfchat/conversations/Ownership") {
  static readonly layer = Layer.effect(
    Ownership,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const systemMessages = yield* SystemMessages

      // By the primary keys.
      const giveToSuccessors = SqlSchema.findAll({
        Request: Schema.Struct({ owner: UserId, groups: Schema.Array(ConversationId), leaves: Schema.Boolean }),
        Result: Schema.Struct({ id: ConversationId, heir: UserId }),
        execute: ({ groups, leaves, owner }) => sql`
          WITH successors AS (
            SELECT DISTINCT ON (o.conversation_id) o.conversation_id, o.user_id
            FROM conversation_participants former
            JOIN conversation_participants o ON o.conversation_id = former.conversation_id AND o.user_id <> former.user_id
            JOIN users u ON u.id = o.user_id AND u.deleted_at IS NULL AND (${leaves} OR u.disabled_at IS NULL)
            WHERE former.conversation_id = ANY(${groups}::uuid[]) AND former.user_id = ${owner} AND former.role = 'owner'
            ORDER BY o.conversation_id, u.disabled_at IS NULL DESC, o.role = 'admin' DESC, o.joined_at, o.user_id
          ), promoted AS (
            UPDATE conversation_participants p SET role = CASE WHEN p.user_id = s.user_id THEN 'owner' ELSE 'admin' END
            FROM successors s WHERE p.conversation_id = s.conversation_id AND p.user_id IN (s.user_id, ${owner})
          )
          SELECT conversation_id AS id, user_id AS heir FROM successors`
      })

      // By the primary key.
      const give = (group: ConversationId, heir: UserId) =>
        Effect.asVoid(sql`
          UPDATE conversation_participants SET role = CASE WHEN user_id = ${heir} THEN 'owner' ELSE 'admin' END
          WHERE conversation_id = ${group} AND (user_id = ${heir} OR role = 'owner')`)

      const passOn = Effect.fn("Ownership.passOn")(function* (
        owner: UserId,
        groups: ReadonlyArray<ConversationId>,
        why: "leaves" | "stays"
      ) {
        return groups.length === 0 ? [] : yield* giveToSuccessors({ owner, groups, leaves: why === "leaves" })
      })

      // By conversation_participants_user_id_idx and the primary key. In the order of ids, like every lock of several.
      const lockNext = SqlSchema.findAll({
        Request: Schema.Struct({ owner: UserId, after: ConversationId }),
        Result: Schema.Struct({ id: ConversationId }),
        execute: ({ after, owner }) => sql`
          SELECT c.id FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id
          WHERE p.user_id = ${owner} AND p.role = 'owner' AND p.conversation_id > ${after}
          ORDER BY p.conversation_id LIMIT ${mostAtOnce} FOR NO KEY UPDATE OF c`
      })

      /** Passes on the groups with the lowest ids after `after`. Gives the last of them, if there may be more. */
      const passOnSome = Effect.fnUntraced(function* (owner: UserId, after: ConversationId) {
        const groups = (yield* lockNext({ owner, after })).map(({ id }) => id)
        const said = (yield* passOn(owner, groups, "stays")).flatMap(({ heir, id }): ReadonlyArray<Said> => [
          { conversationId: id, content: { event: "roleChanged", by: owner, user: owner, role: "admin" } },
          { conversationId: id, content: { event: "roleChanged", by: owner, user: heir, role: "owner" } }
        ])
        for (const { head, id } of yield* systemMessages.appendAll(said)) yield* systemMessages.announce(id, head)
        return groups.length === mostAtOnce ? groups.at(-1) : undefined
      }, inTransaction(sql))

      const passOnEverywhere = Effect.fn("Ownership.passOnEverywhere")(function* (owner: UserId) {
        let after: ConversationId | undefined = beforeAll
        while (after !== undefined) after = yield* passOnSome(owner, after)
      }, catchDatabaseErrors)

      return Ownership.of({ passOn, passOnEverywhere, give })
    })
  )
}
