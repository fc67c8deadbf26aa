import { Cause, Context, Effect, Exit, type Types } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { inModule, isLogged } from "./Log.ts"
import * as Metrics from "./Metrics.ts"
import { makeRequestMetrics } from "./operations/RequestMetrics.ts"
import { makeProblemOf } from "./ProblemsHttp.ts"

/** Seconds after which a request that was refused for want of capacity may be tried again, unless its error knows better. */
const retryAfter = "1"

/** The client went away before its answer: nginx's number for it. Nobody receives it. */
const clientGone = 499

/** Streams, and long polls, take as long as they take. */
const isTimed = (request: HttpServerRequest.HttpServerRequest, response: HttpServerResponse.HttpServerResponse) =>
  response.body._tag !== "Stream" && !request.url.includes("wait=")

/** Those of proxies and of clients who want to find their requests again. */
const saneId = /^[\w.:/+=-]{8,128}$/

const module = "xfchat/http"

type App = Effect.Effect<HttpServerResponse.HttpServerResponse, Types.unhandled>

/**
 * Around every route: a request id on the answer and on each log line, a problem for what no endpoint declares, the
 * headers that a status asks for, and the counting of it all.
 */
export const RequestsLive = HttpRouter.middleware(
  Effect.gen(function* () {
    const problemOf = makeProblemOf()
    const count = yield* makeRequestMetrics
    let inFlight = 0
    yield* Metrics.observe(Metrics.requestsInFlight, () => inFlight)
    const isEachLogged = yield* isLogged(module, "Debug")
    const log = ({ method, url }: HttpServerRequest.HttpServerRequest, status: number, started: number) =>
      isEachLogged
        ? Effect.logDebug(`${method} ${url.split("?", 1)[0]}`).pipe(
            Effect.annotateLogs({ status, milliseconds: Math.round(performance.now() - started) }),
            inModule(module)
          )
        : Effect.void

    return (app: App): App =>
      Effect.withFiber((fiber) => {
        const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
        const given = request.headers["x-request-id"]
        const requestId = given !== undefined && saneId.test(given) ? given : crypto.randomUUID()
        const started = performance.now()
        inFlight += 1
        return app.pipe(
          Effect.catchCause((cause): App =>
            Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : problemOf(cause, request, requestId)
          ),
          Effect.onExit((exit) =>
            Effect.suspend(() => {
              inFlight -= 1
              const status = Exit.isSuccess(exit) ? exit.value.status : clientGone
              const time = Exit.isSuccess(exit) && isTimed(request, exit.value) ? started : undefined
              // The router has left in the context which route it was.
              count(fiber.context, status, time)
              return log(request, status, started)
            })
          ),
          Effect.map((response) =>
            HttpServerResponse.setHeaders(response, {
              "x-request-id": requestId,
              ...(response.status === 401 ? { "www-authenticate": "Bearer" } : {}),
              ...(response.status === 429 || response.status === 503 ? { "retry-after": retryAfter } : {})
            })
          ),
          Effect.annotateLogs({ requestId })
        )
      })
  }),
  { global: true }
)
