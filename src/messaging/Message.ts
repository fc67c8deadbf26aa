import { Effect, Schema } from "effect"
import { Model } from "effect/schema"
import { Timestamp, UserId } from "../auth/Account.ts"
import { Problem } from "../Problem.ts"
import { Text, Uuid } from "../Text.ts"
import { ConversationId, Position } from "./Conversation.ts"

/** Chosen by the sender: sending the same message again with the same id changes nothing. */
export const MessageId = Uuid.pipe(Schema.brand("MessageId"))
export type MessageId = typeof MessageId.Type

/** Most bytes of a message's content as UTF-8; the database has the same limit. */
export const maxContentBytes = 65_536

const encoder = new TextEncoder()

export const Content = Text.check(
  Schema.isMinLength(1),
  Schema.makeFilter(
    (text: string) =>
      // A UTF-16 unit is at most three bytes: most texts need no counting.
      text.length * 3 <= maxContentBytes ||
      encoder.encode(text).length <= maxContentBytes ||
      `must be at most ${maxContentBytes} bytes`
  )
)

/** What a sender gives. `system` messages are the server's own. */
export const Draft = Schema.Struct({
  content: Content,
  messageType: Schema.Literals(["text", "image", "file"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("text" as const))
  )
}).annotate({ identifier: "Draft" })
export type Draft = typeof Draft.Type

export class Message extends Model.Class<Message>("Message")({
  id: MessageId,
  conversationId: ConversationId,
  /** Where it was posted: never changes. */
  seq: Position,
  /** Where it last changed. */
  version: Position,
  /** `null` when the sender's account is gone. */
  senderId: Schema.NullOr(UserId),
  messageType: Schema.Literals(["text", "image", "file", "system"]),
  content: Schema.String,
  replyTo: Schema.NullOr(MessageId),
  createdAt: Timestamp,
  editedAt: Model.Field({
    select: Schema.NullOr(Schema.DateTimeUtcFromDate),
    json: Schema.NullOr(Schema.DateTimeUtcFromString)
  }),
  deletedAt: Model.Field({
    select: Schema.NullOr(Schema.DateTimeUtcFromDate),
    json: Schema.NullOr(Schema.DateTimeUtcFromString)
  }),
  /** Whether the cursors of all other participants have come this far. */
  isDelivered: Schema.Boolean,
  isRead: Schema.Boolean
}) {}

/** Messages, ascending by `seq`. `before` and `after` lead on, and are `null` where there is no more. */
export class MessagePage extends Schema.Class<MessagePage>("MessagePage")({
  messages: Schema.Array(Message.json),
  before: Schema.NullOr(Schema.String),
  after: Schema.NullOr(Schema.String)
}) {}

/** The id was given to another message before: choose a new one. */
export class MessageIdReused extends Problem<MessageIdReused>()("MessageIdReused") {}
