import { Effect, Predicate, Schema } from "effect"
import { Model } from "effect/schema"
import { timestamp, timestampOrNull, UserId } from "./Account.ts"
import { ConversationId, History, Position, Role } from "./Conversation.ts"
import { described } from "./Description.ts"
import { Problem } from "./Problem.ts"
import { maxReactions, Reaction } from "./Reaction.ts"
import { ReceiptList } from "./Receipt.ts"
import { isMaxBytes, Line, Text, Uuid } from "./Text.ts"

/** Chosen by the sender, so that sending the same message again with the same id changes nothing. */
export const MessageId = Uuid.pipe(Schema.brand("MessageId"))
export type MessageId = typeof MessageId.Type

/** The most bytes of a message's content in UTF-8; the database has the same limit. */
export const maxContentBytes = 65_536

export const TextContent = Text.check(Schema.isMinLength(1), isMaxBytes(maxContentBytes))

const Url = Text.check(
  Schema.isMaxLength(2_048),
  Schema.isPattern(/^https?:\/\/[^\s]+$/, { message: "must be an http or https URL" })
)
const Pixels = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))

export const ImageContent = Schema.Struct({
  url: Url.pipe(described("An http or https URL of the image.")),
  thumbnailUrl: Schema.optionalKey(Url).pipe(described("An http or https URL of a smaller image.")),
  width: Schema.optionalKey(Pixels).pipe(described("The width in pixels.")),
  height: Schema.optionalKey(Pixels).pipe(described("The height in pixels.")),
  caption: Schema.optionalKey(Text.check(Schema.isMaxLength(1_024))).pipe(
    described("A caption: up to 1,024 characters.")
  )
}).annotate({ identifier: "ImageContent" })

export const FileContent = Schema.Struct({
  url: Url.pipe(described("An http or https URL of the file.")),
  filename: Line(255).pipe(described("The name to show and to save the file under.")),
  size: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).pipe(described("The size in bytes.")),
  mimeType: Schema.String.check(
    Schema.isMaxLength(129),
    Schema.isPattern(/^[\w.+-]{1,64}\/[\w.+-]{1,64}$/, { message: "must be a media type" })
  ).pipe(described("The media type, such as `application/pdf`."))
}).annotate({ identifier: "FileContent" })

const by = UserId.pipe(described("The id of the person who did it."))
const user = UserId.pipe(described("The id of the person it was done to."))
const event = <const Name extends string>(name: Name) => Schema.Literal(name).pipe(described("The kind of event."))

/** An entry that the server itself adds to a conversation's log. */
export const SystemContent = Schema.Union([
  Schema.Struct({ event: event("created"), by }),
  Schema.Struct({
    event: event("renamed"),
    by,
    name: Schema.NullOr(Schema.String).pipe(described("The new name; `null` if it was removed."))
  }),
  Schema.Struct({
    event: event("described"),
    by,
    description: Schema.NullOr(Schema.String).pipe(described("The new description; `null` if it was removed."))
  }),
  Schema.Struct({
    event: event("historyChanged"),
    by,
    history: History.pipe(described("How much history new participants see from now on."))
  }),
  Schema.Struct({ event: event("joined"), by, user }),
  Schema.Struct({ event: event("left"), user: UserId.pipe(described("The id of the person who left.")) }),
  Schema.Struct({ event: event("removed"), by, user }),
  Schema.Struct({ event: event("roleChanged"), by, user, role: Role.pipe(described("The new role.")) })
]).annotate({ identifier: "SystemContent" })
export type SystemContent = typeof SystemContent.Type

const isFile = Schema.is(FileContent)

// A file has every member that an image requires, so where a content may be either, the file is tried first.
const contentKinds = {
  text: Predicate.isString,
  image: (content: unknown) => Predicate.isObject(content) && !isFile(content),
  file: isFile
}

