import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Authorization } from "./AuthApi.ts"
import { RateLimited } from "./Problem.ts"
import { Wait } from "./Wait.ts"
import { PresencePage } from "./PresencePage.ts"

export class PresenceApi extends HttpApiGroup.make("presence")
  .add(
    HttpApiEndpoint.get("presence", "/presence", {
      query: { wait: Schema.optionalKey(Wait), after: Schema.optionalKey(Schema.String) },
      success: HttpApiSchema.WithHeaders(PresencePage, Schema.Struct({ version: Schema.String })),
      error: RateLimited
    }).annotate(
      OpenApi.Description,
      "Who of the caller's friends, and of those in conversations of at most 100 people with them, is online, and who types " +
        "there. Who is not named is offline, and where nobody is named nobody types. Or the stream of it, in the same four " +
        "encodings as messages: the whole first, then what changes, each member in place of the one before. Who hides their " +
        "presence sees nobody and is seen by nobody."
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(OpenApi.annotations({ title: "Presence" })) {}
