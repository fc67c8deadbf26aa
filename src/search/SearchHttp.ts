import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { defaultPageSize } from "../contract/Paging.ts"
import { CurrentSession } from "../contract/Session.ts"
import { Search } from "./Search.ts"
import { handlersLayer } from "../http/RequestContext.ts"

export const SearchHttp = Effect.gen(function* () {
  const search = yield* Search

  return HttpApiBuilder.group(Api, "search", (handlers) =>
    handlers.handleAll({
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
  )
}).pipe(handlersLayer)
