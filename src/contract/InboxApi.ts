import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Authorization } from "./AuthApi.ts"
import { Wait } from "./Wait.ts"
import { InboxPage } from "./InboxPage.ts"

export class InboxApi extends HttpApiGroup.make("inbox")
  .add(
    HttpApiEndpoint.get("inbox", "/inbox", {
      query: { wait: Schema.optionalKey(Wait), after: Schema.optionalKey(Schema.String) },
      success: HttpApiSchema.WithHeaders(InboxPage, Schema.Struct({ version: Schema.String }))
    }).annotate(
      OpenApi.Description,
      "The user's whole picture: conversations with last message and unread count, friends, requests and blocks. Or the " +
        "stream of it, one for a whole client, in the same four encodings as messages. Updates replace; resuming may " +
        "repeat one, and misses none."
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(OpenApi.annotations({ title: "Inbox" })) {}
