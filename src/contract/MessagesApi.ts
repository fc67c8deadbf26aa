import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Authorization } from "./AuthApi.ts"
import { ConversationId, Position } from "./Conversation.ts"
import { described } from "./Description.ts"
import { LogVersionText } from "./LogVersion.ts"
import {
  Draft,
  Message,
  MessageId,
  MessageIdReused,
  MessagePage,
  maxVersionBytes,
  maxVersions,
  MessageVersion,
  StaleVersion,
  TextContent
} from "./Message.ts"
import { maxLines, maxLinesBytes, NewMessage, SendOutcome } from "./MessageLines.ts"
import { Cursor, PageQuery } from "./Paging.ts"
import { Forbidden, NotFound, Problem } from "./Problem.ts"
import {
  Emoji,
  GivenEmoji,
  maxReactions,
  maxReactionsOfPerson,
  maxReactorsNamed,
  ReactionLimitReached,
  Reactor
} from "./Reaction.ts"
import { Limited } from "./RouteClass.ts"
import { schemaNamed, StateVersion, streamed, WaitParameter, withParents } from "./Streamed.ts"

/** The `Version` or `Parents` of a request names a version that this resource does not have. */
export class VersionNotFound extends Problem<VersionNotFound>()("VersionNotFound") {}

const Version = Schema.Struct({ version: StateVersion })

const conversation = { id: ConversationId.pipe(described("The conversation's id.")) }
const message = { ...conversation, messageId: MessageId.pipe(described("The message's id.")) }

const emojiParameter = described("One emoji, or a short code such as `:tada:`.")

