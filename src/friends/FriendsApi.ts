import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { UserId } from "../auth/Account.ts"
import { Authorization } from "../auth/AuthApi.ts"
import { Cursor, Limit } from "../Paging.ts"
import { NotFound } from "../Problem.ts"
import { Block } from "./Friend.ts"

const person = { userId: UserId }
const page = { limit: Schema.optionalKey(Limit), cursor: Schema.optionalKey(Cursor) }
/** Leads on; `null` where there is no more. */
const cursor = Schema.NullOr(Cursor)

export class FriendsApi extends HttpApiGroup.make("friends")
  .add(
    HttpApiEndpoint.get("blocks", "/blocks", {
      query: page,
      success: Schema.Struct({ blocks: Schema.Array(Block.json), cursor })
    }).annotate(OpenApi.Description, "Those whom the caller blocks, the last first."),
    HttpApiEndpoint.put("block", "/blocks/:userId", {
      params: person,
      success: HttpApiSchema.NoContent,
      error: NotFound
    }).annotate(
      OpenApi.Description,
      "Blocks a person, who does not learn of it. Ends the friendship and the requests between the two."
    ),
    HttpApiEndpoint.delete("unblock", "/blocks/:userId", {
      params: person,
      success: HttpApiSchema.NoContent
    }).annotate(OpenApi.Description, "Ends a block. What it ended stays ended.")
  )
  .middleware(Authorization)
  .prefix("/api/friends")
  .annotateMerge(OpenApi.annotations({ title: "Friends" })) {}
