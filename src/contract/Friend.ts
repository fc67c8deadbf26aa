import { Schema } from "effect"
import { Model } from "effect/schema"
import { Profile, timestamp } from "./Account.ts"
import { described } from "./Description.ts"
import { NextCursor } from "./Paging.ts"
import { Problem } from "./Problem.ts"
import { Text, Uuid } from "./Text.ts"

export const RequestId = Uuid.pipe(Schema.brand("RequestId"))
export type RequestId = typeof RequestId.Type

/** The most open requests that one person can have sent. */
export const maxOutgoingRequests = 100

export class Friend extends Model.Class<Friend>("Friend")({
  ...Profile.fields,
  since: timestamp("The time when the two became friends.")
}) {}

/** A person whom the caller has blocked. Nobody else sees it. */
export class Block extends Model.Class<Block>("Block")({
  ...Profile.fields,
  since: timestamp("The time of the block.")
}) {}

export const Direction = Schema.Literals(["incoming", "outgoing"])
export type Direction = typeof Direction.Type

/** A recipient's answer to a request. */
export const RequestAnswer = Schema.Literals(["accepted", "rejected"])
export type RequestAnswer = typeof RequestAnswer.Type

/**
 * A request for friendship, as one of the two people sees it. Its sender does not learn that it was declined: for them it
 * stays pending.
 */
export class FriendRequest extends Model.Class<FriendRequest>("FriendRequest")({
  id: RequestId.pipe(described("The request's id.")),
  direction: Direction.pipe(described("`incoming` if the caller received the request, `outgoing` if they sent it.")),
  status: Schema.Literals(["pending", "accepted", "rejected"]).pipe(
    described("For its sender, a declined request stays `pending`.")
  ),
  user: Profile.json.pipe(described("The other person.")),
  message: Schema.NullOr(Schema.String).pipe(described("The words that the sender added, if any.")),
  createdAt: timestamp("The time when the request was sent.")
}) {}

/** The most entries of each list in {@link PeopleLists}; of requests, {@link maxOutgoingRequests} in each direction. */
export const maxPeopleListed = 1_000

const rest = (path: string) => described(`The \`cursor\` with which \`GET ${path}\` continues; \`null\` at the end.`)

/**
 * A person's lists of other people, the latest entry first, each within `pageBytes`. The rest of a longer list is on the
 * pages of its own endpoint.
 */
export const PeopleLists = Schema.Struct({
  friends: Schema.Array(Friend.json).pipe(described(`The latest friends, at most ${maxPeopleListed}.`)),
  friendsCursor: NextCursor.pipe(rest("/api/friends")),
  requests: Schema.Array(FriendRequest.json).pipe(
    described(`The open requests: the latest in each direction, at most ${maxOutgoingRequests}.`)
  ),
  requestsCursor: NextCursor.pipe(rest("/api/friends/requests?direction=incoming")),
  blocks: Schema.Array(Block.json).pipe(
    described(`The people whom the user blocked last, at most ${maxPeopleListed}.`)
  ),
  blocksCursor: NextCursor.pipe(rest("/api/friends/blocks"))
})
export interface PeopleLists extends Schema.Schema.Type<typeof PeopleLists> {}

export const NewRequest = Schema.Struct({
  to: Text.check(Schema.isBetweenCodePoints(1, 254)).pipe(described("A username, an e-mail address or a user's id.")),
  message: Schema.optionalKey(Text.check(Schema.isBetweenCodePoints(1, 500))).pipe(
    described("Words to the recipient: up to 500 characters.")
  )
}).annotate({ identifier: "NewRequest" })
export type NewRequest = typeof NewRequest.Type

/** The caller has as many open requests as one person can have. */
export class RequestLimitReached extends Problem<RequestLimitReached>()("RequestLimitReached") {}
