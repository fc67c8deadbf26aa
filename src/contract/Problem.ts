import { Schema } from "effect"
import { HttpApiError } from "effect/http-api"
import { described } from "./Description.ts"
import { Time } from "./Text.ts"

/**
 * The one table from a typed error to its HTTP meaning. Every failure that a caller can tell apart is declared with
 * {@link Problem}, so its tag, its status and its `application/problem+json` body (RFC 9457) cannot drift apart.
 */
const problems = {
  MalformedRequest: { status: 400, title: "The request cannot be read" },
  Unauthorized: { status: 401, title: "Sign in first" },
  Forbidden: { status: 403, title: "Not allowed" },
  NotFound: { status: 404, title: "Not found" },
  MethodNotAllowed: { status: 405, title: "This resource does not support that method" },
  RequestTimeout: { status: 408, title: "The request did not arrive in time" },
  UsernameTaken: { status: 409, title: "This username is taken" },
  EmailTaken: { status: 409, title: "This e-mail address is taken" },
  PayloadTooLarge: { status: 413, title: "The request body is too large" },
  UriTooLong: { status: 414, title: "The URL is too long" },
  UnsupportedMediaType: { status: 415, title: "The media type of the request body is not supported here" },
  ValidationFailed: { status: 422, title: "The request is well-formed but not valid" },
  StaleVersion: { status: 422, title: "The message has changed since this version" },
  ParticipantLimitReached: { status: 422, title: "The conversation has reached its limit of participants" },
  ReactionLimitReached: { status: 422, title: "The message has reached its limit of reactions" },
  RequestLimitReached: { status: 422, title: "You have reached the limit of open requests" },
  MessageIdReused: { status: 422, title: "This message id is taken by another message" },
  HeadersTooLarge: { status: 431, title: "The header fields are too large" },
  VersionNotFound: { status: 432, title: "This version is not known" },
  RateLimited: { status: 429, title: "Too many requests" },
  QuotaExceeded: { status: 429, title: "The quota for this month is used up" },
  InternalError: { status: 500, title: "Something went wrong on the server" },
  DatabaseUnavailable: { status: 503, title: "The database cannot be reached" },
  NotReady: { status: 503, title: "This server is not ready to serve" },
  ServerBusy: { status: 503, title: "The server is busy" }
} as const

/** The tag of a typed error: also the `type` member of its problem document. */
export type ProblemType = keyof typeof problems

/**
 * Declares a typed error: a yieldable class whose `_tag` is its problem `type`, with the status and title of the table
 * above. An optional `detail` says in one sentence what went wrong and what to do.
 *
 * ```ts
 * class NotFound extends Problem<NotFound>()("NotFound") {}
 * ```
 */
export const Problem =
  <Self>() =>
  <const Tag extends ProblemType, const Fields extends Schema.Struct.Fields = {}>(tag: Tag, fields?: Fields) =>
    HttpApiError.Problem<Self>()(tag, { type: tag, ...problems[tag] } as const, fields)

/** The request cannot be read: its body is not JSON, or a header breaks its syntax. */
export class MalformedRequest extends Problem<MalformedRequest>()("MalformedRequest") {}

/** The most errors in one answer. */
export const maxErrors = 20

/** The most characters of a member's name, and of a message, in an answer. */
const maxCharacters = 200

const InvalidMember = Schema.Struct({
  path: Schema.Array(Schema.String).pipe(
    described("`params`, `query`, `headers` or `payload`, then the names of the members that lead to the error.")
  ),
  message: Schema.String.pipe(described("The rule that the member breaks."))
})
export type InvalidMember = typeof InvalidMember.Type

/** The request can be read but does not match the schema: each wrong member, and what is wrong with it. See {@link invalid}. */
export class ValidationFailed extends Problem<ValidationFailed>()("ValidationFailed", {
  errors: Schema.Array(InvalidMember).pipe(described(`The first ${maxErrors} errors.`)),
  omittedErrors: Schema.optionalKey(Schema.Int).pipe(described("The number of errors left out of `errors`, if any."))
}) {}

/** The error for any number of invalid members. Its size is bounded, whatever the caller sent. */
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

/** The resource does not exist, or the caller may not know that it does. */
export class NotFound extends Problem<NotFound>()("NotFound") {}

/** The caller may see this resource but not do this to it. */
export class Forbidden extends Problem<Forbidden>()("Forbidden") {}

export class UnsupportedMediaType extends Problem<UnsupportedMediaType>()("UnsupportedMediaType") {}

export class PayloadTooLarge extends Problem<PayloadTooLarge>()("PayloadTooLarge") {}

export class RequestTimeout extends Problem<RequestTimeout>()("RequestTimeout") {}

export class UriTooLong extends Problem<UriTooLong>()("UriTooLong") {}

export class HeadersTooLarge extends Problem<HeadersTooLarge>()("HeadersTooLarge") {}

export class MethodNotAllowed extends Problem<MethodNotAllowed>()("MethodNotAllowed") {}

/** The caller makes too many requests of a kind at once, or within some time. */
export class RateLimited extends Problem<RateLimited>()("RateLimited", {
  retryAfter: Schema.optionalKey(Schema.Int).pipe(
    described("The seconds to wait before trying again, as in the `Retry-After` header.")
  )
}) {}

/** The user has used up a quota of this month. */
export class QuotaExceeded extends Problem<QuotaExceeded>()("QuotaExceeded", {
  limit: Schema.Int.pipe(described("The quota of the whole month.")),
  resetsAt: Time.pipe(described("The time when the next month begins.")),
  retryAfter: Schema.Int.pipe(described("The seconds until then, as in the `Retry-After` header."))
}) {}

/** A defect in the server. The log has the details under the request id; the caller gets none. */
export class InternalError extends Problem<InternalError>()("InternalError", {
  requestId: Schema.String.pipe(described("The id under which the server's log has the details."))
}) {}

/** The database cannot be reached or cannot serve this now. Nothing was done: try again in a moment. */
export class DatabaseUnavailable extends Problem<DatabaseUnavailable>()("DatabaseUnavailable") {}

/** The server has more requests than it can serve. Nothing was done: try again in a moment. */
export class ServerBusy extends Problem<ServerBusy>()("ServerBusy") {}
