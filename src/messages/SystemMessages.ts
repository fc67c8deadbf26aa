import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { ChangeHint, ChangeBus } from "../changes/ChangeBus.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"
import type { SystemContent } from "../contract/Message.ts"

const decodeHeads = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ id: ConversationId, head: Position })))

/** A system message to append. */
export interface SystemMessage {
  readonly conversationId: ConversationId
  readonly content: SystemContent
}

/**
 * The messages of the server itself in a conversation's log: somebody joined or left, or the conversation was renamed. They are
 * appended by the transaction of that change, which must have locked the conversation's row.
 */
export class SystemMessages extends Context.Service<
  SystemMessages,
  {
    readonly append: (
      conversationId: ConversationId,
      contents: ReadonlyArray<SystemContent>
    ) => Effect.Effect<Position, SqlError.SqlError | Schema.SchemaError>
    /** Appends messages to many conversations, all of which are locked. Returns their heads. */
    readonly appendAll: (
      messages: ReadonlyArray<SystemMessage>
    ) => Effect.Effect<
      ReadonlyArray<{ readonly id: ConversationId; readonly head: Position }>,
      SqlError.SqlError | Schema.SchemaError
    >
    /**
     * Publishes hints that a conversation and its participants have changed: after the commit within a transaction, else at once.
     * A head of 0 stands for a conversation without a new message, or a deleted one.
     */
    readonly announce: (conversationId: ConversationId, head: Position) => Effect.Effect<void>
  }
>()("xfchat/messages/SystemMessages") {
  static readonly layer = Layer.effect(
    SystemMessages,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus

      const appendAll = Effect.fn("SystemMessages.appendAll")(function* (messages: ReadonlyArray<SystemMessage>) {
        // By the primary key.
        const rows = yield* sql`
          WITH input AS (
            SELECT * FROM unnest(
              ${messages.map(({ conversationId }) => conversationId)}::uuid[],
              ${messages.map(({ content }) => JSON.stringify(content))}::text[]
            ) WITH ORDINALITY AS i (conversation_id, content, n)
          ), placed AS (
            SELECT c.id, i.content, c.head + row_number() OVER (PARTITION BY c.id ORDER BY i.n) AS seq
            FROM input i JOIN conversations c ON c.id = i.conversation_id
          ), inserted AS (
            INSERT INTO chat_messages (conversation_id, id, message_type, content, seq, version, created_at, updated_at)
            SELECT id, gen_random_uuid(), 'system', content, seq, seq, statement_timestamp(), statement_timestamp()
            FROM placed
          )
          UPDATE conversations c SET head = p.head, updated_at = statement_timestamp()
          FROM (SELECT id, max(seq) AS head FROM placed GROUP BY id) p
          WHERE c.id = p.id RETURNING c.id, c.head`
        return yield* decodeHeads(rows)
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
