import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { UserId } from "../auth/Account.ts"
import { Authorization } from "../auth/AuthApi.ts"
import { Forbidden, NotFound, Problem } from "../Problem.ts"
import { Conversation, ConversationId, Position } from "./Conversation.ts"
import { Draft, Message, MessageId, MessageIdReused, MessagePage } from "./Message.ts"

/** The `Version` or `Parents` of a request names a version that this resource never had. */
export class VersionNotFound extends Problem<VersionNotFound>()("VersionNotFound") {}

/** The version of what is answered, as Braid-HTTP writes it: a quoted string. */
const Version = Schema.Struct({ version: Schema.String })

const conversation = { id: ConversationId }
const message = { id: ConversationId, messageId: MessageId }

export class MessagingApi extends HttpApiGroup.make("messaging")
  .add(
    HttpApiEndpoint.put("direct", "/direct/:userId", {
      params: { userId: UserId },
      success: [Conversation.json, Conversation.json.pipe(HttpApiSchema.status(201))],
      error: NotFound
    }).annotate(OpenApi.Description, "The one direct conversation with another user: 201 when this made it."),
    HttpApiEndpoint.get("conversation", "/:id", {
      params: conversation,
      success: Conversation.json,
      error: NotFound
    }),
    HttpApiEndpoint.get("messages", "/:id/messages", {
      params: conversation,
      query: {
        limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 }))),
        before: Schema.optionalKey(Position),
        after: Schema.optionalKey(Position)
      },
      success: HttpApiSchema.WithHeaders(MessagePage, Version),
      error: [NotFound, VersionNotFound]
    }).annotate(
      OpenApi.Description,
      "A page of messages, the newest unless `before` or `after` says otherwise. With a `Subscribe` header: a Braid-HTTP " +
        "subscription (209 Multiresponse), which resumes by `Parents`."
    ),
    HttpApiEndpoint.put("send", "/:id/messages/:messageId", {
      params: message,
      payload: Draft,
      success: [Message.json, Message.json.pipe(HttpApiSchema.status(201))],
      error: [NotFound, Forbidden, MessageIdReused]
    }).annotate(
      OpenApi.Description,
      "Sends a message under an id that the sender chose: 201 the first time, 200 and the stored message ever after."
    ),
    HttpApiEndpoint.get("message", "/:id/messages/:messageId", {
      params: message,
      success: HttpApiSchema.WithHeaders(Message.json, Version),
      error: NotFound
    })
  )
  .middleware(Authorization)
  .prefix("/api/conversations")
  .annotateMerge(OpenApi.annotations({ title: "Conversations and messages" })) {}
