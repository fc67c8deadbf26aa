import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { defaultPageSize } from "../contract/Paging.ts"
import { CurrentSession } from "../contract/Session.ts"
import { Search } from "./Search.ts"

export const SearchHttp = HttpApiBuilder.group(
  Api,
  "search",
  Effect.fn(function* (handlers) {
    const search = yield* Search

    return handlers.handleAll({
      search: Effect.fnUntraced(function* ({ query }) {
        const { userId } = yield* CurrentSession
        const { isComplete, messages, next } = yield* search.search(userId, {
          query: query.q,
          conversationId: query.conversation,
          limit: query.limit ?? defaultPageSize,
          after: query.cursor
        })
        return { messages, cursor: next, isComplete }
      })
    })
  })
)
