import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { boundedLocks, LockWaits } from "../database/LockWaits.ts"
import { retryRolledBack } from "../database/Transaction.ts"
import { NotFound, type DatabaseUnavailable } from "../contract/Problem.ts"
import { freezing } from "../messages/ReceiptRow.ts"
import { ChangeHint, ChangeBus } from "../changes/ChangeBus.ts"
import { maxReceiptsListed, Position, type ConversationId } from "../contract/Conversation.ts"

/** How far a participant has received and read a conversation. */
export interface Receipt {
  readonly deliveredSeq?: Position | undefined
  readonly readSeq?: Position | undefined
}

const decodeMoves = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ isMoved: Schema.Boolean, isListed: Schema.Boolean }))
)

/** Each participant's two cursors, which only grow. The read one is never past the delivered one, nor either past the head. */
export class Receipts extends Context.Service<
  Receipts,
  {
    readonly put: (
      caller: UserId,
      conversationId: ConversationId,
      receipt: Receipt
    ) => Effect.Effect<void, NotFound | DatabaseUnavailable>
  }
>()("xfchat/conversations/Receipts") {
  static readonly layer = Layer.effect(
    Receipts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus
      const waits = yield* LockWaits

      const freezingOld = sql.literal(
        freezing("SELECT conversation_id, user_id, last_delivered_seq, last_read_seq FROM old")
      )

      const put = Effect.fn("Receipts.put")(function* (
        caller: UserId,
        conversationId: ConversationId,
        { deliveredSeq = Position.make(0), readSeq = Position.make(0) }: Receipt
      ) {
        // By the primary keys. If lists show everyone's receipts, a higher revision of the conversation marks the change.
        const [row] = yield* sql`
          WITH old AS (
            SELECT p.conversation_id, p.user_id, p.last_delivered_seq, p.last_read_seq, c.head
            FROM ${boundedLocks(sql)}, conversation_participants p JOIN conversations c ON c.id = p.conversation_id
            WHERE p.conversation_id = ${conversationId} AND p.user_id = ${caller} FOR NO KEY UPDATE OF p
          ), ${freezingOld}, moved AS (
            UPDATE conversation_participants p
            SET last_delivered_seq = greatest(p.last_delivered_seq, least(old.head, greatest(${deliveredSeq}, ${readSeq}))),
                last_read_seq = greatest(p.last_read_seq, least(old.head, ${readSeq}))
            FROM old WHERE p.conversation_id = old.conversation_id AND p.user_id = old.user_id
            RETURNING (p.last_delivered_seq, p.last_read_seq) <> (old.last_delivered_seq, old.last_read_seq) AS is_moved
          ), size AS (
            SELECT count(*) <= ${maxReceiptsListed} AS is_listed FROM (
              SELECT FROM conversation_participants WHERE conversation_id = ${conversationId} LIMIT ${maxReceiptsListed + 1}) p
          ), revised AS (
            INSERT INTO conversation_revisions AS r (conversation_id)
            SELECT ${conversationId}::uuid FROM moved, size WHERE is_moved AND is_listed
            ON CONFLICT (conversation_id) DO UPDATE SET revision = r.revision + 1
          )
          SELECT is_moved AS "isMoved", is_listed AS "isListed" FROM moved, size`.pipe(
          Effect.flatMap(decodeMoves),
          retryRolledBack,
          waits.bound("conversation", conversationId)
        )
        if (row === undefined) return yield* new NotFound({ detail: "There is no such conversation." })
        const { isListed, isMoved } = row
        if (isMoved) yield* bus.publish([ChangeHint.Receipts({ conversationId, userId: caller, isListed })])
      }, catchDatabaseErrors)

      return Receipts.of({ put })
    })
  )
}
