import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { CurrentSession } from "../contract/Session.ts"
import { defaultPageSize } from "../contract/Paging.ts"
import { Blocks } from "./Blocks.ts"
import { FriendRequest } from "../contract/Friend.ts"
import { Friends } from "./Friends.ts"
import { handlersLayer } from "../http/RequestContext.ts"

const encodeRequest = Schema.encodeSync(FriendRequest.json)

export const FriendsHttp = Effect.gen(function* () {
  const friends = yield* Friends
  const blocks = yield* Blocks

  return HttpApiBuilder.group(Api, "friends", (handlers) =>
    handlers.handleAll({
      list: Effect.fnUntraced(function* ({ query: { cursor, limit = defaultPageSize } }) {
        const { userId } = yield* CurrentSession
        const { items, next } = yield* friends.list(userId, limit, cursor)
        return { friends: items, cursor: next }
      }),

      remove: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        return yield* friends.remove(userId, params.userId)
      }),

      requests: Effect.fnUntraced(function* ({ query: { cursor, direction, limit = defaultPageSize } }) {
        const { userId } = yield* CurrentSession
        const { items, next } = yield* friends.requests(userId, direction, limit, cursor)
        return { requests: items, cursor: next }
      }),

      ask: Effect.fnUntraced(function* ({ payload }) {
        const { userId } = yield* CurrentSession
        const { created, request } = yield* friends.ask(userId, payload)
        return HttpServerResponse.jsonUnsafe(encodeRequest(request), { status: created ? 201 : 200 })
      }),

      answer: Effect.fnUntraced(function* ({ params, payload }) {
        const { userId } = yield* CurrentSession
        return yield* friends.answer(userId, params.id, payload.status)
      }),

      withdraw: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        return yield* friends.withdraw(userId, params.id)
      }),

      blocks: Effect.fnUntraced(function* ({ query: { cursor, limit = defaultPageSize } }) {
        const { userId } = yield* CurrentSession
        const { items, next } = yield* blocks.list(userId, limit, cursor)
        return { blocks: items, cursor: next }
      }),

      block: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        return yield* blocks.block(userId, params.userId)
      }),

      unblock: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        return yield* blocks.unblock(userId, params.userId)
      })
    })
  )
}).pipe(handlersLayer)
