import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlError, SqlSchema, type Statement } from "effect/sql"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { inSlices } from "../database/Slices.ts"
import { inTransaction } from "../database/Transaction.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"

/** The number of rows that one transaction removes, at most: some tens of milliseconds. */
const maxRows = 1_000

const isTooLong = (error: unknown) => SqlError.isSqlError(error) && error.reason._tag === "StatementTimeoutError"

/**
 * Removes conversations. One transaction marks them and removes their participants, so that they are gone for everybody. As
 * they may have any number of messages, their rows go in slices, in whichever process gets to them.
 */
export class Removal extends Context.Service<
  Removal,
  {
    /** Removes conversations with everything in them. Part of a transaction that has locked them. */
    readonly remove: (ids: ReadonlyArray<ConversationId>) => Effect.Effect<void, SqlError.SqlError>
  }
>()("xfchat/conversations/Removal") {
  static readonly layer = Layer.effect(
    Removal,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      // By conversations_deleted_at_idx. A row that another process works on is left to it.
      const lockNext = SqlSchema.findAll({
        Request: Schema.Void,
        Result: Schema.Struct({ id: ConversationId, head: Position }),
        execute: () => sql`
          SELECT id, head FROM conversations WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT 1
          FOR UPDATE SKIP LOCKED`
      })

      const Removed = Schema.Struct({ count: Schema.Int, lowest: Schema.NullOr(Position) })
      const removing = (removed: Statement.Fragment, lowest = sql`NULL::bigint`) =>
        SqlSchema.findOne({
          Request: Schema.Void,
          Result: Removed,
          execute: () => sql`WITH ${removed} SELECT count(*)::int AS count, ${lowest} AS lowest FROM removed`
        })(undefined)

      // Each by the primary key of its table, which begins with the conversation.
      const removeFrom = (table: "message_reactions" | "message_versions", id: ConversationId, limit: number) =>
        removing(sql`
          removed AS (
            DELETE FROM ${sql(table)} WHERE ctid = ANY(ARRAY(
              SELECT ctid FROM ${sql(table)} WHERE conversation_id = ${id} LIMIT ${limit}))
            RETURNING conversation_id
          )`)

      // By chat_messages_seq_key and chat_messages_reply_to_idx. The newest first, so that a reply goes before the message that
      // it replies to, or with it. A reply that was imported before that message loses its reference.
      const removeMessages = (id: ConversationId, below: number, limit: number) =>
        removing(
          sql`
            slice AS (
              SELECT id, seq FROM chat_messages WHERE conversation_id = ${id} AND seq < ${below} ORDER BY seq DESC LIMIT ${limit}
            ), detached AS (
              UPDATE chat_messages SET reply_to = NULL
              WHERE conversation_id = ${id} AND reply_to IN (SELECT id FROM slice) AND seq < (SELECT min(seq) FROM slice)
            ), removed AS (
              DELETE FROM chat_messages m USING slice WHERE m.conversation_id = ${id} AND m.id = slice.id RETURNING m.seq
            )`,
          sql`min(seq)`
        )

      let limit = maxRows
      // The position of the last slice: a search for the next one from the head would pass over all removed rows.
      let below = { id: "", seq: 0 }
      const slice = Effect.gen(function* () {
        const [next] = yield* lockNext()
        if (next === undefined) return false
        const { head, id } = next
        for (const table of ["message_reactions", "message_versions"] as const) {
          if ((yield* removeFrom(table, id, limit)).count > 0) return true
        }
        const { lowest } = yield* removeMessages(id, below.id === id ? below.seq : head + 1, limit)
        if (lowest === null) {
          // The rest of its rows goes with it.
          yield* sql`DELETE FROM conversations WHERE id = ${id}`
        } else {
          yield* sql.afterCommit(Effect.sync(() => void (below = { id, seq: lowest })))
        }
        return true
      }).pipe(
        inTransaction(sql),
        Effect.tap(() => Effect.sync(() => void (limit = Math.min(limit * 2, maxRows)))),
        Effect.catchIf(
          (error) => isTooLong(error) && limit > 1,
          () => Effect.sync(() => ((limit = Math.ceil(limit / 4)), true))
        ),
        catchDatabaseErrors
      )
      const removeNow = yield* inSlices("The removal of conversations", slice)

      const remove = Effect.fn("Removal.remove")(function* (ids: ReadonlyArray<ConversationId>) {
        // By the primary keys. A reader of the log that is behind finds the next visibility epoch along with the messages that
        // remain, and so learns that it may see none of them.
        yield* sql`
          WITH marked AS (
            UPDATE conversations SET deleted_at = statement_timestamp() WHERE id = ANY(${ids}::uuid[]) RETURNING id
          ), hidden AS (
            INSERT INTO visibility_epochs AS v (conversation_id, epoch) SELECT id, 1 FROM marked ORDER BY id
            ON CONFLICT (conversation_id) DO UPDATE SET epoch = v.epoch + 1
          )
          DELETE FROM conversation_participants p USING marked WHERE p.conversation_id = marked.id`
        yield* sql.afterCommit(removeNow)
      })

      return Removal.of({ remove })
    })
  )
}
