import { Schema } from "effect"
import { described } from "./Description.ts"
import { Draft, Message, MessageId, MessageIdReused } from "./Message.ts"
import {
  DatabaseUnavailable,
  Forbidden,
  MalformedRequest,
  NotFound,
  QuotaExceeded,
  RateLimited,
  ServerBusy,
  ValidationFailed
} from "./Problem.ts"

/** The most messages in one request, and the most bytes of its body: any single message fits. */
export const maxLines = 256
export const maxLinesBytes = 524_288

/** A line of a request that sends several messages. */
export const NewMessage = Draft.mapFields(
  (fields) => ({
    id: MessageId.pipe(described("A UUID that the sender chooses: a new one for each message.")),
    ...fields
  }),
  { unsafePreserveChecks: true }
).annotate({ identifier: "NewMessage" })
export type NewMessage = typeof NewMessage.Type

/** The outcome of a message that could not be sent. */
export const LineProblem = Schema.Union([
  MalformedRequest,
  ValidationFailed,
  NotFound,
  Forbidden,
  MessageIdReused,
  RateLimited,
  QuotaExceeded,
  DatabaseUnavailable,
  ServerBusy
])
export type LineProblem = typeof LineProblem.Type

/** A line of the answer: the outcome of the message in the same place of the request. */
export const SendOutcome = Schema.Union([
  Schema.Struct({
    status: Schema.Literals([201, 200]).pipe(described("201 for a new message, and 200 for one that was sent before.")),
    version: Schema.String.pipe(described("The version of the message, which an edit can name in `Parents`.")),
    message: Message.json.pipe(described("The message as it is stored."))
  }),
  Schema.Struct({
    status: Schema.Int.pipe(described("The status of the problem.")),
    problem: LineProblem.pipe(described("The reason why the message was not sent."))
  })
]).annotate({ identifier: "SendOutcome" })
export type SendOutcome = typeof SendOutcome.Type
