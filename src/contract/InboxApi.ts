import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Authorization } from "./AuthApi.ts"
import { InboxPage } from "./InboxPage.ts"
import { schemaNamed, StateVersion, streamed, StreamQuery } from "./Streamed.ts"

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
          "The same as a stream, in the four encodings of messages, is enough for a whole client. Each update replaces the members " +
          "that it contains. A resumed stream misses no update, and may repeat one.",
        transform: streamed({ name: "Inbox", change: "change", changeSchema: schemaNamed("InboxPage") })
      })
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(
    OpenApi.annotations({ title: "Inbox", description: "Everything for a client's first screen, as one stream." })
  ) {}
