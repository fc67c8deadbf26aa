import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { UserId } from "../auth/Account.ts"
import { ConversationId, Position } from "./Conversation.ts"
import { SystemMessages, type Said } from "./SystemMessages.ts"

/** What stands of a person in the conversations that they take part in. */
export class Memberships extends Context.Service<
  Memberships,
  {
    /**
     * Takes a person out of all their conversations. Part of the transaction that has marked their account as deleted;
     * the listeners are told when it has committed.
     *
     * They leave each group as they could have themselves: it is said in its log, and what they owned passes to who has
     * been in it longest, admins first. A direct conversation stays as it is for the other one. What nobody is left in is
     * gone.
     */
    readonly leaveAll: (userId: UserId) => Effect.Effect<void, SqlError.SqlError | Schema.SchemaError>
    /**
     * Has each direct conversation of a person shown anew to the other one, whose inbox names them. Part of the transaction
     * that has changed what they are called.
     */
    readonly showAnew: (userId: UserId) => Effect.Effect<void, SqlError.SqlError | Schema.SchemaError>
  }
>()("xfchat/messaging/Memberships") {
  static readonly layer = Layer.effect(
    Memberships,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const systemMessages = yield* SystemMessages

      // By conversation_participants_user_id_idx and the primary key. In the order of ids, like every lock of several.
      const lock = SqlSchema.findAll({
        Request: UserId,
        Result: Schema.Struct({ id: ConversationId }),
        execute: (userId) => sql`
          SELECT id FROM conversations
          WHERE id IN (SELECT conversation_id FROM conversation_participants WHERE user_id = ${userId})
          ORDER BY id FOR NO KEY UPDATE`
      })

      const Departing = Schema.Struct({ userId: UserId, conversations: Schema.Array(ConversationId) })

      // By the primary keys.
      const removeEmptied = SqlSchema.findAll({
        Request: Departing,
        Result: Schema.Struct({ id: ConversationId }),
        execute: ({ conversations, userId }) => sql`
          DELETE FROM conversations c WHERE id = ANY(${conversations}::uuid[]) AND NOT EXISTS (
            SELECT FROM conversation_participants o JOIN users u ON u.id = o.user_id
            WHERE o.conversation_id = c.id AND o.user_id <> ${userId} AND u.deleted_at IS NULL)
          RETURNING id`
      })

      // By the primary keys.
      const leaveGroups = SqlSchema.findAll({
        Request: Departing,
        Result: Schema.Struct({ id: ConversationId, heir: Schema.NullOr(UserId) }),
        execute: ({ conversations, userId }) => sql`
          WITH gone AS (
            DELETE FROM conversation_participants p USING conversations c
            WHERE c.id = p.conversation_id AND NOT c.is_direct_message
              AND p.conversation_id = ANY(${conversations}::uuid[]) AND p.user_id = ${userId}
            RETURNING p.conversation_id, p.role
          ), heirs AS (
            SELECT DISTINCT ON (o.conversation_id) o.conversation_id, o.user_id
            FROM gone JOIN conversation_participants o ON o.conversation_id = gone.conversation_id
            WHERE gone.role = 'owner' AND o.user_id <> ${userId}
            ORDER BY o.conversation_id, o.role = 'admin' DESC, o.joined_at, o.user_id
          ), crowned AS (
            UPDATE conversation_participants p SET role = 'owner' FROM heirs h
            WHERE p.conversation_id = h.conversation_id AND p.user_id = h.user_id
          )
          SELECT gone.conversation_id AS id, heirs.user_id AS heir FROM gone LEFT JOIN heirs USING (conversation_id)`
      })

      // By conversation_participants_user_id_idx and the primary key. Written as it is: an inbox shows what was written.
      const touchDirect = SqlSchema.findAll({
        Request: UserId,
        Result: Schema.Struct({ id: ConversationId, head: Position }),
        execute: (userId) => sql`
          UPDATE conversations SET head = head WHERE id IN (
            SELECT c.id FROM conversations c
            JOIN conversation_participants p ON p.conversation_id = c.id AND p.user_id = ${userId}
            WHERE c.is_direct_message ORDER BY c.id FOR NO KEY UPDATE OF c)
          RETURNING id, head`
      })

      const announce = (changed: ReadonlyArray<{ readonly id: ConversationId; readonly head: Position }>) =>
        Effect.forEach(changed, ({ head, id }) => systemMessages.announce(id, head), { discard: true })

      const showAnew = Effect.fn("Memberships.showAnew")(function* (userId: UserId) {
        yield* announce(yield* touchDirect(userId))
      })

      const leaveAll = Effect.fn("Memberships.leaveAll")(function* (userId: UserId) {
        const conversations = (yield* lock(userId)).map(({ id }) => id)
        if (conversations.length === 0) return
        const emptied = yield* removeEmptied({ userId, conversations })
        const left = yield* leaveGroups({ userId, conversations })
        const said = left.flatMap(({ heir, id }): ReadonlyArray<Said> => {
          const goodbye: Said = { conversationId: id, content: { event: "left", user: userId } }
          return heir === null
            ? [goodbye]
            : [
                goodbye,
                { conversationId: id, content: { event: "roleChanged", by: userId, user: heir, role: "owner" } }
              ]
        })
        yield* announce(emptied.map(({ id }) => ({ id, head: Position.make(0) })))
        yield* announce(yield* systemMessages.appendAll(said))
        yield* showAnew(userId)
      })

      return Memberships.of({ leaveAll, showAnew })
    })
  )
}
