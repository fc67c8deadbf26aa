import { Context, Effect, Layer, type Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { LockWaits } from "../database/LockWaits.ts"
import { inTransaction } from "../database/Transaction.ts"
import { isBeingRewritten } from "../messages/BlockRow.ts"
import { Pairs } from "../people/Pairs.ts"
import { Participants } from "../conversations/Participants.ts"
import type { DatabaseUnavailable, Forbidden, RateLimited, ServerBusy } from "../contract/Problem.ts"
import type { UserId } from "../contract/Account.ts"
import { Accounts } from "../auth/Accounts.ts"
import type { Caller } from "../contract/Session.ts"
import { Sessions } from "../auth/Sessions.ts"

/**
 * Deletes accounts. The row of `users` stays, without anything that identifies its owner, because messages, reactions and
 * receipts in other people's conversations refer to it. If the row were deleted, each of those messages would have to change,
 * in one long transaction, and subscribers' copies would not learn of it; the messages of two deleted accounts could not be
 * told apart; and a direct conversation would have only one participant.
 */
export class AccountDeletion extends Context.Service<
  AccountDeletion,
  {
    /**
     * Deletes the caller's account, in one transaction: name, e-mail address, password, picture, settings, sessions, friends
     * and requests. The person leaves every group. The username and the e-mail address become free.
     */
    readonly deleteAccount: (
      caller: Caller,
      currentPassword: Redacted.Redacted,
      address?: string
    ) => Effect.Effect<void, Forbidden | RateLimited | ServerBusy | DatabaseUnavailable>
  }
>()("xfchat/accounts/AccountDeletion") {
  static readonly layer = Layer.effect(
    AccountDeletion,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const accounts = yield* Accounts
      const waits = yield* LockWaits
      const sessions = yield* Sessions
      const participants = yield* Participants
      const pairs = yield* Pairs

      // See `ReceiptRow.ts`.
      const notFrozen = (column: "last_delivered_seq" | "last_read_seq") =>
        sql.literal(`CASE WHEN ${isBeingRewritten("p.user_id", "p.conversation_id")} THEN p.${column} ELSE 0 END`)

      // By the indexes of each table. Blocks of this person by others stay, and hide what they hid. People whom this person
      // blocks keep seeing the receipts from before the block: the frozen cursors replace the real ones.
      const unfriend = (userId: UserId) => sql`
        WITH receipts AS (
          UPDATE conversation_participants p SET (last_delivered_seq, last_read_seq) = (
            SELECT coalesce(max(f.last_delivered_seq), ${notFrozen("last_delivered_seq")}),
              coalesce(max(f.last_read_seq), ${notFrozen("last_read_seq")}) FROM frozen_receipts f
            WHERE f.conversation_id = p.conversation_id AND f.blocker_id = p.user_id)
          FROM conversations c JOIN conversation_participants o ON o.conversation_id = c.id
          JOIN blocks b ON b.blocked_id = o.user_id AND b.blocker_id = ${userId}
          WHERE c.id = p.conversation_id AND c.is_direct_message AND p.user_id = ${userId}
        ), requests AS (
          DELETE FROM friend_requests WHERE from_user_id = ${userId} OR to_user_id = ${userId}
        ), own_blocks AS (
          DELETE FROM blocks WHERE blocker_id = ${userId}
        ), known AS (
          DELETE FROM contacts WHERE user_id = ${userId} OR contact_user_id = ${userId}
        ), own_revision AS (
          DELETE FROM people_revisions WHERE user_id = ${userId}
        )
        DELETE FROM usage_tracking WHERE user_id = ${userId}`

      const deleteAccount = Effect.fn("AccountDeletion.deleteAccount")(function* (
        caller: Caller,
        currentPassword: Redacted.Redacted,
        address?: string
      ) {
        const { userId } = caller
        const proof = yield* accounts.verifyPassword(userId, currentPassword, address)
        yield* Effect.gen(function* () {
          // First, as everywhere that people are locked. A friend request in progress waits for it, too.
          yield* pairs.lockAll([userId])
          // Before the statements below. A login, or an addition to a conversation, that comes later waits for this and then
          // finds no account; what came earlier is visible to the statements below.
          yield* accounts.anonymise(userId, proof)
          yield* sessions.endOthers(caller)
          yield* sessions.end(caller.id)
          const others = yield* pairs.visibleTo(userId)
          yield* unfriend(userId)
          yield* pairs.bumpRevisions(others, others)
          yield* participants.leaveEverywhere(userId)
        }).pipe(inTransaction(sql), waits.bound("account", userId))
      }, catchDatabaseErrors)

      return AccountDeletion.of({ deleteAccount })
    })
  )
}
