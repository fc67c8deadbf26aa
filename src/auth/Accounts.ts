import { Context, Effect, Layer, Redacted, Schema, type Option } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { inTransaction } from "../database/Transaction.ts"
import { Forbidden, type DatabaseUnavailable, type RateLimited, type ServerBusy } from "../contract/Problem.ts"
import type { AccountChange, Login, PasswordChange } from "../contract/Account.ts"
import { Account, EmailTaken, foldLogin, Signup, Unauthorized, UserId, UsernameTaken } from "../contract/Account.ts"
import { LoginAttempts, type Attempt } from "./LoginAttempts.ts"
import { Passwords } from "./Passwords.ts"
import type { Caller } from "../contract/Session.ts"
import { Sessions } from "./Sessions.ts"

const decodeAccounts = Schema.decodeUnknownEffect(Schema.Array(Account))

/** How others see who is gone. */
const neutralName = "Deleted account"

/** What a password is compared with. */
const Secret = Schema.Struct({ id: UserId, passwordHash: Schema.String })

/** The account that a login names: none where there is no id. */
const Found = Schema.Struct({
  id: Schema.NullOr(UserId),
  passwordHash: Schema.NullOr(Schema.String),
  legacyCost: Schema.Int
})

/** An account, and the hash by which its owner has just proven who they are. */
export interface Verified {
  readonly account: Account
  readonly proof: Redacted.Redacted
}

