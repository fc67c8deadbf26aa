import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { UserId } from "./Account.ts"
import { Authorization } from "./AuthApi.ts"
import { described } from "./Description.ts"
import { Limit, NextCursor, PageQuery } from "./Paging.ts"
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

const conversation = { id: ConversationId.pipe(described("The conversation's id.")) }
const participant = { ...conversation, userId: UserId.pipe(described("The id of the person.")) }

export class ConversationsApi extends HttpApiGroup.make("conversations")
  .add(
    HttpApiEndpoint.put("direct", "/conversations/direct/:userId", {
      params: { userId: UserId.pipe(described("The id of the other person.")) },
      success: [Conversation.json, Conversation.json.pipe(HttpApiSchema.status(201))],
      error: [NotFound, Forbidden]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Open a direct conversation",
        description:
          "Returns the one direct conversation with another person: 201 if this request created it, which their " +
          "`directMessagesFrom` must allow, and 200 if it existed."
      })
    ),
    HttpApiEndpoint.post("create", "/conversations", {
      payload: NewGroup,
      success: Conversation.json.pipe(HttpApiSchema.status(201)),
      error: Forbidden
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Create a group",
        description:
          "Creates a group that the caller owns. Its participants must be friends of the caller, or let everyone message them."
      })
    ),
    HttpApiEndpoint.get("list", "/conversations", {
      query: PageQuery,
      success: Schema.Struct({
        conversations: Schema.Array(ConversationSummary.json).pipe(
          described("The conversations, the one with the newest message first.")
        ),
        cursor: NextCursor
      })
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List your conversations",
        description:
          "Lists the caller's conversations, the one with the newest message first. Edits, reactions, deletions and receipts " +
          "do not change the order."
      })
    ),
    HttpApiEndpoint.get("get", "/conversations/:id", {
      params: conversation,
      success: Conversation.json,
      error: NotFound
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Get a conversation",
        description: "Returns one of the caller's conversations, with its participants."
      })
    ),
    HttpApiEndpoint.patch("update", "/conversations/:id", {
      params: conversation,
      payload: GroupChange,
      success: Conversation.json,
      error: [NotFound, Forbidden]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Update a group",
        description:
          "Changes the name, the description or the history setting of a group. Only its owner and admins may do so."
      })
    ),
    HttpApiEndpoint.delete("remove", "/conversations/:id", {
      params: conversation,
      success: HttpApiSchema.NoContent,
      error: [NotFound, Forbidden]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Delete a group",
        description: "Deletes a group with all its messages. Only its owner may do so."
      })
    ),
    HttpApiEndpoint.get("participants", "/conversations/:id/participants", {
      params: conversation,
      query: {
        limit: Schema.optionalKey(Limit).pipe(described("The most people in the answer; 200 unless given.")),
        cursor: PageQuery.cursor
      },
      success: Schema.Struct({
        participants: Schema.Array(Participant).pipe(described("The participants, the longest there first.")),
        cursor: NextCursor
      }),
      error: NotFound
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List participants",
        description: "Lists the people in a conversation, the longest there first."
      })
    ),
    HttpApiEndpoint.put("putParticipant", "/conversations/:id/participants/:userId", {
      params: participant,
      payload: Schema.Struct({
        role: Schema.optionalKey(Role).pipe(
          described("The new role; a person who is added is a `member` unless given.")
        )
      }),
      success: HttpApiSchema.NoContent,
      error: [NotFound, Forbidden, ParticipantLimitReached]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Add or change a participant",
        description:
          "Adds a person to a group, or changes a participant's role. The role `owner` hands the group over, which a disabled account cannot receive."
      })
    ),
    HttpApiEndpoint.delete("removeParticipant", "/conversations/:id/participants/:userId", {
      params: participant,
      success: HttpApiSchema.NoContent,
      error: [NotFound, Forbidden]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Remove or leave",
        description: "Removes a person from a group. With the caller's own id, leaves the group."
      })
    ),
    HttpApiEndpoint.put("receipt", "/conversations/:id/receipt", {
      params: conversation,
      payload: Schema.Struct({
        deliveredSeq: Schema.optionalKey(Position).pipe(
          described("The position up to which the caller has received messages.")
        ),
        readSeq: Schema.optionalKey(Position).pipe(described("The position up to which the caller has read messages."))
      }),
      success: HttpApiSchema.NoContent,
      error: NotFound
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Mark messages as read",
        description:
          "Moves the caller's cursors forward, which say how far messages have been received and read. A " +
          "smaller number changes nothing."
      })
    ),
    HttpApiEndpoint.post("typing", "/conversations/:id/typing", {
      params: conversation,
      payload: Schema.Struct({
        isTyping: Schema.optionalKey(Schema.Boolean).pipe(described("`false` when the caller stops typing."))
      }),
      success: HttpApiSchema.NoContent,
      error: NotFound
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Show that you are typing",
        description:
          "Shows for six seconds that the caller is typing: repeat it every few seconds. `isTyping: false` ends it, and so " +
          "does a message from the caller."
      })
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(
    OpenApi.annotations({
      title: "Conversations",
      description: "Direct conversations of two people, and groups with an owner, admins and members."
    })
  ) {}
