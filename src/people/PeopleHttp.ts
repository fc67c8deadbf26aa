import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { CurrentSession } from "../contract/Session.ts"
import { People } from "./People.ts"
import { handlersLayer } from "../http/RequestContext.ts"

export const PeopleHttp = Effect.gen(function* () {
  const people = yield* People

  return HttpApiBuilder.group(Api, "people", (handlers) =>
    handlers.handleAll({
      search: Effect.fnUntraced(function* ({ query }) {
        const { userId } = yield* CurrentSession
        const users = yield* query.query === undefined
          ? people.getMany(query.ids ?? [])
          : people.search(userId, query.query)
        return { users }
      }),

      get: ({ params }) => people.get(params.id)
    })
  )
}).pipe(handlersLayer)
