import { Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { folded } from "../database/FoldedName.ts"
import { foldLogin, Profile, UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { NotFound, type DatabaseUnavailable } from "../contract/Problem.ts"
import { Uuid } from "../contract/Text.ts"
import { blocks } from "./PairRow.ts"
import { profileColumns } from "./ProfileRow.ts"

const decodeUuid = Schema.decodeOption(Uuid)

/** A shorter query finds only the person whose whole username it is. */
const shortestPrefix = 3

/** The most people that one search finds. A search has one page, so that nobody can list everyone. */
const mostFound = 10

/** Every text that begins with a prefix sorts before the prefix followed by this. */
const lastCharacter = "\u{10ffff}"

const isUuid = (name: string) => Option.isSome(decodeUuid(name))

/** People as everyone may see them. A person whose account is deleted is not found. */
export class People extends Context.Service<
  People,
  {
    /**
     * The person with this e-mail address or username, and people who allow to be found by the beginning of their username.
     * A person who blocks the caller counts as one who does not allow it.
     */
    readonly search: (caller: UserId, query: string) => Effect.Effect<ReadonlyArray<Profile>, DatabaseUnavailable>
    readonly get: (id: UserId) => Effect.Effect<Profile, NotFound | DatabaseUnavailable>
    /** The profiles of some people; those who do not exist are left out. */
    readonly getMany: (ids: ReadonlyArray<UserId>) => Effect.Effect<ReadonlyArray<Profile>, DatabaseUnavailable>
    /** The person who has this username, e-mail address or id. */
    readonly find: (name: string) => Effect.Effect<UserId, NotFound | DatabaseUnavailable>
  }
>()("xfchat/people/People") {
  static readonly layer = Layer.effect(
    People,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const columns = sql.literal(profileColumns())

      const username = sql.literal(folded("username"))

      // By the primary key, users_email_key or users_username_key: a username has no @, an address always one.
      const isCalled = (name: string) =>
        isUuid(name)
          ? sql`u.id = ${name}`
          : name.includes("@")
            ? sql`${sql.literal(folded("email"))} = ${foldLogin(name)}`
            : sql`${username} = ${foldLogin(name)}`

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
            SELECT ${columns} FROM users u WHERE ${username} = ${prefix} AND deleted_at IS NULL
            UNION
            (SELECT ${columns} FROM users u, (SELECT ${caller}::uuid AS id) me
              WHERE is_discoverable AND deleted_at IS NULL
                AND ${username} >= ${prefix} AND ${username} < ${prefix + lastCharacter}
                AND NOT ${sql.literal(blocks("u.id", "me.id"))}
              ORDER BY ${username} LIMIT ${mostFound})
          ) found ORDER BY ${username} LIMIT ${mostFound}`
      })

      const search = Effect.fn("People.search")(
        (caller: UserId, query: string) =>
          query.includes("@") || [...query].length < shortestPrefix
            ? findCalled(query)
            : findBeginning({ caller, prefix: foldLogin(query) }),
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
