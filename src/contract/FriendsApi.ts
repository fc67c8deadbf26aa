import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { UserId } from "./Account.ts"
import { Authorization } from "./AuthApi.ts"
import { described } from "./Description.ts"
import { NextCursor, PageQuery } from "./Paging.ts"
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

const person = { userId: UserId.pipe(described("The id of the other person.")) }
const request = { id: RequestId.pipe(described("The request's id.")) }

export class FriendsApi extends HttpApiGroup.make("friends")
  .add(
    HttpApiEndpoint.get("list", "/friends", {
      query: PageQuery,
      success: Schema.Struct({
        friends: Schema.Array(Friend.json).pipe(described("The friends, the latest first.")),
        cursor: NextCursor
      })
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List your friends",
        description: "Lists the caller's friends, the latest first."
      })
    ),
    HttpApiEndpoint.delete("remove", "/friends/:userId", {
      params: person,
      success: HttpApiSchema.NoContent,
      error: NotFound
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Remove a friend",
        description: "Ends a friendship. The direct conversation of the two stays."
      })
    ),
    HttpApiEndpoint.get("requests", "/friends/requests", {
      query: {
        direction: Direction.pipe(described("`incoming` lists received requests, `outgoing` lists sent ones.")),
        ...PageQuery
      },
      success: Schema.Struct({
        requests: Schema.Array(FriendRequest.json).pipe(described("The requests, the latest first.")),
        cursor: NextCursor
      })
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List friend requests",
        description: "Lists the open requests that the caller received or sent, the latest first."
      })
    ),
    HttpApiEndpoint.post("ask", "/friends/requests", {
      payload: NewRequest,
      success: [FriendRequest.json, FriendRequest.json.pipe(HttpApiSchema.status(201))],
      error: [NotFound, Forbidden, RequestLimitReached]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Send a friend request",
        description:
          "Asks a person to be friends: 201, or 200 if the caller has asked before or the two are friends. If that person has " +
          "asked the caller, the two become friends: 200, `accepted`. A request stays `pending` for its sender until it is " +
          "accepted or withdrawn."
      })
    ),
    HttpApiEndpoint.put("answer", "/friends/requests/:id", {
      params: request,
      payload: Schema.Struct({
        status: RequestAnswer.pipe(described("`accepted` makes the two friends, `rejected` declines the request."))
      }),
      success: FriendRequest.json,
      error: [NotFound, Forbidden]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Answer a friend request",
        description:
          "Accepts or declines a request. Accepting opens the direct conversation of the two. The sender does not learn of a " +
          "refusal: the request stays pending for them, and for seven days another one does not reach the caller."
      })
    ),
    HttpApiEndpoint.delete("withdraw", "/friends/requests/:id", {
      params: request,
      success: HttpApiSchema.NoContent,
      error: [NotFound, Forbidden]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Withdraw a friend request",
        description: "Withdraws a request that the caller sent."
      })
    ),
    HttpApiEndpoint.get("blocks", "/friends/blocks", {
      query: PageQuery,
      success: Schema.Struct({
        blocks: Schema.Array(Block.json).pipe(described("The blocked people, the latest block first.")),
        cursor: NextCursor
      })
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List blocked people",
        description: "Lists the people whom the caller blocks, the latest first."
      })
    ),
    HttpApiEndpoint.put("block", "/friends/blocks/:userId", {
      params: person,
      success: HttpApiSchema.NoContent,
      error: NotFound
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Block a person",
        description: "Blocks a person, who does not learn of it. Ends the friendship and the requests between the two."
      })
    ),
    HttpApiEndpoint.delete("unblock", "/friends/blocks/:userId", {
      params: person,
      success: HttpApiSchema.NoContent
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Unblock a person",
        description:
          "Ends a block. The friendship that it ended is not restored, and a request that the other person sent meanwhile " +
          "does not appear unless they ask again."
      })
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(
    OpenApi.annotations({ title: "Friends", description: "Friendships, the requests that lead to them, and blocks." })
  ) {}
