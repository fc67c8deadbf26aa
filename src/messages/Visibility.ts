import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { ChangeHint, ChangeBus } from "../changes/ChangeBus.ts"
import { ConversationId } from "../contract/Conversation.ts"

/** What participants see of logs that are there already. */
export class Visibility extends Context.Service<
  Visibility,
  {
    /**
     * Whose messages are hidden from a participant has changed: every copy that they have of a log has to be made anew. To be
     * part of the transaction that changes it; streams are told after its commit. `newlyBlocked` goes on seeing the viewer's
     * receipts as they are now, see `ReceiptRow.ts`.
     */
    readonly rewrite: (
      viewer: UserId,
      newlyBlocked?: UserId
    ) => Effect.Effect<void, SqlError.SqlError | Schema.SchemaError>
  }
>()("xfchat/messages/Visibility") {
  static readonly layer = Layer.effect(
    Visibility,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus

      // By conversation_participants_user_id_idx and the primary keys. All their logs: who was blocked may join any of them.
      // Under the locks of the conversations, in the order of their ids: what is posted later has a position above `head`,
      // and whoever reads it sees the new epoch.
      const rewriteLogs = SqlSchema.findAll({
        Request: Schema.Struct({ viewer: UserId, newlyBlocked: Schema.NullOr(UserId) }),
        Result: Schema.Struct({ conversationId: ConversationId, epoch: Schema.Int }),
        execute: ({ newlyBlocked, viewer }) => sql`
          WITH log AS (
            SELECT c.id, c.head FROM conversations c
            JOIN conversation_participants p ON p.conversation_id = c.id AND p.user_id = ${viewer}
            ORDER BY c.id FOR NO KEY UPDATE OF c
          ), rewritten AS (
            UPDATE conversation_participants p SET rewritten_at = log.head
            FROM log WHERE p.conversation_id = log.id AND p.user_id = ${viewer}
            RETURNING p.*
          ), frozen AS (
            -- The cursors as the update found them under its lock: no receipt comes in between.
            INSERT INTO frozen_receipts (conversation_id, blocked_id, blocker_id, last_delivered_seq, last_read_seq)
            SELECT r.conversation_id, o.user_id, r.user_id, r.last_delivered_seq, r.last_read_seq
            FROM rewritten r JOIN conversation_participants o
              ON o.conversation_id = r.conversation_id AND o.user_id = ${newlyBlocked}::uuid
          )
          INSERT INTO visibility_epochs AS v (conversation_id, epoch) SELECT id, 1 FROM log ORDER BY id
          ON CONFLICT (conversation_id) DO UPDATE SET epoch = v.epoch + 1
          RETURNING conversation_id AS "conversationId", epoch`
      })

      const rewrite = Effect.fn("Visibility.rewrite")(function* (viewer: UserId, newlyBlocked?: UserId) {
        const logs = yield* rewriteLogs({ viewer, newlyBlocked: newlyBlocked ?? null })
        yield* sql.afterCommit(bus.publish(logs.map((log) => ChangeHint.Visibility(log))))
      })

      return Visibility.of({ rewrite })
    })
  )
}
