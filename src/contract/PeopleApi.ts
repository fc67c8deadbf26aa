import { Schema, SchemaTransformation } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Profile, UserId } from "./Account.ts"
import { Authorization } from "./AuthApi.ts"
import { Limited } from "./RouteClass.ts"
import { NotFound } from "./Problem.ts"
import { Text } from "./Text.ts"

/** Most people that one request asks for by their ids. */
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

/** The people to find: by a query, or by ids. */
const OneOf = Schema.Struct({
  query: Schema.optionalKey(Text.check(Schema.isBetweenCodePoints(1, 254))),
  ids: Schema.optionalKey(Ids)
}).check(
  Schema.makeFilter(({ ids, query }) => (ids === undefined) !== (query === undefined) || "must have query, or ids")
)

export class PeopleApi extends HttpApiGroup.make("people")
  .add(
    HttpApiEndpoint.get("search", "/users", {
      query: OneOf,
      success: Schema.Struct({ users: Schema.Array(Profile) })
    })
      .annotate(Limited, "searching")
      .annotate(
        OpenApi.Description,
        "Finds people by their whole username or e-mail address, and those who allow it by the first three or more " +
          "characters of their username: at most 10. Or, with `ids`, what everybody may know of up to 100 people, " +
          "separated by commas; those who are not there are left out."
      ),
    HttpApiEndpoint.get("get", "/users/:id", {
      params: { id: UserId },
      success: Profile,
      error: NotFound
    }).annotate(OpenApi.Description, "What everybody may know of a person.")
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(OpenApi.annotations({ title: "People" })) {}
