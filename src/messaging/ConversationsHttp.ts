import { DateTime, Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../Api.ts"
import { CurrentSession } from "../auth/Session.ts"
import { Conversation, ConversationId, type ListCursor } from "./Conversation.ts"
import { Conversations } from "./Conversations.ts"
import { Participants } from "./Participants.ts"
import { Receipts } from "./Receipts.ts"

const defaultListSize = 50

const encodeConversation = Schema.encodeSync(Conversation.json)

const formatCursor = ({ before, id }: ListCursor): string => `${DateTime.toEpochMillis(before)}_${id}`

const parseCursor = (cursor: string): ListCursor => {
  const [millis, id = ""] = cursor.split("_")
  return { before: DateTime.makeUnsafe(Number(millis)), id: ConversationId.make(id) }
}

export const ConversationsHttp = HttpApiBuilder.group(
  Api,
  "conversations",
  Effect.fn(function* (handlers) {
    const conversations = yield* Conversations
    const participants = yield* Participants
    const receipts = yield* Receipts

    return handlers.handleAll({
      direct: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        const { conversation, created } = yield* conversations.direct(userId, params.userId)
        return HttpServerResponse.jsonUnsafe(encodeConversation(conversation), { status: created ? 201 : 200 })
      }),

      create: ({ payload }) => Effect.flatMap(CurrentSession, ({ userId }) => conversations.create(userId, payload)),

      list: Effect.fnUntraced(function* ({ query }) {
        const { userId } = yield* CurrentSession
        const after = query.cursor === undefined ? undefined : parseCursor(query.cursor)
        const { conversations: found, next } = yield* conversations.list(userId, query.limit ?? defaultListSize, after)
        return { conversations: found, cursor: next === null ? null : formatCursor(next) }
      }),

      get: ({ params }) => Effect.flatMap(CurrentSession, ({ userId }) => conversations.get(userId, params.id)),

      update: ({ params, payload }) =>
        Effect.flatMap(CurrentSession, ({ userId }) => conversations.update(userId, params.id, payload)),

      remove: ({ params }) => Effect.flatMap(CurrentSession, ({ userId }) => conversations.remove(userId, params.id)),

      participants: ({ params }) =>
        Effect.flatMap(CurrentSession, ({ userId }) =>
          Effect.map(conversations.get(userId, params.id), ({ participants }) => ({ participants }))
        ),

      putParticipant: ({ params, payload }) =>
        Effect.flatMap(CurrentSession, ({ userId }) =>
          participants.put(userId, params.id, params.userId, payload.role)
        ),

      removeParticipant: ({ params }) =>
        Effect.flatMap(CurrentSession, ({ userId }) => participants.remove(userId, params.id, params.userId)),

      receipt: ({ params, payload }) =>
        Effect.flatMap(CurrentSession, ({ userId }) => receipts.put(userId, params.id, payload))
    })
  })
)
