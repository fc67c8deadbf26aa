import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { CurrentSession } from "../contract/Session.ts"
import { People } from "./People.ts"

export const PeopleHttp = HttpApiBuilder.group(
  Api,
  "people",
  Effect.fn(function* (handlers) {
    const people = yield* People

    return handlers.handleAll({
      search: Effect.fnUntraced(function* ({ query }) {
        const { userId } = yield* CurrentSession
        const users = yield* query.query === undefined
          ? people.getMany(query.ids ?? [])
          : people.search(userId, query.query)
        return { users }
      }),

      get: ({ params }) => people.get(params.id)
    })
  })
)
