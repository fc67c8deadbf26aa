import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { UserId } from "../auth/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { NotFound, type DatabaseUnavailable } from "../Problem.ts"
import { Change, ChangeBus } from "../streaming/ChangeBus.ts"
import { Position, type ConversationId } from "./Conversation.ts"

/** How far a participant has come. */
export interface Receipt {
  readonly deliveredSeq?: Position | undefined
  readonly readSeq?: Position | undefined
}

/** Each participant's two cursors, which only grow: what was read was delivered, and neither goes past the head. */
export class Receipts extends Context.Service<
  Receipts,
  {
    readonly put: (
      caller: UserId,
      conversationId: ConversationId,
      receipt: Receipt
    ) => Effect.Effect<void, NotFound | DatabaseUnavailable>
  }
>()("xfchat/messaging/Receipts") {
  static readonly layer = Layer.effect(
    Receipts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus

      const put = Effect.fn("Receipts.put")(function* (
        caller: UserId,
        conversationId: ConversationId,
        { deliveredSeq = Position.make(0), readSeq = Position.make(0) }: Receipt
      ) {
        // By the primary keys.
        const [row] = yield* sql<{ head: number }>`
          UPDATE conversation_participants p
          SET last_delivered_seq = greatest(p.last_delivered_seq, least(c.head, greatest(${deliveredSeq}, ${readSeq}))),
              last_read_seq = greatest(p.last_read_seq, least(c.head, ${readSeq}))
          FROM conversations c
          WHERE c.id = p.conversation_id AND p.conversation_id = ${conversationId} AND p.user_id = ${caller}
          RETURNING c.head`
        if (row === undefined) return yield* new NotFound({ detail: "There is no such conversation." })
        // For the caller's other devices: there is nothing new in the log.
        yield* bus.publish([Change.Log({ conversationId, head: Position.make(row.head) })])
      }, catchDatabaseErrors)

      return Receipts.of({ put })
    })
  )
}
