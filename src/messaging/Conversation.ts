import { Schema } from "effect"
import { Model } from "effect/schema"
import { Profile, Timestamp } from "../auth/Account.ts"
import { Uuid } from "../Text.ts"

export const ConversationId = Uuid.pipe(Schema.brand("ConversationId"))
export type ConversationId = typeof ConversationId.Type

/**
 * A place in a conversation's log: 1 for its first change, and one more for each that follows, without gaps. 0 stands
 * before the first.
 */
export const Position = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).pipe(Schema.brand("Position"))
export type Position = typeof Position.Type

/** The two of a direct conversation are both members; a group has one owner. */
export const Role = Schema.Literals(["owner", "admin", "member"])

export class Participant extends Schema.Class<Participant>("Participant")({
  ...Profile.fields,
  role: Role,
  joinedAt: Schema.DateTimeUtcFromString
}) {}

export class Conversation extends Model.Class<Conversation>("Conversation")({
  id: ConversationId,
  isDirectMessage: Schema.Boolean,
  name: Schema.NullOr(Schema.String),
  description: Schema.NullOr(Schema.String),
  participants: Schema.Array(Participant),
  /** The position of the last change. */
  head: Position,
  createdAt: Timestamp
}) {}
