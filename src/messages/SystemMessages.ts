import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { ChangeHint, ChangeBus } from "../changes/ChangeBus.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"
import type { SystemContent } from "../contract/Message.ts"

/** One thing that the server says. */
export interface Said {
  readonly conversationId: ConversationId
  readonly content: SystemContent
}

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
    /** Says something in each of many conversations, all of which are locked. Gives their heads. */
    readonly appendAll: (
      said: ReadonlyArray<Said>
    ) => Effect.Effect<ReadonlyArray<{ readonly id: ConversationId; readonly head: Position }>, SqlError.SqlError>
    /**
     * Tells the listeners of a conversation, and of who takes part in it, once the transaction has committed, if there is
     * one. A head of 0 stands for a conversation that nothing was said in, or that is gone.
     */
    readonly announce: (conversationId: ConversationId, head: Position) => Effect.Effect<void>
  }
>()("xfchat/messages/SystemMessages") {
  static readonly layer = Layer.effect(
    SystemMessages,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus

      const appendAll = Effect.fn("SystemMessages.appendAll")(function* (said: ReadonlyArray<Said>) {
        // By the primary key.
        const rows = yield* sql<{ id: string; head: number }>`
          WITH said AS (
            SELECT * FROM unnest(
              ${said.map(({ conversationId }) => conversationId)}::uuid[],
              ${said.map(({ content }) => JSON.stringify(content))}::text[]
            ) WITH ORDINALITY AS s (conversation_id, content, n)
          ), placed AS (
            SELECT c.id, said.content, c.head + row_number() OVER (PARTITION BY c.id ORDER BY said.n) AS seq
            FROM said JOIN conversations c ON c.id = said.conversation_id
          ), inserted AS (
            INSERT INTO chat_messages (conversation_id, id, message_type, content, seq, version, created_at, updated_at)
            SELECT id, gen_random_uuid(), 'system', content, seq, seq, statement_timestamp(), statement_timestamp()
            FROM placed
          )
          UPDATE conversations c SET head = p.head, updated_at = statement_timestamp()
          FROM (SELECT id, max(seq) AS head FROM placed GROUP BY id) p
          WHERE c.id = p.id RETURNING c.id, c.head`
        return rows.map(({ head, id }) => ({ id: ConversationId.make(id), head: Position.make(head) }))
      })

      const append = (conversationId: ConversationId, contents: ReadonlyArray<SystemContent>) =>
        Effect.map(
          appendAll(contents.map((content) => ({ conversationId, content }))),
          ([conversation]) => conversation?.head ?? Position.make(0)
        )

      return SystemMessages.of({
        append,
        appendAll,
        announce: (conversationId, head) =>
          sql.afterCommit(
            bus.publish([ChangeHint.Log({ conversationId, head }), ChangeHint.Participation({ conversationId })])
          )
      })
    })
  )
}
