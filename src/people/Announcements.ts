import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { boundedLocks, isLockTimeout } from "../database/LockWaits.ts"
import { inSlices } from "../database/Slices.ts"
import { inTransaction } from "../database/Transaction.ts"
import { Pairs } from "./Pairs.ts"

/** The number of people whose lists one transaction changes, at most: some tens of milliseconds. */
const maxPeople = 500

/** Below every id. */
const beforeAll = UserId.make("00000000-0000-0000-0000-000000000000")

const Announcement = Schema.Struct({ user: UserId, after: UserId, isDeleted: Schema.Boolean })

/**
 * Announces a changed profile or a deleted account to everyone whose lists include the person, who may have any number of
 * friends. What the lists show changes with the person's own row, at once. The revisions of the lists, and the rows of a deleted
 * person, follow in slices.
 */
export class Announcements extends Context.Service<
  Announcements,
  {
    /**
     * Announces a change of a person, or ends everything between a deleted one and others. Part of the transaction that changes
     * the person; if they have many friends, most of it follows the commit.
     */
    readonly announce: (
      user: UserId,
      what: "profile" | "deletion"
    ) => Effect.Effect<void, SqlError.SqlError | Schema.SchemaError>
  }
>()("xfchat/people/Announcements") {
  static readonly layer = Layer.effect(
    Announcements,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const pairs = yield* Pairs

      // By friend_requests_from_user_id_idx, friend_requests_to_user_id_idx, blocks_blocked_id_idx, and, if the person is
      // deleted, the primary key of blocks and the indexes of contacts. Some of them may not notice, and have nothing to see.
      const findNext = SqlSchema.findAll({
        Request: Announcement,
        Result: Schema.Struct({ id: UserId, sees: Schema.Boolean }),
        execute: ({ after, isDeleted, user }) => sql`
          SELECT id, bool_or(sees) AS sees FROM ${boundedLocks(sql)}, (
            SELECT to_user_id AS id, status IN ('pending', 'accepted') AS sees FROM friend_requests WHERE from_user_id = ${user}
            UNION ALL SELECT from_user_id, status IN ('pending', 'accepted', 'rejected') FROM friend_requests
            WHERE to_user_id = ${user}
            UNION ALL SELECT blocker_id, true FROM blocks WHERE blocked_id = ${user}
            UNION ALL SELECT blocked_id, false FROM blocks WHERE blocker_id = ${user}
            UNION ALL SELECT contact_user_id, false FROM contacts WHERE user_id = ${user}
            UNION ALL SELECT user_id, false FROM contacts WHERE contact_user_id = ${user}
          ) others WHERE id > ${after} GROUP BY id HAVING ${isDeleted} OR bool_or(sees) ORDER BY id LIMIT ${maxPeople}`
      })

      // By the indexes of each table. Blocks of the person by others stay, and hide what they hid. People whom the person
      // blocks keep seeing the receipts from before the block: the frozen cursors replace the real ones. A log to which a block
      // is still to be applied has the real ones of then; see `ReceiptRow.ts`.
      const part = (user: UserId, others: ReadonlyArray<UserId>) => sql`
        WITH others AS MATERIALIZED (
          SELECT id FROM unnest(${others}::uuid[]) AS id
        ), receipts AS (
          UPDATE conversation_participants p
          SET last_delivered_seq = coalesce(f.last_delivered_seq, 0), last_read_seq = coalesce(f.last_read_seq, 0)
          FROM others o JOIN blocks b ON b.blocker_id = ${user} AND b.blocked_id = o.id
          JOIN conversation_participants op ON op.user_id = o.id
          JOIN conversations c ON c.id = op.conversation_id AND c.is_direct_message
          LEFT JOIN frozen_receipts f
            ON f.conversation_id = c.id AND f.blocker_id = b.blocker_id AND f.blocked_id = b.blocked_id
          WHERE p.conversation_id = c.id AND p.user_id = ${user} AND (f.conversation_id IS NOT NULL OR NOT EXISTS (
            SELECT FROM visibility_rewrites w WHERE w.viewer_id = ${user} AND w.rewritten_up_to < c.id))
        ), requests AS (
          DELETE FROM friend_requests f USING others o
          WHERE least(f.from_user_id, f.to_user_id) = least(o.id, ${user}::uuid)
            AND greatest(f.from_user_id, f.to_user_id) = greatest(o.id, ${user}::uuid)
        ), own_blocks AS (
          DELETE FROM blocks b USING others o WHERE b.blocker_id = ${user} AND b.blocked_id = o.id
        ), known AS (
          DELETE FROM contacts c USING others o WHERE c.user_id = ${user} AND c.contact_user_id = o.id
        )
        DELETE FROM contacts c USING others o WHERE c.user_id = o.id AND c.contact_user_id = ${user}`

      /** Announces a change to the people with the lowest ids after `after`. Gives the last of them, if there may be more. */
      const announceToSome = Effect.fnUntraced(function* (announcement: typeof Announcement.Type) {
        const { isDeleted, user } = announcement
        const others = yield* findNext(announcement)
        const ids = others.map(({ id }) => id)
        if (isDeleted) yield* part(user, ids)
        const seeing = others.flatMap(({ id, sees }) => (sees ? [id] : []))
        yield* pairs.bumpRevisions(seeing, seeing)
        return ids.length === maxPeople ? ids.at(-1) : undefined
      })

      // By the primary keys. A row that another process works on is left to it.
      const lockNext = SqlSchema.findAll({
        Request: Schema.Void,
        Result: Announcement,
        execute: () => sql`
          SELECT u.id AS user, a.announced_up_to AS after, u.deleted_at IS NOT NULL AS "isDeleted"
          FROM announcements a JOIN users u ON u.id = a.user_id LIMIT 1 FOR UPDATE OF a SKIP LOCKED`
      })

      const goOn = Effect.gen(function* () {
        const [next] = yield* lockNext()
        if (next === undefined) return false
        const last = yield* announceToSome(next)
        // By the primary key.
        yield* last === undefined
          ? sql`DELETE FROM announcements WHERE user_id = ${next.user}`
          : sql`UPDATE announcements SET announced_up_to = ${last} WHERE user_id = ${next.user}`
        return true
      }).pipe(
        inTransaction(sql),
        Effect.catchIf(isLockTimeout, () => Effect.succeed(true)),
        catchDatabaseErrors
      )
      const goOnNow = yield* inSlices("The announcement of changed people", goOn)

      // By the primary key. An earlier announcement that is still in progress begins again.
      const announce = Effect.fn("Announcements.announce")(function* (user: UserId, what: "profile" | "deletion") {
        const last = yield* announceToSome({ user, after: beforeAll, isDeleted: what === "deletion" })
        yield* last === undefined
          ? sql`DELETE FROM announcements WHERE user_id = ${user}`
          : sql`
            INSERT INTO announcements (user_id, announced_up_to) VALUES (${user}, ${last})
            ON CONFLICT (user_id) DO UPDATE SET announced_up_to = excluded.announced_up_to`
        if (last !== undefined) yield* sql.afterCommit(goOnNow)
      })

      return Announcements.of({ announce })
    })
  )
}
