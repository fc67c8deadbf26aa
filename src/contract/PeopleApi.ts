import { Schema, SchemaTransformation } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Profile, UserId } from "./Account.ts"
import { Authorization } from "./AuthApi.ts"
import { described } from "./Description.ts"
import { NotFound } from "./Problem.ts"
import { Limited } from "./RouteClass.ts"
import { Text } from "./Text.ts"

/** The most ids in one request. */
export const maxIds = 100

const Ids = Schema.String.check(Schema.isMaxLength(37 * maxIds)).pipe(
  Schema.decodeTo(
    Schema.Array(UserId).check(Schema.isMaxLength(maxIds)),
    SchemaTransformation.transform({
      decode: (text): ReadonlyArray<string> => text.split(","),
      encode: (ids) => ids.join()
    })
  )
)

/** The people to find, by a query or by their ids. */
const OneOf = Schema.Struct({
  query: Schema.optionalKey(Text.check(Schema.isBetweenCodePoints(1, 254))).pipe(
    described("A username or an e-mail address, or the first three or more characters of a username.")
  ),
  ids: Schema.optionalKey(Ids).pipe(described(`Up to ${maxIds} ids of users, separated by commas.`))
}).check(
  Schema.makeFilter(
    ({ ids, query }) => (ids === undefined) !== (query === undefined) || "must have either query or ids"
  )
)

export class PeopleApi extends HttpApiGroup.make("people")
  .add(
    HttpApiEndpoint.get("search", "/users", {
      query: OneOf,
      success: Schema.Struct({ users: Schema.Array(Profile.json).pipe(described("The profiles that were found.")) })
    })
      .annotate(Limited, "searching")
      .annotateMerge(
        OpenApi.annotations({
          summary: "Find people",
          description:
            "With `query`, finds people by their whole username or e-mail address, and discoverable people by the beginning of " +
            "their username: at most 10. With `ids`, returns the profiles of these users and leaves out those that do not exist."
        })
      ),
    HttpApiEndpoint.get("get", "/users/:id", {
      params: { id: UserId.pipe(described("The user's id.")) },
      success: Profile.json,
      error: NotFound
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Get a profile",
        description: "Returns the part of a user's account that everybody may see."
      })
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(OpenApi.annotations({ title: "People", description: "Find other users and read their profiles." })) {}
