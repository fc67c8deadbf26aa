import { Context, Effect, Layer, Redacted, Schema, type Option } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { folded } from "../database/FoldedName.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { profileColumns } from "../people/ProfileRow.ts"
import { inTransaction } from "../database/Transaction.ts"
import { Forbidden, type DatabaseUnavailable, type RateLimited, type ServerBusy } from "../contract/Problem.ts"
import type { AccountChange, Login, PasswordChange } from "../contract/Account.ts"
import { Account, EmailTaken, foldLogin, Signup, Unauthorized, UserId, UsernameTaken } from "../contract/Account.ts"
import { LoginAttempts, type Attempt } from "./LoginAttempts.ts"
import { Passwords, type PasswordProof } from "./Passwords.ts"
import type { Caller } from "../contract/Session.ts"
import { Sessions } from "./Sessions.ts"

const decodeAccounts = Schema.decodeUnknownEffect(Schema.Array(Account))

/** The display name of a deleted account. */
const neutralName = "Deleted account"

/** An account's password. */
const Secret = Schema.Struct({ id: UserId, passwordHash: Schema.String })

/** The account that a login names; `id` is null if there is none. */
const LoginRow = Schema.Struct({
  id: Schema.NullOr(UserId),
  passwordHash: Schema.NullOr(Schema.String),
  legacyCost: Schema.Int
})

/** The account that somebody has logged in to. */
export interface VerifiedLogin {
  readonly account: Account
  readonly proof: PasswordProof
}

export class Accounts extends Context.Service<
  Accounts,
  {
    /** Creates an account. Of several simultaneous requests for a name, the database's unique indexes let one succeed. */
    readonly create: (
      signup: Signup
    ) => Effect.Effect<Account, UsernameTaken | EmailTaken | ServerBusy | DatabaseUnavailable>
    /** Finds the account of a login and its password. An unknown login and a wrong password cost the same and fail the same. */
    readonly verifyLogin: (
      login: Login,
      address?: string
    ) => Effect.Effect<VerifiedLogin, Unauthorized | RateLimited | ServerBusy | DatabaseUnavailable>
    /**
     * Changes the given fields. With a proof, fails if the password has changed since. Must run in a transaction.
     */
    readonly change: (
      id: UserId,
      change: AccountChange,
      proof: PasswordProof | undefined
    ) => Effect.Effect<
      Account,
      UsernameTaken | EmailTaken | Forbidden | Unauthorized | SqlError.SqlError | Schema.SchemaError
    >
    /** Changes the password and ends all other sessions, so that a stolen one is worthless. */
    readonly changePassword: (
      caller: Caller,
      change: PasswordChange,
      address?: string
    ) => Effect.Effect<void, Forbidden | RateLimited | ServerBusy | DatabaseUnavailable>
    /** Verifies the current password again, before a change that a stolen session must not make. */
    readonly verifyPassword: (
      id: UserId,
      currentPassword: Redacted.Redacted,
      address?: string
    ) => Effect.Effect<PasswordProof, Forbidden | RateLimited | ServerBusy | DatabaseUnavailable>
    /**
     * Removes everything that identifies the owner of an account, and marks it as deleted. Must run in a transaction, for
     * the rest of which the row stays locked.
     */
    readonly anonymise: (id: UserId, proof: PasswordProof) => Effect.Effect<void, Forbidden | SqlError.SqlError>
    readonly get: (id: UserId) => Effect.Effect<Account, Unauthorized | DatabaseUnavailable>
    /** Finds who has a username, also if that account is disabled: the username is taken. A deleted account has none. */
    readonly findByUsername: (username: string) => Effect.Effect<Option.Option<Account>, DatabaseUnavailable>
  }
