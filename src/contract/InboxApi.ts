import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Authorization } from "./AuthApi.ts"
import { InboxPage } from "./InboxPage.ts"
import { StateVersion, streamed, StreamQuery } from "./Streamed.ts"

export class InboxApi extends HttpApiGroup.make("inbox")
  .add(
    HttpApiEndpoint.get("inbox", "/inbox", {
      query: StreamQuery,
      success: HttpApiSchema.WithHeaders(InboxPage, Schema.Struct({ version: StateVersion }))
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Read your inbox",
        description:
          "Returns the user's conversations with their last message and unread count, and their friends, requests and blocks. " +
          "As a stream, in the same four encodings as messages, it is enough for a whole client: each update replaces what it " +
          "names. A resumed stream misses no update and may repeat one.",
        transform: streamed
      })
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(
    OpenApi.annotations({ title: "Inbox", description: "Everything that a client shows of a user, as one stream." })
  ) {}
