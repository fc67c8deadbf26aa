import { Array as Arrays, Result, Schema } from "effect"
import type { Incarnation } from "../contract/Incarnation.ts"
import { LineProblem, NewMessage } from "../contract/MessageLines.ts"
import { formatLogVersion } from "../contract/LogVersion.ts"
import { toJson } from "../contract/Message.ts"
import {
  MalformedRequest,
  ServerBusy,
  type DatabaseUnavailable,
  type NotFound,
  type QuotaExceeded,
  type RateLimited
} from "../contract/Problem.ts"
import { parseWithin } from "../http/Body.ts"
import type { PayloadBounds } from "../http/PayloadBounds.ts"
import { invalidPart } from "../http/Problems.ts"
import type { Sent } from "./MessageSends.ts"

const decode = Schema.decodeUnknownResult(Schema.toCodecJson(NewMessage), { onExcessProperty: "error", errors: "all" })

/** The lines of a body. Empty ones are no messages. */
export const linesOf = (body: string): ReadonlyArray<string> => body.split("\n").filter((line) => line.trim() !== "")

/** Reads a message from its line. */
export const readLine = (line: string, bounds: PayloadBounds): Result.Result<NewMessage, LineProblem> =>
  Result.flatMap(
    Result.mapError(parseWithin(line, bounds), (problem) =>
      problem._tag === "MalformedRequest" ? new MalformedRequest({ detail: "This line is not JSON." }) : problem
    ),
    (value) => Result.mapError(decode(value), ({ issue }) => invalidPart("payload", issue))
  )

export type LineOutcome = Result.Result<Sent, LineProblem>

/** The outcome of each line: that of its message, or the problem of a line that is none. */
export const outcomesOf = (
  lines: ReadonlyArray<Result.Result<NewMessage, LineProblem>>,
  sent: ReadonlyArray<LineOutcome>
): ReadonlyArray<LineOutcome> => {
  let next = 0
  return lines.flatMap((line) => (Result.isFailure(line) ? [Result.fail(line.failure)] : sent.slice(next, (next += 1))))
}

type ProblemOfAll = NotFound | RateLimited | QuotaExceeded | DatabaseUnavailable

const concernsAll = (problem: LineProblem): problem is ProblemOfAll =>
  ["NotFound", "RateLimited", "QuotaExceeded", "DatabaseUnavailable"].includes(problem._tag)

/** The problem with which the whole request is answered: one that ended it before any message was stored. */
export const problemOfAll = (outcomes: ReadonlyArray<LineOutcome>): ProblemOfAll | undefined =>
  outcomes.some(Result.isSuccess) ? undefined : Arrays.getFailures(outcomes).find(concernsAll)

const encodeProblem = Schema.encodeSync(LineProblem)

const formatOutcome = (outcome: LineOutcome, incarnation: Incarnation): string => {
  if (Result.isSuccess(outcome)) {
    const { created, message } = outcome.success
    const version = formatLogVersion({ incarnation, position: message.version })
    return `{"status":${created ? 201 : 200},"version":"${version}","message":${toJson(message)}}\n`
  }
  const problem = encodeProblem(outcome.failure)
  return `${JSON.stringify({ status: outcome.failure.status, problem })}\n`
}

/**
 * The most characters of an answer, beyond one outcome. New messages never come near it, but old ones that are sent again may
 * have become much longer by edits.
 */
export const maxAnswerLength = 1_200_000

const full = Result.fail(new ServerBusy({ detail: "The answer is full. Send this message again." }))

/** Writes the answer to a request. */
export const formatOutcomes = (outcomes: ReadonlyArray<LineOutcome>, incarnation: Incarnation): string => {
  let text = ""
  for (const outcome of outcomes) text += formatOutcome(text.length > maxAnswerLength ? full : outcome, incarnation)
  return text
}
