import { Schema } from "effect"
import { Model } from "effect/schema"
import { Profile, Timestamp } from "./Account.ts"
import { Problem } from "./Problem.ts"
import { Text, Uuid } from "./Text.ts"

export const RequestId = Uuid.pipe(Schema.brand("RequestId"))
export type RequestId = typeof RequestId.Type

/** Most requests that a person has open at once. */
export const maxOutgoingRequests = 100

/** A friend, and since when. */
export class Friend extends Model.Class<Friend>("Friend")({ ...Profile.fields, since: Timestamp }) {}

/** Somebody whom a person has blocked, and since when. Only they see it. */
export class Block extends Model.Class<Block>("Block")({ ...Profile.fields, since: Timestamp }) {}

export const Direction = Schema.Literals(["incoming", "outgoing"])
export type Direction = typeof Direction.Type

/** What a recipient answers. */
export const RequestAnswer = Schema.Literals(["accepted", "rejected"])
export type RequestAnswer = typeof RequestAnswer.Type

/**
 * A request for friendship, as one of the two sees it. Who sent it does not learn that it was declined: for them it stays
 * pending.
 */
export class FriendRequest extends Model.Class<FriendRequest>("FriendRequest")({
  id: RequestId,
  direction: Direction,
  status: Schema.Literals(["pending", "accepted", "rejected"]),
  /** The other one. */
  user: Schema.Struct(Profile.fields),
  message: Schema.NullOr(Schema.String),
  createdAt: Timestamp
}) {}

/** Most of each list that {@link PeopleLists} has; a request is one of {@link maxOutgoingRequests} in each direction. */
export const maxPeopleListed = 1_000

/** What a person sees of others beside conversations, the latest first. Of longer lists, what is earlier is on their pages. */
export const PeopleLists = Schema.Struct({
  friends: Schema.Array(Friend.json),
  /** The open ones, in both directions. */
  requests: Schema.Array(FriendRequest.json),
  blocks: Schema.Array(Block.json)
})
export interface PeopleLists extends Schema.Schema.Type<typeof PeopleLists> {}

export const NewRequest = Schema.Struct({
  /** A username, an e-mail address or an id. */
  to: Text.check(Schema.isBetweenCodePoints(1, 254)),
  message: Schema.optionalKey(Text.check(Schema.isBetweenCodePoints(1, 500)))
}).annotate({ identifier: "NewRequest" })
export type NewRequest = typeof NewRequest.Type

/** The caller has as many open requests as one may have. */
export class RequestLimitReached extends Problem<RequestLimitReached>()("RequestLimitReached") {}