export class Accounts extends Context.Service<
  Accounts,
  {
    /** Makes an account. The names are settled by the database's unique indexes: of many at once, one wins. */
    readonly create: (
      signup: Signup
    ) => Effect.Effect<Account, UsernameTaken | EmailTaken | ServerBusy | DatabaseUnavailable>
    /** The account whose name and password these are. An unknown name and a wrong password cost and answer the same. */
    readonly verify: (
      login: Login,
      address?: string
    ) => Effect.Effect<Verified, Unauthorized | RateLimited | ServerBusy | DatabaseUnavailable>
    /**
     * Changes what is given, and nothing else; with a proof, only while that is the password in force. Part of a
     * transaction.
     */
    readonly change: (
      id: UserId,
      change: AccountChange,
      proof: Redacted.Redacted | undefined
    ) => Effect.Effect<
      Account,
      UsernameTaken | EmailTaken | Forbidden | Unauthorized | SqlError.SqlError | Schema.SchemaError
    >
    /** Gives an account another password, and ends all its other sessions: who has stolen one is out. */
    readonly changePassword: (
      current: Caller,
      change: PasswordChange,
      address?: string
    ) => Effect.Effect<void, Forbidden | RateLimited | ServerBusy | DatabaseUnavailable>
    /** Proves again whose account it is; gives the password hash by which it was proven. */
    readonly confirm: (
      id: UserId,
      currentPassword: Redacted.Redacted,
      address?: string
    ) => Effect.Effect<Redacted.Redacted, Forbidden | RateLimited | ServerBusy | DatabaseUnavailable>
    /**
     * Takes from an account all that names its owner, and marks it as deleted. The row stays, and stays locked for the rest
     * of the transaction that this is a part of.
     */
    readonly anonymise: (id: UserId, proof: Redacted.Redacted) => Effect.Effect<void, Forbidden | SqlError.SqlError>
    readonly get: (id: UserId) => Effect.Effect<Account, Unauthorized | DatabaseUnavailable>
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
        id, username, email, display_name AS "displayName", avatar_url AS "avatarUrl",
        direct_messages_from AS "directMessagesFrom", is_discoverable AS "isDiscoverable",
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

      // By users_login_username_idx or users_login_email_idx: a username has no @, an address always one. A disabled account
      // answers like one that is not there. Of two that only a database's locale tells apart, the one as it is typed. The
      // costliest legacy hash by users_legacy_password_idx, which holds nothing else.
      const findByLogin = SqlSchema.findOne({
        Request: Schema.String,
        Result: Found,
        execute: (login) => {
          const name = sql.literal(login.includes("@") ? "email" : "username")
          return sql`
            SELECT u.id, u.password_hash AS "passwordHash", coalesce((
              SELECT max(substr(password_hash, 5, 2)) FROM users
              WHERE password_hash ~ '^[$]2[abxy][$](0[4-9]|1[0-4])[$]')::int, 0) AS "legacyCost"
            FROM (VALUES (1)) AS always LEFT JOIN LATERAL (
              SELECT id, password_hash FROM users
              WHERE lower(${name} COLLATE "C") = ${foldLogin(login)} AND disabled_at IS NULL
              ORDER BY ${name} = ${login.trim()} DESC LIMIT 1) u ON TRUE`
        }
      })

      // By the primary key.
      const findSecret = SqlSchema.findAll({
        Request: UserId,
        Result: Secret,
        execute: (id) => sql`SELECT id, password_hash AS "passwordHash" FROM users WHERE id = ${id}`
      })

      /**
       * Whether a password is the one of this account. Gives the hash that stands for it now: an outdated one is renewed.
       * The same is done for an account that is not there.
       */
      const prove = Effect.fnUntraced(function* (
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
        // Only over the hash that was verified: a password changed meanwhile stays changed.
        yield* sql`
          UPDATE users SET password_hash = ${hash}, updated_at = now()
          WHERE id = ${found.id} AND password_hash = ${found.passwordHash}`
        return hash
      })

      const verify = Effect.fn("Accounts.verify")(function* ({ login, password }: Login, address?: string) {
        const { id, legacyCost, passwordHash } = yield* findByLogin(login)
        const found = id === null || passwordHash === null ? undefined : { id, passwordHash }
        const attempt = { login: id ?? foldLogin(login), address }
        yield* attempts.begin(attempt)
        const hash = yield* prove(found, password, attempt, legacyCost)
        const [account] = found === undefined || hash === undefined ? [] : yield* findById(found.id)
        if (account === undefined || hash === undefined) {
          return yield* new Unauthorized({ detail: "The login or the password is wrong." })
        }
        return { account, proof: Redacted.make(hash) }
      }, catchDatabaseErrors)

      const accountGone = new Unauthorized({ detail: "This account is gone." })
      const wrongPassword = new Forbidden({ detail: "The current password is wrong." })

      const confirm = Effect.fn("Accounts.confirm")(function* (
        id: UserId,
        password: Redacted.Redacted,
        address?: string
      ) {
        // Apart from logins: who guesses with a stolen session does not keep the owner out.
        const attempt = { login: `current password of ${id}`, address }
        yield* attempts.begin(attempt)
        const [found] = yield* findSecret(id)
        return Redacted.make((yield* prove(found, password, attempt, 0)) ?? (yield* wrongPassword))
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
        proof: Redacted.Redacted | undefined
      ) {
        const rows = yield* write(id, change, proof && Redacted.value(proof)).pipe(
          Effect.catchReason("SqlError", "UniqueViolation", explainTaken)
        )
        const [account] = yield* decodeAccounts(rows)
        return account ?? (yield* proof === undefined ? accountGone : wrongPassword)
      })

      const changePassword = Effect.fn("Accounts.changePassword")(function* (
        current: Caller,
        { currentPassword, newPassword }: PasswordChange,
        address?: string
      ) {
        const proof = yield* confirm(current.userId, currentPassword, address)
        const hash = yield* passwords.hash(newPassword)
        // Two statements: the second sees the sessions that were opened while the first waited for them.
        yield* Effect.gen(function* () {
          const changed = yield* sql`
            UPDATE users SET password_hash = ${hash}, updated_at = now()
            WHERE id = ${current.userId} AND password_hash = ${Redacted.value(proof)} RETURNING id`
          if (changed.length === 0) return yield* wrongPassword
          yield* sessions.endOthers(current)
        }).pipe(inTransaction(sql))
      }, catchDatabaseErrors)

      const anonymise = Effect.fn("Accounts.anonymise")(function* (id: UserId, proof: Redacted.Redacted) {
        // A username that nobody can choose: it has hyphens.
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
          execute: (username) => sql`SELECT ${columns} FROM users WHERE lower(username) = lower(${username})`
        }),
        catchDatabaseErrors
      )

      return Accounts.of({ create, verify, change, changePassword, confirm, anonymise, get, findByUsername })
    })
  )
}
