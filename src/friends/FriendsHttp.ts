import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../Api.ts"
import { CurrentSession } from "../auth/Session.ts"
import { defaultLimit } from "../Paging.ts"
import { Blocks } from "./Blocks.ts"

export const FriendsHttp = HttpApiBuilder.group(
  Api,
  "friends",
  Effect.fn(function* (handlers) {
    const blocks = yield* Blocks

    return handlers.handleAll({
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