export class MessagesApi extends HttpApiGroup.make("messages")
  .add(
    HttpApiEndpoint.get("page", "/conversations/:id/messages", {
      params: conversation,
      query: {
        limit: PageQuery.limit,
        before: Schema.optionalKey(Position).pipe(described("Returns the messages before this position.")),
        // A position of a page, or a version of a stream.
        after: Schema.optionalKey(Schema.Union([Position, LogVersionText])).pipe(
          described("Returns the messages after this position; of a stream, the version that it resumes after.")
        ),
        around: Schema.optionalKey(Position).pipe(described("Returns the messages around this position.")),
        wait: WaitParameter
      },
      success: HttpApiSchema.WithHeaders(MessagePage, Version),
      error: [NotFound, VersionNotFound]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Read or follow messages",
        description:
          "Returns a page of messages, the newest ones unless `before`, `after` or `around` is given. Long messages make a page " +
          "shorter than `limit`: it has about 512 KiB of JSON, and its `before` and `after` lead to the rest. " +
          "`receipts` says how far each participant has received and read, or, with more than 50 participants, only those who are " +
          "furthest behind. A message is read if everyone in the list except its sender has a `readSeq` of at least its `seq`, and " +
          "the list has somebody other than the sender. It is delivered if the same holds for `deliveredSeq`. A `hidden` message is " +
          "neither. If the request asks for it, returns a stream instead, in one of four encodings that all resume by the same " +
          "version: Braid-HTTP with a `Subscribe` header (209, `Parents`), server-sent events with `Accept: text/event-stream` " +
          "(`Last-Event-ID`), lines of JSON with `Accept: application/x-ndjson` (`?after=`), or long polls with `?wait=20s&after=`.",
        transform: streamed({
          name: "Message",
          change: "message",
          changeSchema: schemaNamed("Message"),
          unversioned: { receipts: { type: "array", items: schemaNamed("Receipt") } }
        })
      })
    ),
    HttpApiEndpoint.put("send", "/conversations/:id/messages/:messageId", {
      params: {
        ...conversation,
        messageId: MessageId.pipe(described("A UUID that the sender chooses: a new one for each message."))
      },
      payload: Draft,
      success: [Message.json, Message.json.pipe(HttpApiSchema.status(201))],
      error: [NotFound, Forbidden, MessageIdReused, StaleVersion]
    })
      .annotate(Limited, "sending")
      .annotateMerge(
        OpenApi.annotations({
          summary: "Send a message",
          description:
            "Sends a message: 201 the first time, and 200 with the stored message whenever it is sent again. A request with a " +
            "`Parents` header edits: `Parents` must be the message's current version, as its `Version` header gives it.",
          transform: withParents
        })
      ),
    HttpApiEndpoint.post("sendAll", "/conversations/:id/messages", {
      params: conversation,
      payload: HttpApiSchema.StreamNdjson({ schema: NewMessage, maxBytes: maxLinesBytes }),
      success: HttpApiSchema.StreamNdjson({ schema: SendOutcome }),
      error: NotFound
    })
      .annotate(Limited, "sending")
      .annotateMerge(
        OpenApi.annotations({
          summary: "Send several messages",
          description:
            `Sends up to ${maxLines} messages in their order, each a line of JSON. The body has at most ${maxLinesBytes / 1_024} KiB. ` +
            "The answer has a line for each message: it is stored (201, or 200 if it was sent before), or has a problem. A " +
            "message that is refused with 4xx other than 429 does not stop those behind it. With 429 or 503, no later message is " +
            "stored either, so none overtakes another. If that happens before any message is stored, it is the status of the answer."
        })
      ),
    HttpApiEndpoint.get("get", "/conversations/:id/messages/:messageId", {
      params: message,
      success: HttpApiSchema.WithHeaders(Message.json, Version),
      error: NotFound
    }).annotateMerge(
      OpenApi.annotations({ summary: "Get a message", description: "Returns the present state of a message." })
    ),
    HttpApiEndpoint.patch("edit", "/conversations/:id/messages/:messageId", {
      params: message,
      payload: Schema.Struct({ content: TextContent.pipe(described("The new text.")) }),
      success: HttpApiSchema.WithHeaders(Message.json, Version),
      error: [NotFound, Forbidden, StaleVersion]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Edit a message",
        description: "Replaces the text of a message and keeps the earlier one. Only its author may do so."
      })
    ),
    HttpApiEndpoint.delete("erase", "/conversations/:id/messages/:messageId", {
      params: message,
      success: HttpApiSchema.NoContent,
      error: [NotFound, Forbidden]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Delete a message",
        description:
          "Deletes a message; a tombstone stays. Its author may do so, and in a group the owner and the admins."
      })
    ),
    HttpApiEndpoint.get("history", "/conversations/:id/messages/:messageId/history", {
      params: message,
      query: {
        limit: PageQuery.limit,
        after: Schema.optionalKey(Position).pipe(
          described("The `after` of the page before; without it, the first page.")
        )
      },
      success: Schema.Struct({
        versions: Schema.Array(MessageVersion.json).pipe(described("The contents, the first one first.")),
        after: Schema.NullOr(Schema.String).pipe(
          described("The `after` that the next page is requested with; `null` on the last page.")
        )
      }),
      error: NotFound
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List earlier texts",
        description:
          "Lists the contents of a message before its edits, the first one first. The first and the latest ones are kept, at " +
          `most ${maxVersions} of them and ${maxVersionBytes / 1_024} KiB in total.`
      })
    ),
    HttpApiEndpoint.put("react", "/conversations/:id/messages/:messageId/reactions/:emoji", {
      params: { ...message, emoji: Emoji.pipe(emojiParameter) },
      success: HttpApiSchema.NoContent,
      error: [NotFound, ReactionLimitReached]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "React to a message",
        description:
          "Adds the caller's reaction to a message. Spellings of one emoji, with and without variation selectors, are one " +
          `reaction. A message has at most ${maxReactions} different reactions, ${maxReactionsOfPerson} of them from one person.`
      })
    ),
    HttpApiEndpoint.delete("unreact", "/conversations/:id/messages/:messageId/reactions/:emoji", {
      params: { ...message, emoji: GivenEmoji.pipe(emojiParameter) },
      success: HttpApiSchema.NoContent,
      error: NotFound
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Remove your reaction",
        description: "Removes the caller's reaction from a message, however the emoji is spelled."
      })
    ),
    HttpApiEndpoint.get("reactors", "/conversations/:id/messages/:messageId/reactions/:emoji", {
      params: { ...message, emoji: Emoji.pipe(emojiParameter) },
      query: {
        limit: PageQuery.limit,
        after: Schema.optionalKey(Cursor).pipe(described("The `after` of the page before; without it, the first page."))
      },
      success: Schema.Struct({
        users: Schema.Array(Reactor.json).pipe(described("The people who reacted, the first one first.")),
        after: Schema.NullOr(Cursor).pipe(
          described("The `after` that the next page is requested with; `null` on the last page.")
        )
      }),
      error: NotFound
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List who reacted",
        description:
          "Lists everyone who reacted to a message with one emoji, the first one first. The message itself names " +
          `${maxReactorsNamed} of them.`
      })
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(
    OpenApi.annotations({
      title: "Messages",
      description: "Send, edit and delete messages, react to them, and follow a conversation as a stream."
    })
  ) {}
