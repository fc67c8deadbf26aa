import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { UserId } from "./Account.ts"
import { Authorization } from "./AuthApi.ts"
import { Cursor, Limit } from "./Paging.ts"
import { Forbidden, NotFound } from "./Problem.ts"
import {
  RequestAnswer,
  Block,
  Direction,
  Friend,
  FriendRequest,
  NewRequest,
  RequestId,
  RequestLimitReached
} from "./Friend.ts"

const person = { userId: UserId }
const request = { id: RequestId }
const page = { limit: Schema.optionalKey(Limit), cursor: Schema.optionalKey(Cursor) }
/** Leads on; `null` where there is no more. */
const cursor = Schema.NullOr(Cursor)

export class FriendsApi extends HttpApiGroup.make("friends")
  .add(
    HttpApiEndpoint.get("list", "/friends", {
      query: page,
      success: Schema.Struct({ friends: Schema.Array(Friend.json), cursor })
    }).annotate(OpenApi.Description, "The caller's friends, the latest first."),
    HttpApiEndpoint.delete("remove", "/friends/:userId", {
      params: person,
      success: HttpApiSchema.NoContent,
      error: NotFound
    }).annotate(OpenApi.Description, "Ends a friendship. The conversation of the two stays as it is."),
    HttpApiEndpoint.get("requests", "/friends/requests", {
      query: { direction: Direction, ...page },
      success: Schema.Struct({ requests: Schema.Array(FriendRequest.json), cursor })
    }).annotate(OpenApi.Description, "The open requests that the caller got or sent, the latest first."),
    HttpApiEndpoint.post("ask", "/friends/requests", {
      payload: NewRequest,
      success: [FriendRequest.json, FriendRequest.json.pipe(HttpApiSchema.status(201))],
      error: [NotFound, Forbidden, RequestLimitReached]
    }).annotate(
      OpenApi.Description,
      "Asks a person to be friends: 201, or 200 when the caller has asked before or they are friends. Who has asked the " +
        "caller becomes a friend with that: 200, `accepted`. A request stays `pending` for its sender until it is accepted or withdrawn."
    ),
    HttpApiEndpoint.put("answer", "/friends/requests/:id", {
      params: request,
      payload: Schema.Struct({ status: RequestAnswer }),
      success: FriendRequest.json,
      error: [NotFound, Forbidden]
    }).annotate(
      OpenApi.Description,
      "Answers a request. Accepting makes the direct conversation of the two. Declining is not told: the request stays " +
        "pending for its sender, and for seven days another one does not reach the caller."
    ),
    HttpApiEndpoint.delete("withdraw", "/friends/requests/:id", {
      params: request,
      success: HttpApiSchema.NoContent,
      error: [NotFound, Forbidden]
    }).annotate(OpenApi.Description, "Takes a request back that the caller sent."),
    HttpApiEndpoint.get("blocks", "/friends/blocks", {
      query: page,
      success: Schema.Struct({ blocks: Schema.Array(Block.json), cursor })
    }).annotate(OpenApi.Description, "Those whom the caller blocks, the last first."),
    HttpApiEndpoint.put("block", "/friends/blocks/:userId", {
      params: person,
      success: HttpApiSchema.NoContent,
      error: NotFound
    }).annotate(
      OpenApi.Description,
      "Blocks a person, who does not learn of it. Ends the friendship and the requests between the two."
    ),
    HttpApiEndpoint.delete("unblock", "/friends/blocks/:userId", {
      params: person,
      success: HttpApiSchema.NoContent
    }).annotate(
      OpenApi.Description,
      "Ends a block. What it ended stays ended, and what the other has asked meanwhile does not come up, unless they ask again."
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(OpenApi.annotations({ title: "Friends" })) {}
