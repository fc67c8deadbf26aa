import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { UserId } from "./Account.ts"
import { Authorization } from "./AuthApi.ts"
import { Cursor, Limit } from "./Paging.ts"
import { Forbidden, NotFound } from "./Problem.ts"
import {
  Conversation,
  ConversationId,
  ConversationSummary,
  GroupChange,
  NewGroup,
  Participant,
  ParticipantLimitReached,
  Position,
  Role
} from "./Conversation.ts"

const conversation = { id: ConversationId }
const participant = { id: ConversationId, userId: UserId }

export class ConversationsApi extends HttpApiGroup.make("conversations")
  .add(
    HttpApiEndpoint.put("direct", "/conversations/direct/:userId", {
      params: { userId: UserId },
      success: [Conversation.json, Conversation.json.pipe(HttpApiSchema.status(201))],
      error: [NotFound, Forbidden]
    }).annotate(
      OpenApi.Description,
      "The one direct conversation with another user: 201 when this made it, as their `directMessagesFrom` allows."
    ),
    HttpApiEndpoint.post("create", "/conversations", {
      payload: NewGroup,
      success: Conversation.json.pipe(HttpApiSchema.status(201)),
      error: Forbidden
    }).annotate(
      OpenApi.Description,
      "Makes a group, owned by the caller. Friends can be added, and who lets everyone open a conversation with them."
    ),
    HttpApiEndpoint.get("list", "/conversations", {
      query: {
        limit: Schema.optionalKey(Limit),
        cursor: Schema.optionalKey(Cursor)
      },
      success: Schema.Struct({
        conversations: Schema.Array(ConversationSummary.json),
        /** Leads on; `null` where there is no more. */
        cursor: Schema.NullOr(Cursor)
      })
    }).annotate(
      OpenApi.Description,
      "The caller's conversations, the one with the newest message first. Edits, reactions, deletions and receipts change no place."
    ),
    HttpApiEndpoint.get("get", "/conversations/:id", {
      params: conversation,
      success: Conversation.json,
      error: NotFound
    }),
    HttpApiEndpoint.patch("update", "/conversations/:id", {
      params: conversation,
      payload: GroupChange,
      success: Conversation.json,
      error: [NotFound, Forbidden]
    }).annotate(OpenApi.Description, "Renames or describes a group. By its owner and admins."),
    HttpApiEndpoint.delete("remove", "/conversations/:id", {
      params: conversation,
      success: HttpApiSchema.NoContent,
      error: [NotFound, Forbidden]
    }).annotate(OpenApi.Description, "Deletes a group with all its messages. By its owner."),
    HttpApiEndpoint.get("participants", "/conversations/:id/participants", {
      params: conversation,
      query: {
        limit: Schema.optionalKey(Limit),
        cursor: Schema.optionalKey(Cursor)
      },
      success: Schema.Struct({
        participants: Schema.Array(Participant),
        /** Leads on; `null` where there is no more. */
        cursor: Schema.NullOr(Cursor)
      }),
      error: NotFound
    }).annotate(
      OpenApi.Description,
      "The people of a conversation, longest there first: up to 200 at a time, and all of these unless `limit` is given."
    ),
    HttpApiEndpoint.put("putParticipant", "/conversations/:id/participants/:userId", {
      params: participant,
      payload: Schema.Struct({ role: Schema.optionalKey(Role) }),
      success: HttpApiSchema.NoContent,
      error: [NotFound, Forbidden, ParticipantLimitReached]
    }).annotate(
      OpenApi.Description,
      "Adds a person to a group, or gives one another role; `owner` hands the group over."
    ),
    HttpApiEndpoint.delete("removeParticipant", "/conversations/:id/participants/:userId", {
      params: participant,
      success: HttpApiSchema.NoContent,
      error: [NotFound, Forbidden]
    }).annotate(OpenApi.Description, "Removes a person from a group, or leaves it."),
    HttpApiEndpoint.put("receipt", "/conversations/:id/receipt", {
      params: conversation,
      payload: Schema.Struct({ deliveredSeq: Schema.optionalKey(Position), readSeq: Schema.optionalKey(Position) }),
      success: HttpApiSchema.NoContent,
      error: NotFound
    }).annotate(OpenApi.Description, "Says how far the caller has received and read. The cursors only grow."),
    HttpApiEndpoint.post("typing", "/conversations/:id/typing", {
      params: { id: ConversationId },
      payload: Schema.Struct({ isTyping: Schema.optionalKey(Schema.Boolean) }),
      success: HttpApiSchema.NoContent,
      error: NotFound
    }).annotate(
      OpenApi.Description,
      "Says that the caller types: for six seconds, so say it again every few; or with `isTyping: false` no more. A message " +
        "that they send ends it, too."
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(OpenApi.annotations({ title: "Conversations" })) {}
