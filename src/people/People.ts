import { Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { Profile, UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { NotFound, type DatabaseUnavailable } from "../contract/Problem.ts"
import { Uuid } from "../contract/Text.ts"
import { blocks } from "./PairRow.ts"
import { profileColumns } from "./ProfileRow.ts"

const decodeUuid = Schema.decodeOption(Uuid)

/** Fewer characters than this of a username find nobody but who has no more. */
const shortestPrefix = 3

/** Most people that one search finds. There is no more to it: nobody can list all. */
const mostFound = 10

/** What begins with a prefix comes before the prefix with this after it. */
const lastCharacter = "\u{10ffff}"

const isUuid = (name: string) => Option.isSome(decodeUuid(name))

/** The people that there are, as everybody may know them. Whose account is deleted is nobody. */
export class People extends Context.Service<
  People,
  {
    /**
     * Who has this e-mail address or username, and, of those who allow it, who has a username that begins with it. Who
     * blocks the caller is not among the latter: like somebody who does not allow it.
     */
    readonly search: (caller: UserId, query: string) => Effect.Effect<ReadonlyArray<Profile>, DatabaseUnavailable>
    readonly get: (id: UserId) => Effect.Effect<Profile, NotFound | DatabaseUnavailable>
    /** Those of some people who are there. */
    readonly getMany: (ids: ReadonlyArray<UserId>) => Effect.Effect<ReadonlyArray<Profile>, DatabaseUnavailable>
    /** Whose username, e-mail address or id this is. */
    readonly find: (name: string) => Effect.Effect<UserId, NotFound | DatabaseUnavailable>
  }
>()("xfchat/people/People") {
  static readonly layer = Layer.effect(
    People,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const columns = sql.literal(profileColumns())

      // By the primary key, users_email_key or users_username_key: a username has no @, an address always one.
      const isCalled = (name: string) =>
        isUuid(name)
          ? sql`u.id = ${name}`
          : name.includes("@")
            ? sql`lower(email) = lower(${name})`
            : sql`lower(username) = lower(${name})`

      const findCalled = SqlSchema.findAll({
        Request: Schema.String,
        Result: Profile,
        execute: (name) => sql`
          SELECT ${columns} FROM users u WHERE ${isCalled(name)} AND deleted_at IS NULL`
      })

      // By users_username_key and users_discoverable_idx.
      const findBeginning = SqlSchema.findAll({
        Request: Schema.Struct({ caller: UserId, prefix: Schema.String }),
        Result: Profile,
        execute: ({ caller, prefix }) => sql`
          SELECT * FROM (
            SELECT ${columns} FROM users u WHERE lower(username) = lower(${prefix}) AND deleted_at IS NULL
            UNION
            (SELECT ${columns} FROM users u, (SELECT ${caller}::uuid AS id) me
              WHERE is_discoverable AND deleted_at IS NULL
                AND lower(username) ~>=~ lower(${prefix}) AND lower(username) ~<~ (lower(${prefix}) || ${lastCharacter})
                AND NOT ${sql.literal(blocks("u.id", "me.id"))}
              ORDER BY lower(username) USING ~<~ LIMIT ${mostFound})
          ) found ORDER BY lower(username) LIMIT ${mostFound}`
      })

      const search = Effect.fn("People.search")(
        (caller: UserId, query: string) =>
          query.includes("@") || [...query].length < shortestPrefix
            ? findCalled(query)
            : findBeginning({ caller, prefix: query }),
        catchDatabaseErrors
      )

      const nobody = new NotFound({ detail: "There is no such user." })

      const get = Effect.fn("People.get")(function* (id: UserId) {
        const [profile] = yield* findCalled(id)
        return profile ?? (yield* nobody)
      }, catchDatabaseErrors)

      // By the primary key.
      const findMany = SqlSchema.findAll({
        Request: Schema.Array(UserId),
        Result: Profile,
        execute: (ids) => sql`
          SELECT ${columns} FROM users u WHERE u.id = ANY(${ids}::uuid[]) AND deleted_at IS NULL ORDER BY u.id`
      })

      const getMany = Effect.fn("People.getMany")(findMany, catchDatabaseErrors)

      const find = Effect.fn("People.find")(function* (name: string) {
        const [profile] = yield* findCalled(name)
        return profile === undefined ? yield* nobody : profile.id
      }, catchDatabaseErrors)

      return People.of({ search, get, getMany, find })
    })
  )
}
