import { Context, Data, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { folded } from "../database/FoldedName.ts"
import { foldLogin, UserId } from "../contract/Account.ts"
import { NoSuchAccount } from "../auth/NoSuchAccount.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { inTransaction } from "../database/Transaction.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { ConversationId, Position, Role } from "../contract/Conversation.ts"
import { Ownership } from "./Ownership.ts"
import { SystemMessages } from "../messages/SystemMessages.ts"

/** No conversation has this id, or it was deleted. */
export class NoSuchConversation extends Data.TaggedError("NoSuchConversation")<{ readonly id: ConversationId }> {
  override get message() {
    return `There is no conversation ${this.id}: the id is wrong, or the conversation was deleted.`
  }
}

/** The group keeps its owner. */
export class NotHandedOver extends Data.TaggedError("NotHandedOver")<{ readonly reason: string }> {
  override get message() {
    return `The group was not handed over: ${this.reason}. Nothing has changed.`
  }
}

/** The operator's view of a conversation. */
const ConversationState = Schema.Struct({
  isDirectMessage: Schema.Boolean,
  name: Schema.NullOr(Schema.String),
  head: Position,
  createdAt: Schema.DateTimeUtcFromDate,
  /** The participants, in the order in which they joined. */
  people: Schema.Array(
    Schema.Struct({ username: Schema.String, role: Role, account: Schema.Literals(["active", "disabled", "deleted"]) })
  )
})
export type ConversationState = typeof ConversationState.Type

/** The operator's access to conversations: a view, and one change. */
export class ConversationAdmin extends Context.Service<
  ConversationAdmin,
  {
    /** Shows the participants of a conversation, and nothing of its messages. */
    readonly show: (id: ConversationId) => Effect.Effect<ConversationState, NoSuchConversation | DatabaseUnavailable>
    /**
     * Makes a participant whose account is not disabled the owner of a group, and the owner an admin. The log says so, as if
     * the owner had done it. Does nothing if the person owns the group already.
     */
    readonly handOver: (
      id: ConversationId,
      username: string
    ) => Effect.Effect<void, NoSuchConversation | NoSuchAccount | NotHandedOver | DatabaseUnavailable>
  }
>()("xfchat/conversations/ConversationAdmin") {
  static readonly layer = Layer.effect(
    ConversationAdmin,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ownership = yield* Ownership
      const systemMessages = yield* SystemMessages

      const one = <A>(id: ConversationId, [row]: ReadonlyArray<A>) =>
        row === undefined ? Effect.fail(new NoSuchConversation({ id })) : Effect.succeed(row)

      // By the primary keys.
      const find = SqlSchema.findAll({
        Request: ConversationId,
        Result: ConversationState,
        execute: (id) => sql`
          SELECT is_direct_message AS "isDirectMessage", name, head, created_at AS "createdAt", coalesce((
              SELECT jsonb_agg(jsonb_build_object('username', u.username, 'role', p.role, 'account', CASE
                  WHEN u.deleted_at IS NOT NULL THEN 'deleted' WHEN u.disabled_at IS NOT NULL THEN 'disabled' ELSE 'active' END)
                ORDER BY p.joined_at, p.user_id)
              FROM conversation_participants p JOIN users u ON u.id = p.user_id WHERE p.conversation_id = c.id), '[]') AS people
          FROM conversations c WHERE id = ${id} AND deleted_at IS NULL`
      })

      const show = Effect.fn("ConversationAdmin.show")(function* (id: ConversationId) {
        return yield* one(id, yield* find(id))
      }, catchDatabaseErrors)

      // By the primary key.
      const lock = SqlSchema.findAll({
        Request: ConversationId,
        Result: Schema.Struct({ isDirectMessage: Schema.Boolean }),
        execute: (id) => sql`
          SELECT is_direct_message AS "isDirectMessage" FROM conversations WHERE id = ${id} AND deleted_at IS NULL
          FOR NO KEY UPDATE`
      })

      // By users_username_key and the primary keys. It waits for a transaction that is disabling the account, whose groups may
      // have passed on before it gets this one.
      const findNewOwner = SqlSchema.findAll({
        Request: Schema.Struct({ id: ConversationId, username: Schema.String }),
        Result: Schema.Struct({
          newOwner: UserId,
          isDisabled: Schema.Boolean,
          role: Schema.NullOr(Role),
          owner: Schema.NullOr(UserId)
        }),
        execute: ({ id, username }) => sql`
          SELECT u.id AS "newOwner", u.disabled_at IS NOT NULL AS "isDisabled",
            (SELECT role FROM conversation_participants WHERE conversation_id = ${id} AND user_id = u.id) AS role,
            (SELECT user_id FROM conversation_participants WHERE conversation_id = ${id} AND role = 'owner') AS owner
          FROM users u WHERE ${sql.literal(folded("u.username"))} = ${foldLogin(username)} AND u.deleted_at IS NULL FOR SHARE OF u`
      })

      const handOver = Effect.fn("ConversationAdmin.handOver")(function* (id: ConversationId, username: string) {
        const head = yield* Effect.gen(function* () {
          const { isDirectMessage } = yield* one(id, yield* lock(id))
          if (isDirectMessage) {
            return yield* new NotHandedOver({ reason: `${id} is a direct conversation, which has no owner` })
          }
          const [found] = yield* findNewOwner({ id, username })
          if (found === undefined) return yield* new NoSuchAccount({ username })
          const { newOwner, isDisabled, owner, role } = found
          if (role === null) {
            return yield* new NotHandedOver({
              reason: `${username} is not in it, see \`xfchat conversation show ${id}\``
            })
          }
          if (role === "owner") return undefined
          if (isDisabled) {
            return yield* new NotHandedOver({ reason: `${username} is disabled, see \`xfchat user enable\`` })
          }
          yield* ownership.give(id, newOwner)
          // The log has it as an act of the former owner, as when an owner is disabled.
          const by = owner ?? newOwner
          return yield* systemMessages.append(id, [
            ...(owner === null ? [] : [{ event: "roleChanged", by, user: owner, role: "admin" } as const]),
            { event: "roleChanged", by, user: newOwner, role: "owner" }
          ])
        }).pipe(inTransaction(sql))
        if (head !== undefined) yield* systemMessages.announce(id, head)
      }, catchDatabaseErrors)

      return ConversationAdmin.of({ show, handOver })
    })
  )
}
