import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Profile, UserId } from "../auth/Account.ts"
import { Authorization } from "../auth/AuthApi.ts"
import { Limited } from "../limits/RouteClass.ts"
import { NotFound } from "../Problem.ts"
import { Text } from "../Text.ts"

export class PeopleApi extends HttpApiGroup.make("people")
  .add(
    HttpApiEndpoint.get("search", "/users", {
      query: { query: Text.check(Schema.isBetweenCodePoints(1, 254)) },
      success: Schema.Struct({ users: Schema.Array(Profile) })
    })
      .annotate(Limited, "searching")
      .annotate(
        OpenApi.Description,
        "Finds people by their whole username or e-mail address, and those who allow it by the first three or more " +
          "characters of their username: at most 10."
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
