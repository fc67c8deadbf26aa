import { Context, Effect, Layer, type Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { inTransaction } from "../database/Transaction.ts"
import { Pairs } from "../people/Pairs.ts"
import { Participants } from "../conversations/Participants.ts"
import type { DatabaseUnavailable, Forbidden, RateLimited, ServerBusy } from "../contract/Problem.ts"
import type { UserId } from "../contract/Account.ts"
import { Accounts } from "../auth/Accounts.ts"
import type { Caller } from "../contract/Session.ts"
import { Sessions } from "../auth/Sessions.ts"

/**
 * Deletes accounts. The row of `users` stays, without anything that names its owner: messages, reactions, and the order of
 * who read what belong to conversations that others have, and refer to it. Were the row deleted, each of those messages
 * would change, in a transaction as long as their number, and the copies that subscribers hold would not know; the
 * messages of two who are gone could not be told apart; and the other one of a direct conversation would be alone in it.
 */
export class AccountDeletion extends Context.Service<
  AccountDeletion,
  {
    /**
     * Deletes the caller's account, in one transaction: name, address, password, picture, settings, sessions, friends and
     * requests are gone, and so is the person from every group. The username and the address are free again.
     */
    readonly deleteAccount: (
      current: Caller,
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
      const sessions = yield* Sessions
      const participants = yield* Participants
      const pairs = yield* Pairs

      // By the indexes of each table. Blocks of others stay: what they hide stays hidden. The people whom the
      // person blocks keep seeing the receipts of before the block: frozen cursors take the place of the real ones.
      const unfriend = (userId: UserId) => sql`
        WITH receipts AS (
          UPDATE conversation_participants p SET (last_delivered_seq, last_read_seq) = (
            SELECT coalesce(max(f.last_delivered_seq), 0), coalesce(max(f.last_read_seq), 0) FROM frozen_receipts f
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
        current: Caller,
        currentPassword: Redacted.Redacted,
        address?: string
      ) {
        const { userId } = current
        const proof = yield* accounts.confirm(userId, currentPassword, address)
        yield* Effect.gen(function* () {
          // Before any row is locked, as all do who lock people: who is about to be their friend waits, too.
          yield* pairs.lockAll([userId])
          // Before what follows, so that whoever is about to open a session, or to add them to a conversation, waits for
          // this and then finds nobody; and what follows sees what those had done who came before.
          yield* accounts.anonymise(userId, proof)
          yield* sessions.endOthers(current)
          yield* sessions.end(current.id)
          const others = yield* pairs.visibleTo(userId)
          yield* unfriend(userId)
          yield* pairs.bumpRevisions(others, others)
          yield* participants.leaveEverywhere(userId)
        }).pipe(inTransaction(sql))
      }, catchDatabaseErrors)

      return AccountDeletion.of({ deleteAccount })
    })
  )
}
