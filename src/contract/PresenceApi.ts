import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Authorization } from "./AuthApi.ts"
import { described } from "./Description.ts"
import { PresenceCursor, PresencePage } from "./PresencePage.ts"
import { RateLimited } from "./Problem.ts"
import { schemaNamed, StateVersion, streamed, StreamQuery } from "./Streamed.ts"

export class PresenceApi extends HttpApiGroup.make("presence")
  .add(
    HttpApiEndpoint.get("presence", "/presence", {
      query: {
        ...StreamQuery,
        cursor: Schema.optionalKey(PresenceCursor).pipe(
          described(
            "The `cursor` of the answer before, for the people and conversations after it. A stream ignores it."
          )
        )
      },
      success: HttpApiSchema.WithHeaders(PresencePage, Schema.Struct({ version: StateVersion })),
      error: RateLimited
    }).annotateMerge(
      OpenApi.annotations({
        summary: "See who is online",
        description:
          "Returns which friends of the caller, and which people in conversations of at most 100 participants with them, are " +
          "online, and who is typing in those conversations. Anyone not listed is offline, and nobody is typing in a " +
          "conversation that is not listed, unless `cursor` leads on. A stream, in the four encodings of messages, starts with all of this and " +
          "continues with changes, in which each member replaces the earlier one. A user who hides their presence sees nobody and " +
          "is seen by nobody.",
        transform: streamed({ name: "Presence", change: "change", changeSchema: schemaNamed("PresencePage") })
      })
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(
    OpenApi.annotations({ title: "Presence", description: "The people who are online and those who are typing." })
  ) {}
