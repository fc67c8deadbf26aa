import { Schema } from "effect"
import { HttpApiError } from "effect/http-api"

/**
 * The one table from a typed error to its HTTP meaning. Every failure that a caller can tell apart is declared with
 * {@link Problem}, so its tag, its status and its `application/problem+json` body (RFC 9457) cannot drift apart.
 */
const problems = {
  MalformedRequest: { status: 400, title: "The request cannot be read" },
  Unauthorized: { status: 401, title: "Sign in first" },
  Forbidden: { status: 403, title: "Not allowed" },
  NotFound: { status: 404, title: "Not found" },
  MethodNotAllowed: { status: 405, title: "This resource does not take that method" },
  RequestTimeout: { status: 408, title: "The request did not arrive in time" },
  UsernameTaken: { status: 409, title: "This username is taken" },
  EmailTaken: { status: 409, title: "This e-mail address is taken" },
  PayloadTooLarge: { status: 413, title: "The request body is too large" },
  UriTooLong: { status: 414, title: "The path and its query are too long" },
  UnsupportedMediaType: { status: 415, title: "The request body has a media type that is not taken here" },
  ValidationFailed: { status: 422, title: "The request is well-formed but not valid" },
  StaleVersion: { status: 422, title: "The message has changed since" },
  ParticipantLimitReached: { status: 422, title: "The conversation has as many participants as it may have" },
  ReactionLimitReached: { status: 422, title: "The message has as many reactions as it may have" },
  RequestLimitReached: { status: 422, title: "There are as many open requests as there may be" },
  MessageIdReused: { status: 422, title: "This message id was used for another message" },
  HeadersTooLarge: { status: 431, title: "The header fields are too large" },
  VersionNotFound: { status: 432, title: "This version is not known" },
  RateLimited: { status: 429, title: "Too many at once" },
  QuotaExceeded: { status: 429, title: "The quota of this month is used up" },
  InternalError: { status: 500, title: "Something went wrong on the server" },
  DatabaseUnavailable: { status: 503, title: "The database cannot be reached" },
  NotReady: { status: 503, title: "This server is not ready to serve" },
  ServerBusy: { status: 503, title: "The server is busy" }
} as const

/** The tag of a typed error: also the `type` member of its problem document. */
export type ProblemType = keyof typeof problems

/**
 * Declares a typed error: a yieldable class whose `_tag` is its problem `type`, with the status and title of the table
 * above. `detail`, where given, says in one sentence what went wrong and what to do.
 *
 * ```ts
 * class NotFound extends Problem<NotFound>()("NotFound") {}
 * ```
 */
export const Problem =
  <Self>() =>
  <const Tag extends ProblemType, const Fields extends Schema.Struct.Fields = {}>(tag: Tag, fields?: Fields) =>
    HttpApiError.Problem<Self>()(tag, { type: tag, ...problems[tag] } as const, fields)

/** What cannot be read: no JSON, or a header that breaks its syntax. */
export class MalformedRequest extends Problem<MalformedRequest>()("MalformedRequest") {}

/** Most errors in one answer. */
export const maxErrors = 20

/** Most characters of a member's name, and of a message, in an answer. */
const maxCharacters = 200

const InvalidMember = Schema.Struct({
  /** Where: `params`, `query`, `headers` or `payload`, then the names of the members. */
  path: Schema.Array(Schema.String),
  message: Schema.String
})
export type InvalidMember = typeof InvalidMember.Type

/** A request that can be read but is not what the schema takes: each member that is wrong, and how. See {@link invalid}. */
export class ValidationFailed extends Problem<ValidationFailed>()("ValidationFailed", {
  errors: Schema.Array(InvalidMember),
  /** How many more errors there are, beyond the first 20. */
  omittedErrors: Schema.optionalKey(Schema.Int)
}) {}

/** The error of any number of invalid members. Its size has a bound, whatever the caller sent. */
export const invalid = (members: ReadonlyArray<InvalidMember>): ValidationFailed => {
  const omitted = members.length - maxErrors
  return new ValidationFailed({
    errors: members.slice(0, maxErrors).map(({ message, path }) => ({
      path: path.slice(0, maxErrors).map((name) => name.slice(0, maxCharacters)),
      message: message.slice(0, maxCharacters)
    })),
    ...(omitted > 0 ? { omittedErrors: omitted } : {})
  })
}

/** What is asked for is not there, or the caller may not know that it is. */
export class NotFound extends Problem<NotFound>()("NotFound") {}

/** The caller may see this, but not do it. */
export class Forbidden extends Problem<Forbidden>()("Forbidden") {}

export class UnsupportedMediaType extends Problem<UnsupportedMediaType>()("UnsupportedMediaType") {}

export class PayloadTooLarge extends Problem<PayloadTooLarge>()("PayloadTooLarge") {}

export class RequestTimeout extends Problem<RequestTimeout>()("RequestTimeout") {}

export class UriTooLong extends Problem<UriTooLong>()("UriTooLong") {}

export class HeadersTooLarge extends Problem<HeadersTooLarge>()("HeadersTooLarge") {}

export class MethodNotAllowed extends Problem<MethodNotAllowed>()("MethodNotAllowed") {}

/** More than one caller may have at once, or within a time. */
export class RateLimited extends Problem<RateLimited>()("RateLimited", {
  /** Seconds after which it may be tried again: also the `Retry-After` header. */
  retryAfter: Schema.optionalKey(Schema.Int)
}) {}

/** More than one user may have in a month. */
export class QuotaExceeded extends Problem<QuotaExceeded>()("QuotaExceeded", {
  limit: Schema.Int,
  /** When the next month begins. */
  resetsAt: Schema.DateTimeUtcFromString,
  /** Seconds until then: also the `Retry-After` header. */
  retryAfter: Schema.Int
}) {}

/** A mistake of ours. The log has more under the request id; the caller gets no detail. */
export class InternalError extends Problem<InternalError>()("InternalError", { requestId: Schema.String }) {}

/** The database cannot be reached, or cannot serve this now: nothing was done, try again in a moment. */
export class DatabaseUnavailable extends Problem<DatabaseUnavailable>()("DatabaseUnavailable") {}

/** More requests than the server can serve: nothing was done, try again in a moment. */
export class ServerBusy extends Problem<ServerBusy>()("ServerBusy") {}
