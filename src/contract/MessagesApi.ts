import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Authorization } from "./AuthApi.ts"
import { Limited } from "./RouteClass.ts"
import { Cursor, Limit } from "./Paging.ts"
import { Forbidden, NotFound, Problem } from "./Problem.ts"
import { Wait } from "./Wait.ts"
import { ConversationId, Position } from "./Conversation.ts"
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
import {
  Emoji,
  GivenEmoji,
  maxReactions,
  maxReactionsOfPerson,
  maxReactorsNamed,
  ReactionLimitReached,
  Reactor
} from "./Reaction.ts"

/** The `Version` or `Parents` of a request names a version that this resource does not have. */
export class VersionNotFound extends Problem<VersionNotFound>()("VersionNotFound") {}

/** The version of what is answered, as Braid-HTTP writes it: a quoted string. */
const Version = Schema.Struct({ version: Schema.String })

const conversation = { id: ConversationId }
const message = { id: ConversationId, messageId: MessageId }

export class MessagesApi extends HttpApiGroup.make("messages")
  .add(
    HttpApiEndpoint.get("page", "/conversations/:id/messages", {
      params: conversation,
      query: {
        limit: Schema.optionalKey(Limit),
        before: Schema.optionalKey(Position),
        // Of a page a position, of a stream a version.
        after: Schema.optionalKey(Schema.Union([Position, LogVersionText])),
        around: Schema.optionalKey(Position),
        wait: Schema.optionalKey(Wait)
      },
      success: HttpApiSchema.WithHeaders(MessagePage, Version),
      error: [NotFound, VersionNotFound]
    }).annotate(
      OpenApi.Description,
      "A page of messages, the newest unless `before`, `after` or `around` says otherwise. It has fewer than `limit` where they " +
        "are long, some 512 KiB of contents, and its `before` and `after` lead on. Or the stream of them, in one of " +
        "four encodings which all resume by the same version: with a `Subscribe` header Braid-HTTP (209, `Parents`), with " +
        "`Accept: text/event-stream` server-sent events (`Last-Event-ID`), with `Accept: application/x-ndjson` lines " +
        "(`?after=`), with `?wait=20s&after=` a long poll."
    ),
    HttpApiEndpoint.put("send", "/conversations/:id/messages/:messageId", {
      params: message,
      payload: Draft,
      success: [Message.json, Message.json.pipe(HttpApiSchema.status(201))],
      error: [NotFound, Forbidden, MessageIdReused, StaleVersion]
    })
      .annotate(Limited, "sending")
      .annotate(
        OpenApi.Description,
        "Sends a message under an id that the sender chose: 201 the first time, 200 and the stored message ever after. With " +
          "`Parents`, the message's current version, best as its `Version` header says it: an edit."
      ),
    HttpApiEndpoint.get("get", "/conversations/:id/messages/:messageId", {
      params: message,
      success: HttpApiSchema.WithHeaders(Message.json, Version),
      error: NotFound
    }),
    HttpApiEndpoint.patch("edit", "/conversations/:id/messages/:messageId", {
      params: message,
      payload: Schema.Struct({ content: TextContent }),
      success: HttpApiSchema.WithHeaders(Message.json, Version),
      error: [NotFound, Forbidden, StaleVersion]
    }).annotate(OpenApi.Description, "Replaces the text of a message. By its author; what it said before is kept."),
    HttpApiEndpoint.delete("erase", "/conversations/:id/messages/:messageId", {
      params: message,
      success: HttpApiSchema.NoContent,
      error: [NotFound, Forbidden]
    }).annotate(OpenApi.Description, "Erases a message; a tombstone stays. By its author, or who leads the group."),
    HttpApiEndpoint.get("history", "/conversations/:id/messages/:messageId/history", {
      params: message,
      query: { limit: Schema.optionalKey(Limit), after: Schema.optionalKey(Position) },
      success: Schema.Struct({
        versions: Schema.Array(MessageVersion.json),
        /** Leads on; `null` where there is no more. */
        after: Schema.NullOr(Schema.String)
      }),
      error: NotFound
    }).annotate(
      OpenApi.Description,
      "The contents of a message before its edits, the first one first. The first and the latest ones are kept, at most " +
        `${maxVersions} and ${maxVersionBytes / 1_024} KiB of them.`
    ),
    HttpApiEndpoint.put("react", "/conversations/:id/messages/:messageId/reactions/:emoji", {
      params: { ...message, emoji: Emoji },
      success: HttpApiSchema.NoContent,
      error: [NotFound, ReactionLimitReached]
    }).annotate(
      OpenApi.Description,
      "Reacts to a message with one emoji, or a short code such as `:tada:`. Spellings of one emoji, with and without " +
        `variation selectors, are one reaction. A message has at most ${maxReactions} different ones, ` +
        `${maxReactionsOfPerson} of them by one person.`
    ),
    HttpApiEndpoint.delete("unreact", "/conversations/:id/messages/:messageId/reactions/:emoji", {
      params: { ...message, emoji: GivenEmoji },
      success: HttpApiSchema.NoContent,
      error: NotFound
    }).annotate(OpenApi.Description, "Takes a reaction of the caller's back, in whichever spelling."),
    HttpApiEndpoint.get("reactors", "/conversations/:id/messages/:messageId/reactions/:emoji", {
      params: { ...message, emoji: Emoji },
      query: { limit: Schema.optionalKey(Limit), after: Schema.optionalKey(Cursor) },
      success: Schema.Struct({
        users: Schema.Array(Reactor.json),
        /** Leads on; `null` where there is no more. */
        after: Schema.NullOr(Cursor)
      }),
      error: NotFound
    }).annotate(
      OpenApi.Description,
      `The people who reacted to a message with one emoji, the first to do so first: all of whom a message names ${maxReactorsNamed}.`
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(OpenApi.annotations({ title: "Messages" })) {}
