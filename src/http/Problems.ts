import { Cause, Effect, Layer, Predicate, SchemaIssue } from "effect"
import type { Types } from "effect"
import {
  FindMyWay,
  HttpEffect,
  HttpServerError,
  HttpServerRequest,
  HttpServerRespondable,
  HttpServerResponse
} from "effect/http"
import { HttpApi, HttpApiError, type HttpApiEndpoint } from "effect/http-api"
import { IncomingMessage } from "node:http"
import { Api } from "../contract/Api.ts"
import { Configuration } from "../platform/Configuration.ts"
import { logOf } from "../platform/Log.ts"
import { payloadBounds } from "./PayloadBounds.ts"
import {
  type MalformedRequest,
  InternalError,
  invalid,
  MethodNotAllowed,
  NotFound,
  RequestTimeout,
  type PayloadTooLarge,
  type ServerBusy,
  type UnsupportedMediaType,
  type ValidationFailed
} from "../contract/Problem.ts"
import { Problems } from "../contract/ProblemsApi.ts"
import { parseBody, readBody } from "./Body.ts"

const log = logOf("xfchat/http")

const toIssues = SchemaIssue.makeFormatterStandardSchemaV1()

/** The problem of a part of a request that its schema refuses. */
export const invalidPart = (part: string, issue: SchemaIssue.Issue) =>
  invalid(
    toIssues(issue).issues.map(({ path = [], message }) => ({
      path: [part, ...path.map((segment) => String(typeof segment === "object" ? segment.key : segment))],
      message
    }))
  )

/** 400 for a body that is not JSON, 422 for JSON that the schema refuses. An answer that cannot be encoded is a defect. */
const explainRefusal = Effect.fnUntraced(function* (error: HttpApiError.HttpApiSchemaError) {
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return yield* Effect.die(error)
  if (error.kind === "Payload") {
    const request = yield* HttpServerRequest.HttpServerRequest
    yield* parseBody(yield* Effect.orDie(request.text))
  }
  return yield* invalidPart(error.kind.toLowerCase(), error.cause.issue)
})

/** Fails with the error. If it says when to try again, so does the answer. */
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
    // Node's server makes sure that a body arrives in time; hosts of fetch handlers wait for ever.
    const inTime = Effect.timeoutOrElse({
      duration,
      orElse: () => new RequestTimeout({ detail: "The body took too long to arrive." })
    })
    const readBodyInTime = (endpoint: HttpApiEndpoint.Top) => {
      const read = readBody(payloadBounds(endpoint))
      return HttpServerRequest.HttpServerRequest.use(({ source }) =>
        source instanceof IncomingMessage ? read : inTime(read)
      )
    }
    return Problems.of((handler, { endpoint }) => {
      const explained = Effect.catch(
        handler,
        (error): Effect.Effect<never, Types.unhandled | Refusal, HttpServerRequest.HttpServerRequest> =>
          HttpApiError.HttpApiSchemaError.is(error) ? explainRefusal(error) : keepRetryAfter(error)
      )
      if (endpoint.payload.size === 0) return explained
      return Effect.flatMap(Effect.catch(readBodyInTime(endpoint), keepRetryAfter), (request) =>
        Effect.provideService(explained, HttpServerRequest.HttpServerRequest, request)
      )
    })
  })
)

/** The methods that the contract has for a path. */
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

/** Answers failures outside of endpoints, and defects, as problems too. */
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
        ? HttpServerRespondable.toResponse(new NotFound({ detail: "There is no such route: /docs lists all routes." }))
        : HttpServerRespondable.toResponse(new MethodNotAllowed({ detail: `Allowed: ${allowed.join(", ")}.` })).pipe(
            Effect.map(HttpServerResponse.setHeader("allow", allowed.join(", ")))
          )
    }
    return log
      .error("Request failed", cause)
      .pipe(Effect.andThen(HttpServerRespondable.toResponse(new InternalError({ requestId }))))
  }
}
