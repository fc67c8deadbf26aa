import { Effect, Layer, Option } from "effect"
import { HttpServerRequest } from "effect/http"
import type { UserId } from "../contract/Account.ts"
import { Authorization } from "../contract/AuthApi.ts"
import type { RouteClass } from "../contract/RouteClass.ts"
import { CurrentSession } from "../contract/Session.ts"
import { CurrentStreamKind } from "../http/StreamKind.ts"
import { classOf, take, type Route } from "../limits/Limits.ts"
import { RateLimits } from "../limits/RateLimits.ts"
import { Usage } from "../usage/Usage.ts"
import { DevUsers, isLoopback } from "./DevUsers.ts"
import { Sessions } from "./Sessions.ts"

/** The address of the client; `undefined` if the server does not know it. */
export const addressOf = ({ remoteAddress }: HttpServerRequest.HttpServerRequest) =>
  Option.getOrUndefined(remoteAddress)

/**
 * Admits a user's request and counts it, within the rate limit of its class and the quotas of requests and streams. Requests of
 * the class `authentication` are limited by address instead.
 */
const makeAdmission = Effect.gen(function* () {
  const rateLimits = yield* RateLimits
  const usage = yield* Usage

  const admitAs = (routeClass: RouteClass, userId: UserId) =>
    (routeClass === "authentication" ? Effect.void : take(rateLimits, routeClass, userId)).pipe(
      Effect.andThen(
        routeClass === "streaming"
          ? usage.allow(userId, "requests", "streamsOpened", "streamMinutes")
          : usage.allow(userId, "requests")
      ),
      Effect.andThen(usage.count(userId, { requests: 1 }))
    )

  return (route: Route, userId: UserId) => {
    const routeClass = classOf(route)
    if (routeClass !== "reading") return admitAs(routeClass, userId)
    return Effect.flatMap(CurrentStreamKind, (kind) => admitAs(kind === undefined ? "reading" : "streaming", userId))
  }
})

/**
 * The user that a request without a token claims to be from, for development. Only on a URL of this machine: neither a page
 * whose own host name resolves to this machine nor a client behind a proxy has one.
 */
const devUserOf = ({ headers }: HttpServerRequest.HttpServerRequest) => {
  const host = URL.parse(`http://${headers["host"]}`)?.hostname.replace(/^\[(.*)\]$/, "$1") ?? ""
  return headers["authorization"] === undefined && isLoopback(host) ? headers["x-dev-user"] : undefined
}

/** Authenticates a request by its bearer token, admits it, and provides the session to the handler. */
export const AuthorizationLive = Layer.effect(
  Authorization,
  Effect.gen(function* () {
    const sessions = yield* Sessions
    const devUsers = yield* DevUsers
    const admit = yield* makeAdmission
    return Authorization.of({
      bearer: Effect.fnUntraced(function* (handler, route) {
        const request = yield* HttpServerRequest.HttpServerRequest
        const devUser = devUsers && devUserOf(request)
        const session = yield* devUsers === undefined || devUser === undefined
          ? sessions.authenticate(route.credential, addressOf(request))
          : devUsers.sessionOf(devUser)
        yield* admit(route, session.userId)
        return yield* Effect.provideService(handler, CurrentSession, session)
      })
    })
  })
)
