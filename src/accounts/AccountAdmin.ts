import { Context, Effect, Layer, Schema, Stream, type Redacted } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { folded } from "../database/FoldedName.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { inTransaction } from "../database/Transaction.ts"
import { Ownership } from "../conversations/Ownership.ts"
import type { DatabaseUnavailable, ServerBusy } from "../contract/Problem.ts"
import { foldLogin, UserId } from "../contract/Account.ts"
import { NoSuchAccount } from "../auth/NoSuchAccount.ts"
import { Passwords } from "../auth/Passwords.ts"

/** An account as operators see it. */
export const AccountState = Schema.Struct({
  id: UserId,
  username: Schema.String,
  email: Schema.NullOr(Schema.String),
  createdAt: Schema.DateTimeUtcFromDate,
  disabledAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
})

const decodeState = Schema.decodeUnknownEffect(AccountState)
const decodeIds = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ id: UserId })))

/** The actions of operators on accounts. */
export class AccountAdmin extends Context.Service<
  AccountAdmin,
  {
    /**
     * Ends all sessions of an account and lets nobody sign in to it: a login fails as with a wrong password. The groups that
     * it owns pass to participants who can sign in, if there are any; the account stays in them.
     */
    readonly disable: (username: string) => Effect.Effect<void, NoSuchAccount | DatabaseUnavailable>
    /**
     * Lets the owner of a disabled account sign in again. Groups of this person that only disabled accounts led until now pass
     * on as in `disable`.
     */
    readonly enable: (username: string) => Effect.Effect<void, NoSuchAccount | DatabaseUnavailable>
    /** Changes the password of an account, and ends all its sessions. */
    readonly resetPassword: (
      username: string,
      password: Redacted.Redacted
    ) => Effect.Effect<void, NoSuchAccount | ServerBusy | DatabaseUnavailable>
    /** All accounts except deleted ones, by username. */
    readonly list: Stream.Stream<typeof AccountState.Type, SqlError.SqlError | Schema.SchemaError>
  }
>()("xfchat/accounts/AccountAdmin") {
  static readonly layer = Layer.effect(
    AccountAdmin,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const passwords = yield* Passwords
      const ownership = yield* Ownership

      /** The row of the account that a statement changed. */
      const requireRow = <A>(username: string, [row]: ReadonlyArray<A>) =>
        row === undefined ? Effect.fail(new NoSuchAccount({ username })) : Effect.succeed(row)

      // By sessions_user_id_idx. A statement of its own, so that it sees the sessions that were opened while the change of the
      // account waited for their locks. Later ones wait for this transaction (see Sessions.open).
      const endSessions = (id: UserId) => sql`DELETE FROM sessions WHERE user_id = ${id}`

      // By users_username_key, like the next two.
      const disable = Effect.fn("AccountAdmin.disable")(function* (username: string) {
        const disabled = yield* Effect.gen(function* () {
          const rows = yield* sql`
            UPDATE users SET disabled_at = coalesce(disabled_at, now()), updated_at = now()
            WHERE ${sql.literal(folded("username"))} = ${foldLogin(username)} AND deleted_at IS NULL RETURNING id`
          const { id } = yield* requireRow(username, yield* decodeIds(rows))
          yield* endSessions(id)
          yield* ownership.markDisabled(id)
          return id
        }).pipe(inTransaction(sql))
        yield* ownership.passOnDisabled(disabled)
      }, catchDatabaseErrors)

      const enable = Effect.fn("AccountAdmin.enable")(function* (username: string) {
        const enabled = yield* Effect.gen(function* () {
          const rows = yield* sql`
            UPDATE users SET disabled_at = NULL, updated_at = now()
            WHERE ${sql.literal(folded("username"))} = ${foldLogin(username)} AND deleted_at IS NULL RETURNING id`
          const { id } = yield* requireRow(username, yield* decodeIds(rows))
          yield* ownership.markDisabled(id)
          return id
        }).pipe(inTransaction(sql))
        yield* ownership.passOnDisabled(enabled)
      }, catchDatabaseErrors)

      const resetPassword = Effect.fn("AccountAdmin.resetPassword")(function* (
        username: string,
        password: Redacted.Redacted
      ) {
        const hash = yield* passwords.hash(password)
        yield* Effect.gen(function* () {
          const rows = yield* sql`
            UPDATE users SET password_hash = ${hash}, updated_at = now()
            WHERE ${sql.literal(folded("username"))} = ${foldLogin(username)} AND deleted_at IS NULL RETURNING id`
          yield* endSessions((yield* requireRow(username, yield* decodeIds(rows))).id)
        }).pipe(inTransaction(sql))
      }, catchDatabaseErrors)

      // By users_username_key.
      const list = sql`
        SELECT id, username, email, created_at AS "createdAt", disabled_at AS "disabledAt"
        FROM users WHERE deleted_at IS NULL ORDER BY ${sql.literal(folded("username"))}`.stream.pipe(
        Stream.mapEffect((row) => decodeState(row))
      )

      return AccountAdmin.of({ disable, enable, resetPassword, list })
    })
  )
}
