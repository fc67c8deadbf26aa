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

/** The address of the client; `undefined` where the server does not know it. */
export const addressOf = ({ remoteAddress }: HttpServerRequest.HttpServerRequest) =>
  Option.getOrUndefined(remoteAddress)

/**
 * Admits a user's request, and counts it: within the rate of its class, but for `authentication`, and within the quotas of
 * requests and streams.
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
 * Who a request without a token says that it is from, for development: on a URL of this machine, so that no page that has
 * its own name lead here can ask, nor anybody through a proxy.
 */
const devUserOf = ({ headers }: HttpServerRequest.HttpServerRequest) => {
  const host = URL.parse(`http://${headers["host"]}`)?.hostname.replace(/^\[(.*)\]$/, "$1") ?? ""
  return headers["authorization"] === undefined && isLoopback(host) ? headers["x-dev-user"] : undefined
}

/** Reads the bearer token, asks the database whose it is, and hands the session on: within what its user may ask for. */
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
