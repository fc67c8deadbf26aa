import { Context, Effect, Layer, type Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { LockWaits } from "../database/LockWaits.ts"
import { inTransaction } from "../database/Transaction.ts"
import { Announcements } from "../people/Announcements.ts"
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
     * Deletes the caller's account: name, e-mail address, password, picture, settings and sessions, in one transaction, after
     * which nobody has the person as a friend. The person leaves every group. Rows of many friends and many groups follow in
     * slices. The username and the e-mail address become free.
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
      const announcements = yield* Announcements

      // By the primary keys.
      const forget = (userId: UserId) => sql`
        WITH own_revision AS (
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
          yield* announcements.announce(userId, "deletion")
          yield* forget(userId)
          yield* participants.leaveEverywhere(userId)
        }).pipe(inTransaction(sql), waits.bound("account", userId))
      }, catchDatabaseErrors)

      return AccountDeletion.of({ deleteAccount })
    })
  )
}
