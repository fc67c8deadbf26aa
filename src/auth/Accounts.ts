import { Context, Effect, Layer, Schema, type Option } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import type { DatabaseUnavailable, ServerBusy } from "../Problem.ts"
import type { Login } from "./Account.ts"
import { Account, EmailTaken, Signup, Unauthorized, UserId, UsernameTaken } from "./Account.ts"
import { Passwords } from "./Passwords.ts"

export class Accounts extends Context.Service<
  Accounts,
  {
    /** Makes an account. The names are settled by the database's unique indexes: of many at once, one wins. */
    readonly create: (
      signup: Signup
    ) => Effect.Effect<Account, UsernameTaken | EmailTaken | ServerBusy | DatabaseUnavailable>
    /** The account whose name and password these are. An unknown name and a wrong password cost and answer the same. */
    readonly verify: (login: Login) => Effect.Effect<Account, Unauthorized | ServerBusy | DatabaseUnavailable>
    readonly get: (id: UserId) => Effect.Effect<Account, Unauthorized | DatabaseUnavailable>
    readonly findByUsername: (username: string) => Effect.Effect<Option.Option<Account>, DatabaseUnavailable>
  }
>()("xfchat/auth/Accounts") {
  static readonly layer = Layer.effect(
    Accounts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const passwords = yield* Passwords

      const columns = sql.literal(
        `id, username, email, display_name AS "displayName", avatar_url AS "avatarUrl", created_at AS "createdAt"`
      )

      const insert = SqlSchema.findOne({
        Request: Schema.Struct({ ...Signup.fields, password: Schema.String }),
        Result: Account,
        execute: ({ username, email, password, displayName }) => sql`
          INSERT INTO users (username, email, password_hash, display_name)
          VALUES (${username}, ${email}, ${password}, ${displayName ?? null})
          RETURNING ${columns}`
      })

      const create = Effect.fn("Accounts.create")(function* (signup: Signup) {
        const password = yield* passwords.hash(signup.password)
        return yield* insert({ ...signup, password }).pipe(
          Effect.catchReason("SqlError", "UniqueViolation", ({ constraint }, error) =>
            Effect.fail(
              constraint === "users_username_key"
                ? new UsernameTaken()
                : constraint === "users_email_key"
                  ? new EmailTaken()
                  : error
            )
          )
        )
      }, catchDatabaseErrors)

      // By users_username_key or users_email_key: a username has no @, an address always one.
      const findByLogin = SqlSchema.findAll({
        Request: Schema.String,
        Result: Schema.Struct({ id: UserId, passwordHash: Schema.String }),
        execute: (login) =>
          login.includes("@")
            ? sql`SELECT id, password_hash AS "passwordHash" FROM users WHERE lower(email) = lower(${login})`
            : sql`SELECT id, password_hash AS "passwordHash" FROM users WHERE lower(username) = lower(${login})`
      })

      const verify = Effect.fn("Accounts.verify")(function* ({ login, password }: Login) {
        const [found] = yield* findByLogin(login)
        const { matches, outdated } = yield* passwords.verify(password, found?.passwordHash)
        if (found === undefined || !matches) {
          return yield* new Unauthorized({ detail: "The login or the password is wrong." })
        }
        if (outdated) {
          const hash = yield* passwords.hash(password)
          // Only over the hash that was verified: a password changed meanwhile stays changed.
          yield* sql`
            UPDATE users SET password_hash = ${hash}, updated_at = now()
            WHERE id = ${found.id} AND password_hash = ${found.passwordHash}`
        }
        return yield* get(found.id)
      }, catchDatabaseErrors)

      const findById = SqlSchema.findAll({
        Request: UserId,
        Result: Account,
        execute: (id) => sql`SELECT ${columns} FROM users WHERE id = ${id}`
      })

      const get = Effect.fn("Accounts.get")(function* (id: UserId) {
        const [account] = yield* findById(id)
        return account ?? (yield* new Unauthorized({ detail: "This account is gone." }))
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

      return Accounts.of({ create, verify, get, findByUsername })
    })
  )
}
