import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { CurrentSession } from "../contract/Session.ts"
import { RateLimits } from "../limits/RateLimits.ts"
import { Usage } from "./Usage.ts"
import { handlersLayer } from "../http/RequestContext.ts"

export const UsageHttp = Effect.gen(function* () {
  const usage = yield* Usage
  const { limits: rateLimits } = yield* RateLimits

  return HttpApiBuilder.group(Api, "usage", (handlers) =>
    handlers.handle(
      "usage",
      Effect.fnUntraced(function* () {
        const { userId } = yield* CurrentSession
        return { ...(yield* usage.of(userId)), limits: usage.quotas, rateLimits }
      })
    )
  )
}).pipe(handlersLayer)
