import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { ChangeHint, ChangeBus } from "../changes/ChangeBus.ts"
import { ConversationId } from "../contract/Conversation.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { boundedLocks, isLockTimeout } from "../database/LockWaits.ts"
import { inSlices } from "../database/Slices.ts"
import { inTransaction } from "../database/Transaction.ts"

/** The number of logs that one transaction rewrites, at most: some tens of milliseconds. */
const maxLogs = 200

const Change = Schema.Struct({
  viewer: UserId,
  since: Schema.DateTimeUtcFromDate,
  after: ConversationId
})

/**
 * Keeps copies of a log from showing a participant messages that a block has hidden, or hiding ones that it shows again.
 *
 * A person may have any number of logs, so a block itself only writes a mark, in visibility_rewrites. It is enough for every
 * reader: a copy of a log that is still to be rewritten is out of date, a part of the log that is read with the mark makes streams
 * read their views again, and receipts are frozen by the first write that moves them. The logs follow in slices.
 */
export class Visibility extends Context.Service<
  Visibility,
  {
    /**
     * Invalidates every copy of a log that the viewer has, because they blocked or unblocked somebody. Part of the transaction
     * that changes the block. {@link apply} follows its commit.
     */
    readonly change: (viewer: UserId) => Effect.Effect<void, SqlError.SqlError>
    /**
     * Applies the viewer's changes to the first of their logs, and leaves the rest to the background. Those of most people are
     * done by then. It does not fail, since all of it may wait.
     */
    readonly apply: (viewer: UserId) => Effect.Effect<void>
  }
>()("xfchat/messages/Visibility") {
  static readonly layer = Layer.effect(
    Visibility,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus

      // By the primary key.
      const change = Effect.fn("Visibility.change")((viewer: UserId) =>
        Effect.asVoid(sql`
          INSERT INTO visibility_rewrites AS w (viewer_id) VALUES (${viewer})
          ON CONFLICT (viewer_id) DO UPDATE
          SET change_id = excluded.change_id, rewritten_up_to = excluded.rewritten_up_to`)
      )

      // By the primary key. A row that another process works on is left to it.
      const lockNext = SqlSchema.findAll({
        Request: Schema.NullOr(UserId),
        Result: Change,
        execute: (viewer) => sql`
          SELECT viewer_id AS viewer, blocks_since AS since, rewritten_up_to AS after FROM visibility_rewrites
          WHERE ${viewer}::uuid IS NULL OR viewer_id = ${viewer} LIMIT 1 FOR UPDATE SKIP LOCKED`
      })

      // By conversation_participants_user_id_idx and the primary keys. All logs of the viewer, since a blocked person may join
      // any. A copy from before the block reaches no further than the head that is read after it, so the log needs no lock.
      const rewriteLogs = SqlSchema.findAll({
        Request: Change,
        Result: Schema.Struct({ conversationId: ConversationId, epoch: Schema.Int }),
        execute: ({ after, since, viewer }) => sql`
          WITH log AS MATERIALIZED (
            SELECT p.conversation_id AS id, c.head
            FROM ${boundedLocks(sql)}, conversation_participants p JOIN conversations c ON c.id = p.conversation_id
            WHERE p.user_id = ${viewer} AND p.conversation_id > ${after}
            ORDER BY p.conversation_id LIMIT ${maxLogs} FOR NO KEY UPDATE OF p
          ), rewritten AS (
            UPDATE conversation_participants p SET rewritten_at = log.head
            FROM log WHERE p.conversation_id = log.id AND p.user_id = ${viewer}
            RETURNING p.*
          ), blocking AS MATERIALIZED (
            SELECT blocked_id FROM blocks WHERE blocker_id = ${viewer} AND created_at >= ${since} FOR KEY SHARE
          ), frozen AS (
            -- The cursors as the update found them under its lock, so that no receipt comes in between.
            INSERT INTO frozen_receipts (conversation_id, blocked_id, blocker_id, last_delivered_seq, last_read_seq)
            SELECT r.conversation_id, b.blocked_id, r.user_id, r.last_delivered_seq, r.last_read_seq
            FROM rewritten r, blocking b WHERE EXISTS (
              SELECT FROM conversation_participants o
              WHERE o.conversation_id = r.conversation_id AND o.user_id = b.blocked_id OFFSET 0)
            ON CONFLICT DO NOTHING
          ), revised AS (
            INSERT INTO visibility_epochs AS v (conversation_id, epoch) SELECT id, 1 FROM log ORDER BY id
            ON CONFLICT (conversation_id) DO UPDATE SET epoch = v.epoch + 1
            RETURNING conversation_id, epoch
          )
          SELECT conversation_id AS "conversationId", epoch FROM revised ORDER BY conversation_id`
      })

      /** Rewrites some logs, of one viewer or of anybody. */
      const rewriteSome = (of: UserId | null) =>
        Effect.gen(function* () {
          const [next] = yield* lockNext(of)
          if (next === undefined) return "nothing" as const
          const { viewer } = next
          const logs = yield* rewriteLogs(next)
          const last = logs.at(-1)
          const isLast = last === undefined || logs.length < maxLogs
          // By the primary key.
          yield* isLast
            ? sql`DELETE FROM visibility_rewrites WHERE viewer_id = ${viewer}`
            : sql`UPDATE visibility_rewrites SET rewritten_up_to = ${last.conversationId} WHERE viewer_id = ${viewer}`
          const hints: Array<ChangeHint> = logs.map((log) => ChangeHint.Visibility(log))
          // The viewer's inbox reads what has changed of all of them.
          if (last !== undefined) {
            hints.push(ChangeHint.Receipts({ conversationId: last.conversationId, userId: viewer, isListed: false }))
          }
          yield* sql.afterCommit(bus.publish(hints))
          return isLast ? ("all" as const) : ("some" as const)
        }).pipe(
          inTransaction(sql),
          // The viewer's own write is in the way.
          Effect.catchIf(isLockTimeout, () => Effect.succeed("some" as const)),
          catchDatabaseErrors
        )
      const rewriteNow = yield* inSlices(
        "The rewriting of logs after a block",
        Effect.map(rewriteSome(null), (done) => done !== "nothing")
      )

      const apply = Effect.fn("Visibility.apply")((viewer: UserId) =>
        rewriteSome(viewer).pipe(
          Effect.catchTag("DatabaseUnavailable", () => Effect.succeed("some" as const)),
          Effect.flatMap((done) => (done === "some" ? rewriteNow : Effect.void))
        )
      )

      return Visibility.of({ change, apply })
    })
  )
}
