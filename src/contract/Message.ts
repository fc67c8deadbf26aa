import { Effect, Predicate, Schema } from "effect"
import { Model } from "effect/schema"
import { Timestamp, UserId } from "./Account.ts"
import { Problem } from "./Problem.ts"
import { isMaxBytes, Line, Text, Uuid } from "./Text.ts"
import { ConversationId, History, Position, Role } from "./Conversation.ts"
import { maxReactions, Reaction } from "./Reaction.ts"

/** Chosen by the sender: sending the same message again with the same id changes nothing. */
export const MessageId = Uuid.pipe(Schema.brand("MessageId"))
export type MessageId = typeof MessageId.Type

/** Most bytes of a message's content as UTF-8; the database has the same limit. */
export const maxContentBytes = 65_536

export const TextContent = Text.check(Schema.isMinLength(1), isMaxBytes(maxContentBytes))

const Url = Text.check(
  Schema.isMaxLength(2_048),
  Schema.isPattern(/^https?:\/\/[^\s]+$/, { message: "must be an http or https URL" })
)
const Pixels = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))

export const ImageContent = Schema.Struct({
  url: Url,
  thumbnailUrl: Schema.optionalKey(Url),
  width: Schema.optionalKey(Pixels),
  height: Schema.optionalKey(Pixels),
  caption: Schema.optionalKey(Text.check(Schema.isMaxLength(1_024)))
}).annotate({ identifier: "ImageContent" })

export const FileContent = Schema.Struct({
  url: Url,
  filename: Line(255),
  /** Bytes. */
  size: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  mimeType: Schema.String.check(
    Schema.isMaxLength(129),
    Schema.isPattern(/^[\w.+-]{1,64}\/[\w.+-]{1,64}$/, { message: "must be a media type" })
  )
}).annotate({ identifier: "FileContent" })

/** What the server itself says in a conversation's log. */
export const SystemContent = Schema.Union([
  Schema.Struct({ event: Schema.Literal("created"), by: UserId }),
  Schema.Struct({ event: Schema.Literal("renamed"), by: UserId, name: Schema.NullOr(Schema.String) }),
  Schema.Struct({ event: Schema.Literal("described"), by: UserId, description: Schema.NullOr(Schema.String) }),
  Schema.Struct({ event: Schema.Literal("historyChanged"), by: UserId, history: History }),
  Schema.Struct({ event: Schema.Literal("joined"), by: UserId, user: UserId }),
  Schema.Struct({ event: Schema.Literal("left"), user: UserId }),
  Schema.Struct({ event: Schema.Literal("removed"), by: UserId, user: UserId }),
  Schema.Struct({ event: Schema.Literal("roleChanged"), by: UserId, user: UserId, role: Role })
]).annotate({ identifier: "SystemContent" })
export type SystemContent = typeof SystemContent.Type

const isFile = Schema.is(FileContent)

// A file has all that an image must have: where a content may be either, it is tried as a file first.
const contentKinds = {
  text: Predicate.isString,
  image: (content: unknown) => Predicate.isObject(content) && !isFile(content),
  file: isFile
}

/** What a sender gives. `system` messages are the server's own. */
export const Draft = Schema.Struct({
  content: Schema.Union([TextContent, FileContent, ImageContent]),
  messageType: Schema.Literals(["text", "image", "file"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("text" as const))
  ),
  /** An earlier message of the same conversation. */
  replyTo: Schema.optionalKey(MessageId)
})
  .check(
    Schema.makeFilter(({ content, messageType }) =>
      contentKinds[messageType](content)
        ? true
        : { path: ["content"], issue: `must be the content of a message of type ${messageType}` }
    )
  )
  .annotate({ identifier: "Draft" })
export type Draft = typeof Draft.Type

export class Message extends Model.Class<Message>("Message")({
  id: MessageId,
  conversationId: ConversationId,
  /** Where it was posted: never changes. */
  seq: Position,
  /** Where it last changed. */
  version: Position,
  /** `null` when the server said it, or the sender's account is gone. */
  senderId: Schema.NullOr(UserId),
  /** `hidden` is what somebody wrote whom the caller has blocked. */
  messageType: Schema.Literals(["text", "image", "file", "system", "hidden"]),
  /** By `messageType`; `null` once it is deleted, and where it is hidden. Messages from before contents had types are strings. */
  content: Schema.NullOr(Schema.Union([Schema.String, FileContent, ImageContent, SystemContent])),
  replyTo: Schema.NullOr(MessageId),
  /** Participants whom the text names as `@username`. */
  mentions: Schema.Array(UserId),
  /** In the order in which each was first given. */
  reactions: Schema.Array(Reaction).check(Schema.isMaxLength(maxReactions)),
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

/** The remains of a message for a person who has blocked its author: its place and its id. */
export const hide = ({ conversationId, createdAt, id, seq, version }: Message): Message =>
  new Message({
    id,
    conversationId,
    seq,
    version,
    senderId: null,
    messageType: "hidden",
    content: null,
    replyTo: null,
    mentions: [],
    reactions: [],
    createdAt,
    editedAt: null,
    deletedAt: null,
    isDelivered: false,
    isRead: false
  })

/** Messages, ascending by `seq`. `before` and `after` lead on, and are `null` where there is no more. */
export class MessagePage extends Schema.Class<MessagePage>("MessagePage")({
  messages: Schema.Array(Message.json),
  before: Schema.NullOr(Schema.String),
  after: Schema.NullOr(Schema.String)
}) {}

/**
 * A message, or a page of them, as the API shows it. Their members are JSON as they stand, and a time writes itself as
 * RFC 3339: so this gives what their schemas would, at a tenth of the cost, which each message has for each answer.
 */
export const toJson = (messages: Message | MessagePage): string => JSON.stringify(messages)

/**
 * Most earlier contents that are kept of a message, and most bytes of them all. With an edit beyond, the oldest go but for the
 * very first, which tells whether a message is sent again.
 */
export const maxVersions = 100
export const maxVersionBytes = 1_048_576

/** What a message said at `version`, its last one before an edit. */
export class MessageVersion extends Model.Class<MessageVersion>("MessageVersion")({
  version: Position,
  content: Schema.String,
  writtenAt: Timestamp
}) {}

/** The id was given to another message before: choose a new one. */
export class MessageIdReused extends Problem<MessageIdReused>()("MessageIdReused") {}

/** The message has changed since the version that the caller knows: read it, and decide again. */
export class StaleVersion extends Problem<StaleVersion>()("StaleVersion") {}
