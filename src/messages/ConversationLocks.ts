import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { ConversationId, History, Position, Role } from "../contract/Conversation.ts"
import { NotFound, type DatabaseUnavailable } from "../contract/Problem.ts"
import { boundedLocks, LockWaits } from "../database/LockWaits.ts"
import { inTransaction } from "../database/Transaction.ts"

/** The start of a walk through many conversations: below every id. Several are locked in the order of their ids. */
export const beforeAll = ConversationId.make("00000000-0000-0000-0000-000000000000")

/** A conversation whose row is locked, as the participant who changes it finds it. */
export const LockedConversation = Schema.Struct({
  isDirectMessage: Schema.Boolean,
  name: Schema.NullOr(Schema.String),
  description: Schema.NullOr(Schema.String),
  history: History,
  head: Position,
  /** The participant's. */
  role: Role,
  /** The participant sees only messages posted after this. */
  visibleAfter: Position
})

/** Locks a conversation's row for a change, so that changes happen one after the other. Every change goes this way. */
export class ConversationLocks extends Context.Service<
  ConversationLocks,
  {
    /**
     * Runs `change` in a transaction that has locked the conversation and the caller's row in it. Everything that `change` reads
     * of the conversation stays as it is until its own commit. The wait for the lock is bounded, see {@link LockWaits}.
     */
    readonly withLock: <A, E, R>(
      caller: UserId,
      id: ConversationId,
      change: (conversation: typeof LockedConversation.Type) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | NotFound | DatabaseUnavailable | SqlError.SqlError | Schema.SchemaError, R>
  }
>()("xfchat/messages/ConversationLocks") {
  static readonly layer = Layer.effect(
    ConversationLocks,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const waits = yield* LockWaits

      // By the primary keys. Both rows are read as of the lock, not as of the beginning of the statement.
      const lock = SqlSchema.findAll({
        Request: Schema.Struct({ caller: UserId, id: ConversationId }),
        Result: LockedConversation,
        execute: ({ caller, id }) => sql`
          SELECT c.is_direct_message AS "isDirectMessage", c.name, c.description, c.history, c.head, p.role,
            p.visible_after AS "visibleAfter"
          FROM ${boundedLocks(sql)}, conversations c
          JOIN conversation_participants p ON p.conversation_id = c.id AND p.user_id = ${caller}
          WHERE c.id = ${id} FOR NO KEY UPDATE OF c, p`
      })

      const withLock = Effect.fnUntraced(
        function* <A, E, R>(
          caller: UserId,
          id: ConversationId,
          change: (conversation: typeof LockedConversation.Type) => Effect.Effect<A, E, R>
        ) {
          const [conversation] = yield* lock({ caller, id })
          if (conversation === undefined) return yield* new NotFound({ detail: "There is no such conversation." })
          return yield* change(conversation)
        },
        inTransaction(sql),
        (locked, _caller, id) => locked.pipe(waits.bound("conversation", id))
      )

      return ConversationLocks.of({ withLock })
    })
  )
}
