import { Schema } from "effect"
import { Model } from "effect/schema"
import { Profile, timestamp, UserId } from "./Account.ts"
import { described } from "./Description.ts"
import { Cursor, type PageCursor } from "./Paging.ts"
import { Problem } from "./Problem.ts"
import { Line, Text, Time, Uuid } from "./Text.ts"

export const ConversationId = Uuid.pipe(Schema.brand("ConversationId"))
export type ConversationId = typeof ConversationId.Type

/**
 * A position in a conversation's log: 1 for its first change, and one more for each that follows. Positions are assigned
 * without gaps; a later change of a message vacates its earlier position. 0 is before the first.
 */
export const Position = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).pipe(Schema.brand("Position"))
export type Position = typeof Position.Type

/** Both people in a direct conversation are members; a group has one owner. */
export const Role = Schema.Literals(["owner", "admin", "member"])
export type Role = typeof Role.Type

/** The owner and admins lead a group; nobody leads a direct conversation. */
export const leads = (role: Role): boolean => role !== "member"

/** How much history new participants see: all of it, or only what is posted after they join. */
export const History = Schema.Literals(["whole", "since_joining"])

/** The most people in one conversation. */
export const maxParticipants = 1_000

export class Participant extends Schema.Class<Participant>("Participant")({
  ...Profile.fields,
  role: Role.pipe(described("A group has one owner; both people in a direct conversation are members.")),
  joinedAt: Time.pipe(described("The time when this person last joined."))
}) {}

const conversation = {
  id: ConversationId.pipe(described("The conversation's id.")),
  isDirectMessage: Schema.Boolean.pipe(described("`true` for the conversation of two people, `false` for a group.")),
  name: Schema.NullOr(Schema.String).pipe(described("The name of a group, if it has one.")),
  head: Position.pipe(described("The position of the last change in the conversation's log."))
}

export class Conversation extends Model.Class<Conversation>("Conversation")({
  id: conversation.id,
  isDirectMessage: conversation.isDirectMessage,
  name: conversation.name,
  description: Schema.NullOr(Schema.String).pipe(described("The description of a group, if it has one.")),
  history: History.pipe(described("How much history new participants see.")),
  participants: Schema.Array(Participant).pipe(
    described(
      "The people in the conversation, the longest there first: everyone, unless long names and pictures take more than 512 KiB."
    )
  ),
  participantsCursor: Schema.NullOr(Cursor).pipe(
    described(
      "The `cursor` with which `GET /api/conversations/{id}/participants` continues; `null` if `participants` has everyone."
    )
  ),
  head: conversation.head,
  createdAt: timestamp("The time when the conversation was created.")
}) {}

const Name = Line(255)
const Description = Text.check(Schema.isMaxLength(4_096))

/** A new group, owned by its creator. */
export const NewGroup = Schema.Struct({
  name: Schema.optionalKey(Name).pipe(described("The name of the group: up to 255 characters.")),
  description: Schema.optionalKey(Description).pipe(described("The description of the group: up to 4,096 characters.")),
  history: Schema.optionalKey(History).pipe(
    described("How much history new participants see: all of it, unless `since_joining` is given.")
  ),
  participantIds: Schema.Array(UserId)
    .check(Schema.isMaxLength(maxParticipants - 1))
    .pipe(described("The ids of the other participants."))
}).annotate({ identifier: "NewGroup" })
export type NewGroup = typeof NewGroup.Type

/** The changes to a group: a missing member leaves its value unchanged, and `null` clears it. */
export const GroupChange = Schema.Struct({
  name: Schema.optionalKey(Schema.NullOr(Name)).pipe(
    described("The name of the group: up to 255 characters; `null` removes it.")
  ),
  description: Schema.optionalKey(Schema.NullOr(Description)).pipe(
    described("The description of the group: up to 4,096 characters; `null` removes it.")
  ),
  history: Schema.optionalKey(History).pipe(described("How much history new participants see."))
}).annotate({ identifier: "GroupChange" })
export type GroupChange = typeof GroupChange.Type

/** Unread messages are counted up to here, which a client shows as 999+. */
export const maxUnread = 1_000

/** The characters of the last message that a list shows. */
export const previewLength = 200

/** The other participants that a list shows of a conversation: enough to draw it. */
export const maxParticipantsListed = 5

/** With up to this many participants, everyone's receipts are shown; with more, only the cursors that are furthest behind. */
export const maxReceiptsListed = 50

const LastMessage = Schema.Struct({
  id: Uuid.pipe(described("The message's id.")),
  seq: Position.pipe(described("The position at which it was posted.")),
  senderId: Schema.NullOr(UserId).pipe(
    described("The author; of a system message, the person who did what it reports.")
  ),
  sender: Schema.NullOr(Profile.json).pipe(
    described("The profile of `senderId`; `null` if there is none, the account is deleted, or the caller blocks them.")
  ),
  subject: Schema.NullOr(Profile.json).pipe(described("Of a system message, the person it is about, if there is one.")),
  messageType: Schema.String.pipe(described("`text`, `image`, `file` or `system`.")),
  event: Schema.NullOr(Schema.Record(Schema.String, Schema.NullOr(Schema.String))).pipe(
    described("The content of a system message.")
  ),
  preview: Schema.NullOr(Schema.String).pipe(
    described(
      "The beginning of a text, or an English sentence for a system message; `null` for other types and deleted messages."
    )
  ),
  createdAt: Time.pipe(described("The time when it was sent.")),
  isDelivered: Schema.Boolean.pipe(
    described(
      `Whether all other participants have received it; always \`false\` with more than ${maxReceiptsListed} participants.`
    )
  ),
  isRead: Schema.Boolean.pipe(
    described(
      `Whether all other participants have read it; always \`false\` with more than ${maxReceiptsListed} participants.`
    )
  )
})

/** A conversation as a list shows it. */
export class ConversationSummary extends Model.Class<ConversationSummary>("ConversationSummary")({
  ...conversation,
  role: Role.pipe(described("The caller's role.")),
  lastReadSeq: Position.pipe(described("The position up to which the caller has read.")),
  unreadCount: Schema.Int.pipe(
    described(
      `The number of other people's messages past \`lastReadSeq\`, without deleted and system messages; counted up to ${maxUnread}.`
    )
  ),
  mentionCount: Schema.Int.pipe(described("The number of unread messages that mention the caller.")),
  other: Schema.NullOr(Profile.json).pipe(
    described("The other person in a direct conversation; `null` if their account is deleted.")
  ),
  participants: Schema.Array(Profile.json)
    .check(Schema.isMaxLength(maxParticipantsListed))
    .pipe(
      described(
        `The first ${maxParticipantsListed} other participants, the longest there first, without people whom the caller blocks.`
      )
    ),
  participantCount: Schema.Int.pipe(described("The number of participants, including the caller.")),
  lastMessage: Schema.NullOr(LastMessage).pipe(described("The newest message that the caller may see.")),
  /** Rounded to milliseconds, as in JSON, since lists are ordered by it and continue from it. */
  lastActivityAt: timestamp("The time of the newest message, by which lists are ordered.")
}) {}

export interface ConversationList {
  readonly conversations: ReadonlyArray<ConversationSummary>
  readonly next: PageCursor | null
}

/** The group is full. */
export class ParticipantLimitReached extends Problem<ParticipantLimitReached>()("ParticipantLimitReached") {}
