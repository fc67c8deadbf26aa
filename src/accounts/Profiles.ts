import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { LockWaits } from "../database/LockWaits.ts"
import { inTransaction } from "../database/Transaction.ts"
import { Announcements } from "../people/Announcements.ts"
import { Pairs } from "../people/Pairs.ts"
import { Conversations } from "../conversations/Conversations.ts"
import type { DatabaseUnavailable, Forbidden, RateLimited, ServerBusy } from "../contract/Problem.ts"
import { ChangeHint, ChangeBus } from "../changes/ChangeBus.ts"
import type { Account, AccountChange, EmailTaken, Unauthorized, UserId, UsernameTaken } from "../contract/Account.ts"
import { Accounts } from "../auth/Accounts.ts"

/** Whether a change is visible to others. */
const isVisibleChange = (before: Account, after: Account) =>
  before.username !== after.username || before.displayName !== after.displayName || before.avatarUrl !== after.avatarUrl

/** The profiles and settings of users. */
export class Profiles extends Context.Service<
  Profiles,
  {
    /**
     * Changes an account. A new e-mail address needs the current password. Everyone whose lists include this person, or who
     * has a direct conversation with them, gets an update.
     */
    readonly update: (
      id: UserId,
      change: AccountChange,
      address?: string
    ) => Effect.Effect<
      Account,
      UsernameTaken | EmailTaken | Forbidden | Unauthorized | RateLimited | ServerBusy | DatabaseUnavailable
    >
  }
>()("xfchat/accounts/Profiles") {
  static readonly layer = Layer.effect(
    Profiles,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus
      const accounts = yield* Accounts
      const waits = yield* LockWaits
      const pairs = yield* Pairs
      const announcements = yield* Announcements
      const conversations = yield* Conversations

      const update = Effect.fn("Profiles.update")(function* (id: UserId, change: AccountChange, address?: string) {
        const { currentPassword = Redacted.make(""), email } = change
        const proof = email === undefined ? undefined : yield* accounts.verifyPassword(id, currentPassword, address)
        return yield* Effect.gen(function* () {
          yield* pairs.lockAll([id])
          const before = yield* accounts.get(id)
          const after = yield* accounts.change(id, change, proof)
          if (isVisibleChange(before, after)) {
            yield* announcements.announce(id, "profile")
            yield* conversations.bumpRevisions(id)
          }
          yield* sql.afterCommit(bus.publish([ChangeHint.Person({ userId: id })]))
          return after
        }).pipe(inTransaction(sql), waits.bound("account", id))
      }, catchDatabaseErrors)

      return Profiles.of({ update })
    })
  )
}
