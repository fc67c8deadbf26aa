import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { ChangeHint, ChangeBus } from "../changes/ChangeBus.ts"
import { ConversationId } from "../contract/Conversation.ts"
import { beforeAll } from "./ConversationLocks.ts"
import { boundedLocks } from "../database/LockWaits.ts"

/** Conversations in one statement: each is several rows, and a statement has a time limit. */
const maxPerStatement = 1_000

/** Keeps copies of a log from showing a participant messages that a block has hidden, or hiding ones that it shows again. */
export class Visibility extends Context.Service<
  Visibility,
  {
    /**
     * Invalidates every copy of a log that the viewer has, because they blocked or unblocked somebody. Runs in the transaction
     * that changes the block; streams learn of it after the commit. `newlyBlocked` still sees the viewer's receipts as of now,
     * see `ReceiptRow.ts`.
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

      // By conversation_participants_user_id_idx and the primary keys. Rewrites all logs of the viewer, since a blocked person
      // may join any. Locks the conversations in the order of their ids. A message that is posted later has a position above
      // `head`, and its readers see the new epoch.
      const rewriteLogs = SqlSchema.findAll({
        Request: Schema.Struct({ viewer: UserId, newlyBlocked: Schema.NullOr(UserId), after: ConversationId }),
        Result: Schema.Struct({ conversationId: ConversationId, epoch: Schema.Int }),
        execute: ({ after, newlyBlocked, viewer }) => sql`
          WITH log AS (
            SELECT c.id, c.head FROM ${boundedLocks(sql)}, conversations c
            JOIN conversation_participants p ON p.conversation_id = c.id AND p.user_id = ${viewer}
            WHERE c.id > ${after} ORDER BY c.id LIMIT ${maxPerStatement} FOR NO KEY UPDATE OF c
          ), rewritten AS (
            UPDATE conversation_participants p SET rewritten_at = log.head
            FROM log WHERE p.conversation_id = log.id AND p.user_id = ${viewer}
            RETURNING p.*
          ), frozen AS (
            -- The cursors as the update found them under its lock, so that no receipt comes in between.
            INSERT INTO frozen_receipts (conversation_id, blocked_id, blocker_id, last_delivered_seq, last_read_seq)
            SELECT r.conversation_id, o.user_id, r.user_id, r.last_delivered_seq, r.last_read_seq
            FROM rewritten r JOIN conversation_participants o
              ON o.conversation_id = r.conversation_id AND o.user_id = ${newlyBlocked}::uuid
          ), revised AS (
            INSERT INTO visibility_epochs AS v (conversation_id, epoch) SELECT id, 1 FROM log ORDER BY id
            ON CONFLICT (conversation_id) DO UPDATE SET epoch = v.epoch + 1
            RETURNING conversation_id, epoch
          )
          SELECT conversation_id AS "conversationId", epoch FROM revised ORDER BY conversation_id`
      })

      const rewrite = Effect.fn("Visibility.rewrite")(function* (viewer: UserId, newlyBlocked?: UserId) {
        let after: ConversationId | undefined = beforeAll
        while (after !== undefined) {
          const logs: ReadonlyArray<{ readonly conversationId: ConversationId; readonly epoch: number }> =
            yield* rewriteLogs({ viewer, newlyBlocked: newlyBlocked ?? null, after })
          yield* sql.afterCommit(bus.publish(logs.map((log) => ChangeHint.Visibility(log))))
          after = logs.length === maxPerStatement ? logs.at(-1)?.conversationId : undefined
        }
      })

      return Visibility.of({ rewrite })
    })
  )
}
