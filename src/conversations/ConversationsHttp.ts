import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { CurrentSession } from "../contract/Session.ts"
import { defaultPageSize, maxPageSize } from "../contract/Paging.ts"
import { Conversation } from "../contract/Conversation.ts"
import { Conversations } from "./Conversations.ts"
import { Participants } from "./Participants.ts"
import { Receipts } from "./Receipts.ts"
import { Messages } from "../messages/Messages.ts"
import { Presence } from "../presence/Presence.ts"
import { handlersLayer } from "../http/RequestContext.ts"

const encodeConversation = Schema.encodeSync(Conversation.json)

export const ConversationsHttp = Effect.gen(function* () {
  const conversations = yield* Conversations
  const participants = yield* Participants
  const receipts = yield* Receipts
  const messages = yield* Messages
  const presence = yield* Presence

  return HttpApiBuilder.group(Api, "conversations", (handlers) =>
    handlers.handleAll({
      direct: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        const { conversation, created } = yield* conversations.direct(userId, params.userId)
        return HttpServerResponse.jsonUnsafe(encodeConversation(conversation), { status: created ? 201 : 200 })
      }),

      create: Effect.fnUntraced(function* ({ payload }) {
        const { userId } = yield* CurrentSession
        return yield* conversations.create(userId, payload)
      }),

      list: Effect.fnUntraced(function* ({ query: { cursor, limit = defaultPageSize } }) {
        const { userId } = yield* CurrentSession
        const { conversations: found, next } = yield* conversations.list(userId, limit, cursor)
        return { conversations: found, cursor: next }
      }),

      get: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        return yield* conversations.get(userId, params.id)
      }),

      update: Effect.fnUntraced(function* ({ params, payload }) {
        const { userId } = yield* CurrentSession
        return yield* conversations.update(userId, params.id, payload)
      }),

      remove: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        return yield* conversations.remove(userId, params.id)
      }),

      participants: Effect.fnUntraced(function* ({ params, query: { cursor, limit = maxPageSize } }) {
        const { userId } = yield* CurrentSession
        const { items, next } = yield* participants.list(userId, params.id, limit, cursor)
        return { participants: items, cursor: next }
      }),

      putParticipant: Effect.fnUntraced(function* ({ params, payload: { role } }) {
        const { userId } = yield* CurrentSession
        yield* role === undefined
          ? participants.add(userId, params.id, params.userId)
          : role === "owner"
            ? participants.handOver(userId, params.id, params.userId)
            : participants.setRole(userId, params.id, params.userId, role)
      }),

      removeParticipant: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        return yield* participants.remove(userId, params.id, params.userId)
      }),

      receipt: Effect.fnUntraced(function* ({ params, payload }) {
        const { userId } = yield* CurrentSession
        return yield* receipts.put(userId, params.id, payload)
      }),

      typing: Effect.fnUntraced(function* ({ params, payload }) {
        const { userId } = yield* CurrentSession
        yield* presence.setTyping(userId, params.id, payload.isTyping ?? true, messages.view(userId, params.id))
      })
    })
  )
}).pipe(handlersLayer)
