import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { CurrentSession } from "../contract/Session.ts"
import { defaultLimit } from "../contract/Paging.ts"
import { Blocks } from "./Blocks.ts"
import { FriendRequest } from "../contract/Friend.ts"
import { Friends } from "./Friends.ts"

const encodeRequest = Schema.encodeSync(FriendRequest.json)

export const FriendsHttp = HttpApiBuilder.group(
  Api,
  "friends",
  Effect.fn(function* (handlers) {
    const friends = yield* Friends
    const blocks = yield* Blocks

    return handlers.handleAll({
      list: Effect.fnUntraced(function* ({ query: { cursor, limit = defaultLimit } }) {
        const { userId } = yield* CurrentSession
        const { items, next } = yield* friends.list(userId, limit, cursor)
        return { friends: items, cursor: next }
      }),

      remove: ({ params }) => Effect.flatMap(CurrentSession, ({ userId }) => friends.remove(userId, params.userId)),

      requests: Effect.fnUntraced(function* ({ query: { cursor, direction, limit = defaultLimit } }) {
        const { userId } = yield* CurrentSession
        const { items, next } = yield* friends.requests(userId, direction, limit, cursor)
        return { requests: items, cursor: next }
      }),

      ask: Effect.fnUntraced(function* ({ payload }) {
        const { userId } = yield* CurrentSession
        const { created, request } = yield* friends.ask(userId, payload)
        return HttpServerResponse.jsonUnsafe(encodeRequest(request), { status: created ? 201 : 200 })
      }),

      answer: ({ params, payload }) =>
        Effect.flatMap(CurrentSession, ({ userId }) => friends.answer(userId, params.id, payload.status)),

      withdraw: ({ params }) => Effect.flatMap(CurrentSession, ({ userId }) => friends.withdraw(userId, params.id)),

      blocks: Effect.fnUntraced(function* ({ query: { cursor, limit = defaultLimit } }) {
        const { userId } = yield* CurrentSession
        const { items, next } = yield* blocks.list(userId, limit, cursor)
        return { blocks: items, cursor: next }
      }),

      block: ({ params }) => Effect.flatMap(CurrentSession, ({ userId }) => blocks.block(userId, params.userId)),

      unblock: ({ params }) => Effect.flatMap(CurrentSession, ({ userId }) => blocks.unblock(userId, params.userId))
    })
  })
)
