import { ByteSize, Cause, Effect, Layer, Predicate, Schema, SchemaIssue } from "effect"
import type { Types } from "effect"
import {
  FindMyWay,
  HttpEffect,
  HttpIncomingMessage,
  HttpServerError,
  HttpServerRequest,
  HttpServerRespondable,
  HttpServerResponse
} from "effect/http"
import { HttpApi, HttpApiError } from "effect/http-api"
import { isUtf8 } from "node:buffer"
import { Api } from "./Api.ts"
import * as Configuration from "./Configuration.ts"
import { CurrentPlace } from "./InFlight.ts"
import { logOf } from "./Log.ts"
import {
  InternalError,
  MalformedRequest,
  MethodNotAllowed,
  NotFound,
  PayloadTooLarge,
  RequestTimeout,
  ServerBusy,
  UnsupportedMediaType,
  ValidationFailed
} from "./Problem.ts"
import { Problems } from "./ProblemsApi.ts"
import { isDeno } from "./Runtime.ts"

const log = logOf("xfchat/http")

/** Most bytes of a request body: the longest message, with each of its bytes written as a JSON escape of six. */
const maxBodySize = ByteSize.fromInputUnsafe("512 KiB")

/** Reads a body as JSON takes it, within its bounds. What is read is kept for the handler. */
const checkBody = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  const mediaType = (request.headers["content-type"] ?? "application/json").split(";")[0]?.trim().toLowerCase()
  if (mediaType !== "application/json") {
    return yield* new UnsupportedMediaType({ detail: "Send `Content-Type: application/json`." })
  }
  const place = yield* CurrentPlace
  place.leave()
  const bytes = yield* request.arrayBuffer.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, maxBodySize),
    Effect.mapError(({ reason }) =>
      reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
        ? new PayloadTooLarge({ detail: `A request body has at most ${ByteSize.toNumberUnsafe(maxBodySize)} bytes.` })
        : new MalformedRequest({ detail: "The body ended before it was complete." })
    )
  )
  if (!place.take()) return yield* new ServerBusy({ detail: "Try again in a moment." })
  if (!isUtf8(new Uint8Array(bytes))) return yield* new MalformedRequest({ detail: "The body is not UTF-8." })
})

const parseJson = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))

const toIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const validationFailed = ({ cause, kind }: HttpApiError.HttpApiSchemaError) =>
  new ValidationFailed({
    errors: toIssues(cause.issue).issues.map(({ path = [], message }) => ({
      path: [kind.toLowerCase(), ...path.map((segment) => String(typeof segment === "object" ? segment.key : segment))],
      message
    }))
  })

/** 400 for a body that is no JSON, 422 for what is well-formed and refused. What we cannot encode is our own mistake. */
const explainRefusal = Effect.fnUntraced(function* (error: HttpApiError.HttpApiSchemaError) {
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return yield* Effect.die(error)
  if (error.kind === "Payload") {
    const request = yield* HttpServerRequest.HttpServerRequest
    yield* request.text.pipe(
      Effect.flatMap(parseJson),
      Effect.mapError(() => new MalformedRequest({ detail: "The body is not JSON." }))
    )
  }
  return yield* validationFailed(error)
})

/** The error as it is; one that says when to try again has its answer say so. */
const keepRetryAfter = <E>(error: E) =>
  Effect.andThen(
    Predicate.hasProperty(error, "retryAfter") && Predicate.isNumber(error.retryAfter)
      ? HttpEffect.appendPreResponseHandler((_, response) =>
          Effect.succeed(HttpServerResponse.setHeader(response, "retry-after", `${error.retryAfter}`))
        )
      : Effect.void,
    Effect.fail(error)
  )

type Refusal =
  | MalformedRequest
  | RequestTimeout
  | PayloadTooLarge
  | UnsupportedMediaType
  | ServerBusy
  | ValidationFailed

export const ProblemsLive = Layer.effect(
  Problems,
  Effect.map(Configuration.serverRequestTimeout, (duration) => {
    // Node's server sees to it that a body arrives in time; Deno's waits for ever.
    const checkBodyInTime = isDeno
      ? Effect.timeoutOrElse(checkBody, {
          duration,
          orElse: () => new RequestTimeout({ detail: "The body took too long to arrive." })
        })
      : checkBody
    return Problems.of((handler, { endpoint }) =>
      Effect.catch(
        endpoint.payload.size > 0 ? Effect.andThen(checkBodyInTime, handler) : handler,
        (
          error: Types.unhandled | Refusal
        ): Effect.Effect<never, Types.unhandled | Refusal, HttpServerRequest.HttpServerRequest> =>
          HttpApiError.HttpApiSchemaError.is(error) ? explainRefusal(error) : keepRetryAfter(error)
      )
    )
  })
)

/** The methods that a path takes, by the contract. */
const makeAllowedMethods = () => {
  const router = FindMyWay.make<string>()
  const methods = new Set<string>()
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => {
      methods.add(endpoint.method)
      router.on(endpoint.method, endpoint.path as FindMyWay.PathInput, endpoint.method)
    }
  })
  return (url: string) => [...methods].filter((method) => router.find(method, url) !== undefined)
}

/** What failed outside of any endpoint, or was never foreseen, as a problem all the same. */
export const makeProblemOf = () => {
  const allowedMethods = makeAllowedMethods()
  return (
    cause: Cause.Cause<unknown>,
    request: HttpServerRequest.HttpServerRequest,
    requestId: string
  ): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
    const error = Cause.squash(cause)
    if (error instanceof HttpServerError.HttpServerError && error.reason._tag === "RouteNotFound") {
      const allowed = allowedMethods(request.url)
      return allowed.length === 0
        ? HttpServerRespondable.toResponse(
            new NotFound({ detail: "There is no such route: /docs shows those there are." })
          )
        : HttpServerRespondable.toResponse(new MethodNotAllowed({ detail: `Allowed: ${allowed.join(", ")}.` })).pipe(
            Effect.map(HttpServerResponse.setHeader("allow", allowed.join(", ")))
          )
    }
    return log
      .error("Request failed", cause)
      .pipe(Effect.andThen(HttpServerRespondable.toResponse(new InternalError({ requestId }))))
  }
}
