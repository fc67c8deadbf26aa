import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Change, ChangeBus } from "../streaming/ChangeBus.ts"
import { Position, type ConversationId } from "./Conversation.ts"
import type { SystemContent } from "./Message.ts"

/**
 * What the server itself says in a conversation's log: who joined, who left, what was renamed. To be called inside of the
 * transaction that makes it so, which must have locked the conversation's row.
 */
export class SystemMessages extends Context.Service<
  SystemMessages,
  {
    readonly append: (
      conversationId: ConversationId,
      contents: ReadonlyArray<SystemContent>
    ) => Effect.Effect<Position, SqlError.SqlError>
    /**
     * Tells the listeners of a conversation, and of who takes part in it, once the transaction has committed. A head of 0
     * stands for a conversation that nothing was said in, or that is gone.
     */
    readonly announce: (conversationId: ConversationId, head: Position) => Effect.Effect<void>
  }
>()("xfchat/messaging/SystemMessages") {
  static readonly layer = Layer.effect(
    SystemMessages,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus

      const append = Effect.fn("SystemMessages.append")(function* (
        conversationId: ConversationId,
        contents: ReadonlyArray<SystemContent>
      ) {
        // By the primary key.
        const [row] = yield* sql<{ head: number }>`
          WITH said AS (
            SELECT * FROM unnest(${contents.map((content) => JSON.stringify(content))}::text[]) WITH ORDINALITY AS s (content, n)
          ), placed AS (
            SELECT said.content, c.head + said.n AS seq FROM said, conversations c WHERE c.id = ${conversationId}
          ), inserted AS (
            INSERT INTO chat_messages (conversation_id, id, message_type, content, seq, version, created_at, updated_at)
            SELECT ${conversationId}::uuid, gen_random_uuid(), 'system', content, seq, seq, statement_timestamp(), statement_timestamp()
            FROM placed
          )
          UPDATE conversations SET head = head + ${contents.length}, updated_at = statement_timestamp()
          WHERE id = ${conversationId} RETURNING head`
        return Position.make(row?.head ?? 0)
      })

      return SystemMessages.of({
        append,
        announce: (conversationId, head) =>
          bus.publish([Change.Log({ conversationId, head }), Change.Participation({ conversationId })])
      })
    })
  )
}
