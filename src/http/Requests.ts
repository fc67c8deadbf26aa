import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Cause, Context, Effect, Exit, References, type Types } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { IncomingMessage } from "node:http"
import { Configuration } from "../platform/Configuration.ts"
import { Capacity, CurrentSlot, RequestSlot } from "./Capacity.ts"
import { isLogged, logOf } from "../platform/Log.ts"
import * as Metrics from "../platform/Metrics.ts"
import { byTlsOnly, headersOfRoute } from "./AnswerHeaders.ts"
import { makeCrossOrigin } from "./CrossOrigin.ts"
import { makeRequestMetrics } from "./RequestMetrics.ts"
import { HeadersTooLarge, ServerBusy, UriTooLong } from "../contract/Problem.ts"
import { makeProblemOf } from "./Problems.ts"
import { CurrentStreamKind, streamKindOf, type StreamKind } from "./StreamKind.ts"
import { isDeno } from "../platform/Runtime.ts"

/** Seconds after which to repeat a request that was refused for lack of capacity, unless its error says otherwise. */
const retryAfter = "1"

/** The status that nginx logs if the client went away before its answer. Nobody receives it. */
const clientGone = 499

/** The most characters of a path with its query. A search has at most 256, of up to 12 each. */
const maxUriLength = 8_000

/** The most bytes of all header fields. Node enforces it before a request gets here. */
export const maxHeaderSize = 16_384

/** Ids from proxies, and from clients that want to find their requests in the log. */
const saneId = /^[\w.:/+=-]{8,128}$/

const module = "xfchat/http"
const log = logOf(module)

/** Streams and long polls last as long as their clients like. */
const isTimed = ({ body }: HttpServerResponse.HttpServerResponse, streamKind: StreamKind | undefined) =>
  body._tag !== "Stream" && streamKind !== "poll"

/** Probes are answered even if the server is busy. */
const isProbe = (url: string) => url === "/livez" || url === "/readyz" || url === "/metrics"

const sizeOf = ({ headers }: HttpServerRequest.HttpServerRequest) => {
  let size = 0
  for (const name in headers) size += name.length + (headers[name]?.length ?? 0)
  return size
}

/** Node's response, if it has a whole answer that the client has not received yet. */
const pendingAnswer = (
  request: HttpServerRequest.HttpServerRequest,
  exit: Exit.Exit<HttpServerResponse.HttpServerResponse, unknown>
) => {
  if (Exit.isFailure(exit) || exit.value.body._tag === "Stream" || !(request.source instanceof IncomingMessage)) {
    return undefined
  }
  const response = NodeHttpServerRequest.toServerResponse(request)
  return response.closed ? undefined : response
}

type App = Effect.Effect<HttpServerResponse.HttpServerResponse, Types.unhandled>

/**
 * Wraps every route: bounds the number of requests in progress and the size of their heads, puts a request id on the answer and
 * on each log line, turns undeclared failures into problems, adds the headers that every answer and its status need, applies
 * CORS, and counts and logs it all.
 */
export const RequestsLive = HttpRouter.middleware(
  Effect.gen(function* () {
    const origins = yield* Configuration.corsOrigins
    const crossOrigin = origins.length === 0 ? undefined : makeCrossOrigin(origins)
    const problemOf = makeProblemOf()
    const count = yield* makeRequestMetrics
    const capacity = new Capacity(yield* Configuration.serverMaxRequests)
    yield* Metrics.observe(Metrics.requestsInFlight, () => capacity.taken)
    const isEachLogged = yield* isLogged(module, "Debug")
    const logRequest = ({ method, url }: HttpServerRequest.HttpServerRequest, status: number, started: number) =>
      isEachLogged
        ? log
            .debug(`${method} ${url.split("?", 1)[0]}`)
            .pipe(Effect.annotateLogs({ status, milliseconds: Math.round(performance.now() - started) }))
        : Effect.void

    const refusalOf = (request: HttpServerRequest.HttpServerRequest, slot: RequestSlot) => {
      if (!slot.take() && !isProbe(request.url)) return new ServerBusy({ detail: "Try again in a moment." })
      if (request.url.length > maxUriLength) {
        return new UriTooLong({ detail: `A path with its query has at most ${maxUriLength} characters.` })
      }
      if (isDeno && sizeOf(request) > maxHeaderSize) {
        return new HeadersTooLarge({ detail: `All header fields have at most ${maxHeaderSize} bytes.` })
      }
      return undefined
    }

    const answer = (app: App, request: HttpServerRequest.HttpServerRequest, slot: RequestSlot): App => {
      const refusal = refusalOf(request, slot)
      if (refusal !== undefined) return HttpServerRespondable.toResponse(refusal)
      const preflight = crossOrigin?.preflight(request)
      return preflight === undefined ? app : Effect.succeed(preflight)
    }

    /** `context` is the one in which the request ended: it has the route that the router found. */
    const complete = (
      response: HttpServerResponse.HttpServerResponse,
      request: HttpServerRequest.HttpServerRequest,
      requestId: string,
      context: Context.Context<never>
    ) => {
      const { headers, status } = response
      const { path } = Context.getOrUndefined(context, HttpRouter.RouteContext)?.route ?? {}
      const added: Record<string, string> = { "x-request-id": requestId }
      const usual = headersOfRoute(path)
      for (const name in usual) if (headers[name] === undefined) added[name] = usual[name] ?? ""
      if (status === 401) added["www-authenticate"] = "Bearer"
      if ((status === 429 || status === 503) && headers["retry-after"] === undefined) added["retry-after"] = retryAfter
      if (request.protocol === "https") Object.assign(added, byTlsOnly)
      if (crossOrigin !== undefined) Object.assign(added, crossOrigin.headers(request, headers["vary"]))
      return HttpServerResponse.setHeaders(response, added)
    }

    return (app: App): App =>
      Effect.withFiber((fiber) => {
        const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
        const given = request.headers["x-request-id"]
        const requestId = given !== undefined && saneId.test(given) ? given : crypto.randomUUID()
        const started = performance.now()
        const slot = new RequestSlot(capacity)
        const streamKind = streamKindOf(request)
        return answer(app, request, slot).pipe(
          Effect.catchCause((cause): App =>
            Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : problemOf(cause, request, requestId)
          ),
          Effect.onExit((exit) =>
            Effect.suspend(() => {
              const pending = pendingAnswer(request, exit)
              if (pending === undefined) slot.giveBack()
              else pending.once("close", () => slot.giveBack())
              const status = Exit.isSuccess(exit) ? exit.value.status : clientGone
              const time = Exit.isSuccess(exit) && isTimed(exit.value, streamKind) ? started : undefined
              count(fiber.context, status, time)
              return logRequest(request, status, started)
            })
          ),
          Effect.map((response) => complete(response, request, requestId, fiber.context)),
          Effect.updateContext((context: Context.Context<never>) =>
            context.pipe(
              Context.add(CurrentSlot, slot),
              Context.add(CurrentStreamKind, streamKind),
              Context.add(References.CurrentLogAnnotations, {
                ...Context.get(context, References.CurrentLogAnnotations),
                requestId
              })
            )
          )
        )
      })
  }),
  { global: true }
)
