import { Context, Duration, Effect, Layer, Option } from "effect"
import { HttpEffect, HttpServerRequest, HttpServerResponse } from "effect/http"
import type { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { RateLimited } from "../contract/Problem.ts"
import { Limits } from "../contract/LimitsApi.ts"
import { RateLimits, window, type Allowance } from "./RateLimits.ts"
import { Limited, type RouteClass } from "../contract/RouteClass.ts"
import { sourceOf } from "./Source.ts"

export interface Route {
  readonly endpoint: HttpApiEndpoint.Top
  readonly group: HttpApiGroup.Top
}

const classes = new WeakMap<HttpApiEndpoint.Top, RouteClass>()

/** The class of a route: its annotation, or else by its method. */
export const classOf = ({ endpoint, group }: Route): RouteClass => {
  let routeClass = classes.get(endpoint)
  if (routeClass === undefined) {
    routeClass = Option.getOrElse(
      Context.getOption(Context.merge(group.annotations, endpoint.annotations), Limited),
      () => (endpoint.method === "GET" || endpoint.method === "HEAD" ? "reading" : "writing")
    )
    classes.set(endpoint, routeClass)
  }
  return routeClass
}

const windowSeconds = Duration.toSeconds(window)

const setHeaders = (
  response: HttpServerResponse.HttpServerResponse,
  routeClass: RouteClass,
  { limit, remaining, resetAfter }: Allowance
) =>
  HttpServerResponse.setHeaders(response, {
    "ratelimit-limit": `${limit}`,
    "ratelimit-remaining": `${remaining}`,
    "ratelimit-reset": `${resetAfter}`,
    "ratelimit-policy": `"${routeClass}";q=${limit};w=${windowSeconds}`,
    ratelimit: `"${routeClass}";r=${remaining};t=${resetAfter}`
  })

const refusalOf = (routeClass: RouteClass, { limit, retryAfter }: Allowance) =>
  new RateLimited({ detail: `At most ${limit} requests of this kind (${routeClass}) a minute.`, retryAfter })

/** Counts a request against the limit of a user or an address. The response says how much is left, whatever it is. */
export const take = (rateLimits: RateLimits["Service"], routeClass: RouteClass, key: string) =>
  Effect.flatMap(rateLimits.take(routeClass, key), (allowance) =>
    allowance === undefined
      ? Effect.void
      : HttpEffect.withPreResponseHandler(
          allowance.isAllowed ? Effect.void : refusalOf(routeClass, allowance),
          (_, response) => Effect.succeed(setHeaders(response, routeClass, allowance))
        )
  )

/** Counts further parts of a request, as many as the limit has room for. Returns how many, and the problem of the others. */
export const takeSome = Effect.fnUntraced(function* (
  rateLimits: RateLimits["Service"],
  routeClass: RouteClass,
  key: string,
  count: number
) {
  const allowance = count === 0 ? undefined : yield* rateLimits.takeSome(routeClass, key, count)
  if (allowance === undefined) return { admitted: count, refusal: undefined }
  yield* HttpEffect.appendPreResponseHandler((_, response) =>
    Effect.succeed(setHeaders(response, routeClass, allowance))
  )
  return { admitted: allowance.admitted, refusal: allowance.isAllowed ? undefined : refusalOf(routeClass, allowance) }
})

/** Counts a request of the class `authentication` against the limit of its address, if the server knows that. */
const takeOfAddress = (rateLimits: RateLimits["Service"]) =>
  HttpServerRequest.HttpServerRequest.use(({ remoteAddress }) =>
    Option.match(remoteAddress, {
      onNone: () => Effect.void,
      onSome: (address) => take(rateLimits, "authentication", sourceOf(address))
    })
  )

/** The limits by address. `Authorization` applies those by user, once it has authenticated the request. */
export const LimitsLive = Layer.effect(
  Limits,
  Effect.map(RateLimits, (rateLimits) =>
    Limits.of((handler, route) =>
      classOf(route) === "authentication" ? Effect.andThen(takeOfAddress(rateLimits), handler) : handler
    )
  )
)