/** A message as its sender writes it. Only the server writes `system` messages. */
export const Draft = Schema.Struct({
  content: Schema.Union([TextContent, FileContent, ImageContent]).pipe(
    described("A string for a text, an object for a file or an image: see `messageType`.")
  ),
  messageType: Schema.Literals(["text", "image", "file"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("text" as const)),
    described("The type of `content`; `text` unless given.")
  ),
  replyTo: Schema.optionalKey(MessageId).pipe(described("The id of an earlier message in the same conversation."))
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
  id: MessageId.pipe(described("The id that the sender chose.")),
  conversationId: ConversationId.pipe(described("The id of the conversation.")),
  seq: Position.pipe(described("The position at which it was posted, which never changes.")),
  version: Position.pipe(described("The position of its last change; equal to `seq` for an unchanged message.")),
  senderId: Schema.NullOr(UserId).pipe(
    described("The author, even if their account has been deleted; `null` for system and hidden messages.")
  ),
  messageType: Schema.Literals(["text", "image", "file", "system", "hidden"]).pipe(
    described("`hidden` for a message from a person whom the caller blocks.")
  ),
  content: Schema.NullOr(Schema.Union([Schema.String, FileContent, ImageContent, SystemContent])).pipe(
    described(
      "A string for a text, an object for other types; `null` for a deleted or hidden message. Old messages of any type may " +
        "have a string."
    )
  ),
  replyTo: Schema.NullOr(MessageId).pipe(described("The id of the message that it replies to.")),
  mentions: Schema.Array(UserId).pipe(described("The participants whom the text names as `@username`.")),
  reactions: Schema.Array(Reaction)
    .check(Schema.isMaxLength(maxReactions))
    .pipe(described("The reactions, in the order in which each was first given.")),
  createdAt: timestamp("The time when it was sent."),
  editedAt: timestampOrNull("The time of the last edit, if any."),
  deletedAt: timestampOrNull("The time when it was deleted, if it was."),
  isDelivered: Schema.Boolean.pipe(described("Whether all other participants have received it.")),
  isRead: Schema.Boolean.pipe(described("Whether all other participants have read it."))
}) {}

/** The remains of a message for a person who blocks its author: its position and its id. */
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

export class MessagePage extends Schema.Class<MessagePage>("MessagePage")({
  messages: Schema.Array(Message.json).pipe(described("The messages, in ascending order of `seq`.")),
  receipts: ReceiptList.pipe(
    described(
      "How far participants have received and read the conversation, from which the flags of the messages follow."
    )
  ),
  before: Schema.NullOr(Schema.String).pipe(
    described("The `before` of the page of older messages; `null` if there are none.")
  ),
  after: Schema.NullOr(Schema.String).pipe(
    described("The `after` of the page of newer messages; `null` if there are none.")
  )
}) {}

/**
 * The JSON of a message or a page. Both are already JSON-shaped (dates serialise as RFC 3339), so this equals their schemas'
 * encoding at a tenth of its cost, which every answer pays for every message.
 */
export const toJson = (messages: Message | MessagePage): string => JSON.stringify(messages)

/**
 * The most earlier contents that are kept of a message, and the most bytes of them all. An edit beyond that drops the oldest
 * ones except for the very first, which tells whether a message is sent again.
 */
export const maxVersions = 100
export const maxVersionBytes = 1_048_576

/** An earlier content of a message. */
export class MessageVersion extends Model.Class<MessageVersion>("MessageVersion")({
  version: Position.pipe(described("The last version of the message with this content.")),
  content: Schema.String.pipe(described("The text, as it was before an edit.")),
  writtenAt: timestamp("The time when this content was written.")
}) {}

/** The id belongs to another message: choose a new one. */
export class MessageIdReused extends Problem<MessageIdReused>()("MessageIdReused") {}

/** The message has changed since the version that the caller knows: read it and decide again. */
export class StaleVersion extends Problem<StaleVersion>()("StaleVersion") {}
