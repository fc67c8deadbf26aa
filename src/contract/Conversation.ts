import { Schema } from "effect"
import { Model } from "effect/schema"
import { Profile, Timestamp, UserId } from "./Account.ts"
import type { PageCursor } from "./Paging.ts"
import { Problem } from "./Problem.ts"
import { Line, Text, Uuid } from "./Text.ts"

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
export type Role = typeof Role.Type

/** The owner and admins lead a group; nobody leads a direct conversation. */
export const leads = (role: Role): boolean => role !== "member"

/** What who joins later sees: the whole history, or what was posted since. */
export const History = Schema.Literals(["whole", "since_joining"])

/** Most people in one conversation. */
export const maxParticipants = 1_000

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
  history: History,
  participants: Schema.Array(Participant),
  /** The position of the last change. */
  head: Position,
  createdAt: Timestamp
}) {}

const Name = Line(255)
const Description = Text.check(Schema.isMaxLength(4_096))

/** A new group: who makes it owns it. */
export const NewGroup = Schema.Struct({
  name: Schema.optionalKey(Name),
  description: Schema.optionalKey(Description),
  history: Schema.optionalKey(History),
  participantIds: Schema.Array(UserId).check(Schema.isMaxLength(maxParticipants - 1))
}).annotate({ identifier: "NewGroup" })
export type NewGroup = typeof NewGroup.Type

/** What of a group changes; what is left out stays, `null` takes it away. */
export const GroupChange = Schema.Struct({
  name: Schema.optionalKey(Schema.NullOr(Name)),
  description: Schema.optionalKey(Schema.NullOr(Description)),
  history: Schema.optionalKey(History)
}).annotate({ identifier: "GroupChange" })
export type GroupChange = typeof GroupChange.Type

/** Unread messages are counted no further: shown as 999+. */
export const maxUnread = 1_000

/** Characters of the last message in a list. */
export const previewLength = 200

/** Other participants that a list shows of a conversation: enough to draw it. */
export const maxParticipantsListed = 5

/** Up to so many participants, everyone's receipts are shown; of more, the cursors that are furthest behind. */
export const maxReceiptsListed = 50

/** A conversation as a list shows it. */
export class ConversationSummary extends Model.Class<ConversationSummary>("ConversationSummary")({
  id: ConversationId,
  isDirectMessage: Schema.Boolean,
  name: Schema.NullOr(Schema.String),
  head: Position,
  role: Role,
  lastReadSeq: Position,
  /** Messages of others, neither deleted nor the server's, past the caller's read cursor; at most {@link maxUnread}. */
  unreadCount: Schema.Int,
  /** Those of the unread ones that mention the caller. */
  mentionCount: Schema.Int,
  /** The other one of a direct conversation, while their account is there. */
  other: Schema.NullOr(Schema.Struct(Profile.fields)),
  /** The first of the others, longest there first, without people whom the caller blocks. */
  participants: Schema.Array(Schema.Struct(Profile.fields)).check(Schema.isMaxLength(maxParticipantsListed)),
  /** Everyone, the caller included. */
  participantCount: Schema.Int,
  lastMessage: Schema.NullOr(
    Schema.Struct({
      id: Uuid,
      seq: Position,
      /** The author; of a system message, the person who did what it says. */
      senderId: Schema.NullOr(UserId),
      /** `null` where that is nobody, or an account that is gone, or somebody whom the caller blocks. */
      sender: Schema.NullOr(Schema.Struct(Profile.fields)),
      /** Of a system message, the person whom it is about, if there is one. */
      subject: Schema.NullOr(Schema.Struct(Profile.fields)),
      messageType: Schema.String,
      /** The content of a system message. */
      event: Schema.NullOr(Schema.Record(Schema.String, Schema.NullOr(Schema.String))),
      /** The beginning of a text, or an English sentence for a system message; `null` for other kinds, and once it is deleted. */
      preview: Schema.NullOr(Schema.String),
      createdAt: Schema.DateTimeUtcFromString,
      /** As of the message; `false` in conversations of more than {@link maxReceiptsListed} participants. */
      isDelivered: Schema.Boolean,
      isRead: Schema.Boolean
    })
  ),
  /** To the millisecond, as JSON has it: lists are ordered by it, and go on from it. */
  lastActivityAt: Timestamp
}) {}

export interface ConversationList {
  readonly conversations: ReadonlyArray<ConversationSummary>
  readonly next: PageCursor | null
}

/** The group has as many participants as it may have. */
export class ParticipantLimitReached extends Problem<ParticipantLimitReached>()("ParticipantLimitReached") {}