>()("xfchat/auth/Accounts") {
  static readonly layer = Layer.effect(
    Accounts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const passwords = yield* Passwords
      const attempts = yield* LoginAttempts
      const sessions = yield* Sessions

      const columns = sql.literal(`
        ${profileColumns("users")}, email, direct_messages_from AS "directMessagesFrom",
        is_discoverable AS "isDiscoverable",
        shows_presence AS "showsPresence", created_at AS "createdAt"`)

      const explainTaken = ({ constraint }: SqlError.UniqueViolation, error: SqlError.SqlError) =>
        Effect.fail(
          constraint === "users_username_key"
            ? new UsernameTaken()
            : constraint === "users_email_key"
              ? new EmailTaken()
              : error
        )

      const insert = SqlSchema.findOne({
        Request: Schema.Struct({ ...Signup.fields, password: Schema.String }),
        Result: Account,
        execute: ({ username, email, password, displayName, avatarUrl }) => sql`
          INSERT INTO users (username, email, password_hash, display_name, avatar_url)
          VALUES (${username}, ${email}, ${password}, ${displayName ?? null}, ${avatarUrl ?? null})
          RETURNING ${columns}`
      })

      const create = Effect.fn("Accounts.create")(function* (signup: Signup) {
        const password = yield* passwords.hash(signup.password)
        return yield* insert({ ...signup, password }).pipe(
          Effect.catchReason("SqlError", "UniqueViolation", explainTaken)
        )
      }, catchDatabaseErrors)

      // By the primary key.
      const findById = SqlSchema.findAll({
        Request: UserId,
        Result: Account,
        execute: (id) => sql`SELECT ${columns} FROM users WHERE id = ${id} AND deleted_at IS NULL`
      })

      // By users_username_key or users_email_key: an e-mail address has an @, and a username never does. A disabled account is
      // treated as if it did not exist. The costliest legacy hash comes from users_legacy_password_idx, which holds nothing
      // else.
      const findByLogin = SqlSchema.findOne({
        Request: Schema.String,
        Result: LoginRow,
        execute: (login) => {
          const name = sql.literal(folded(login.includes("@") ? "email" : "username"))
          return sql`
            SELECT u.id, u.password_hash AS "passwordHash", coalesce((
              SELECT max(substr(password_hash, 5, 2)) FROM users
              WHERE password_hash ~ '^[$]2[abxy][$](0[4-9]|1[0-4])[$]')::int, 0) AS "legacyCost"
            FROM (VALUES (1)) AS always LEFT JOIN LATERAL (
              SELECT id, password_hash FROM users
              WHERE ${name} = ${foldLogin(login)} AND disabled_at IS NULL) u ON TRUE`
        }
      })

      // By the primary key.
      const findSecret = SqlSchema.findAll({
        Request: UserId,
        Result: Secret,
        execute: (id) => sql`SELECT id, password_hash AS "passwordHash" FROM users WHERE id = ${id}`
      })

      /**
       * Verifies a password, and returns its hash, renewed if it was outdated; `undefined` if the password is wrong. For an
       * account that does not exist it does the same work.
       */
      const verifySecret = Effect.fnUntraced(function* (
        found: typeof Secret.Type | undefined,
        password: Redacted.Redacted,
        attempt: Attempt,
        legacyCost: number
      ) {
        const { matches, outdated } = yield* passwords.verify(password, found?.passwordHash, legacyCost)
        if (found === undefined || !matches) return undefined
        yield* attempts.succeed(attempt)
        if (!outdated) return found.passwordHash
        const hash = yield* passwords.hash(password)
        // Replaces only the hash that was verified, and not that of a password that was changed in between.
        yield* sql`
          UPDATE users SET password_hash = ${hash}, updated_at = now()
          WHERE id = ${found.id} AND password_hash = ${found.passwordHash}`
        return hash
      })

      const verifyLogin = Effect.fn("Accounts.verifyLogin")(function* ({ login, password }: Login, address?: string) {
        const { id, legacyCost, passwordHash } = yield* findByLogin(login)
        const found = id === null || passwordHash === null ? undefined : { id, passwordHash }
        const attempt = { login: id ?? foldLogin(login), address }
        yield* attempts.begin(attempt)
        const hash = yield* verifySecret(found, password, attempt, legacyCost)
        const [account] = found === undefined || hash === undefined ? [] : yield* findById(found.id)
        if (account === undefined || hash === undefined) {
          return yield* new Unauthorized({ detail: "The login or the password is wrong." })
        }
        return { account, proof: Redacted.make(hash) }
      }, catchDatabaseErrors)

      const accountGone = new Unauthorized({ detail: "This account is gone." })
      const wrongPassword = new Forbidden({ detail: "The current password is wrong." })

      const verifyPassword = Effect.fn("Accounts.verifyPassword")(function* (
        id: UserId,
        password: Redacted.Redacted,
        address?: string
      ) {
        // Counted apart from logins, so that a thief of a session who guesses does not lock the owner out.
        const attempt = { login: `current password of ${id}`, address }
        yield* attempts.begin(attempt)
        const [found] = yield* findSecret(id)
        return Redacted.make((yield* verifySecret(found, password, attempt, 0)) ?? (yield* wrongPassword))
      }, catchDatabaseErrors)

      // By the primary key.
      const write = (id: UserId, change: AccountChange, proof: string | undefined) =>
        sql`
          UPDATE users SET
            username = coalesce(${change.username ?? null}, username),
            email = coalesce(${change.email ?? null}, email),
            display_name = CASE WHEN ${change.displayName === undefined} THEN display_name ELSE ${change.displayName ?? null} END,
            avatar_url = CASE WHEN ${change.avatarUrl === undefined} THEN avatar_url ELSE ${change.avatarUrl ?? null} END,
            direct_messages_from = coalesce(${change.directMessagesFrom ?? null}, direct_messages_from),
            is_discoverable = coalesce(${change.isDiscoverable ?? null}, is_discoverable),
            shows_presence = coalesce(${change.showsPresence ?? null}, shows_presence),
            updated_at = now()
          WHERE id = ${id} AND deleted_at IS NULL AND password_hash = coalesce(${proof ?? null}, password_hash)
          RETURNING ${columns}`

      const change = Effect.fn("Accounts.change")(function* (
        id: UserId,
        change: AccountChange,
        proof: PasswordProof | undefined
      ) {
        const rows = yield* write(id, change, proof && Redacted.value(proof)).pipe(
          Effect.catchReason("SqlError", "UniqueViolation", explainTaken)
        )
        const [account] = yield* decodeAccounts(rows)
        return account ?? (yield* proof === undefined ? accountGone : wrongPassword)
      })

      const changePassword = Effect.fn("Accounts.changePassword")(function* (
        caller: Caller,
        { currentPassword, newPassword }: PasswordChange,
        address?: string
      ) {
        const proof = yield* verifyPassword(caller.userId, currentPassword, address)
        const hash = yield* passwords.hash(newPassword)
        // Two statements, so that the second sees the sessions that were opened while the first waited for their locks.
        yield* Effect.gen(function* () {
          const changed = yield* sql`
            UPDATE users SET password_hash = ${hash}, updated_at = now()
            WHERE id = ${caller.userId} AND password_hash = ${Redacted.value(proof)} RETURNING id`
          if (changed.length === 0) return yield* wrongPassword
          yield* sessions.endOthers(caller)
        }).pipe(inTransaction(sql))
      }, catchDatabaseErrors)

      const anonymise = Effect.fn("Accounts.anonymise")(function* (id: UserId, proof: PasswordProof) {
        // Nobody can choose such a username, because it has hyphens.
        const anonymised = yield* sql`
          UPDATE users SET
            username = 'deleted-' || id, display_name = ${neutralName}, email = NULL, password_hash = '', avatar_url = NULL,
            stripe_customer_id = NULL, subscription_status = NULL, last_seen_at = NULL, direct_messages_from = 'nobody',
            is_discoverable = FALSE, shows_presence = FALSE, deleted_at = now(), updated_at = now()
          WHERE id = ${id} AND deleted_at IS NULL AND password_hash = ${Redacted.value(proof)} RETURNING id`
        if (anonymised.length === 0) return yield* wrongPassword
      })

      const get = Effect.fn("Accounts.get")(function* (id: UserId) {
        const [account] = yield* findById(id)
        return account ?? (yield* accountGone)
      }, catchDatabaseErrors)

      // By users_username_key.
      const findByUsername = Effect.fn("Accounts.findByUsername")(
        SqlSchema.findOneOption({
          Request: Schema.String,
          Result: Account,
          execute: (username) =>
            sql`SELECT ${columns} FROM users WHERE ${sql.literal(folded("username"))} = ${foldLogin(username)}`
        }),
        catchDatabaseErrors
      )

      return Accounts.of({
        create,
        verifyLogin,
        change,
        changePassword,
        verifyPassword,
        anonymise,
        get,
        findByUsername
      })
    })
  )
}
