import type { CommonProblem, Operation, Operations } from "./operations.ts"

type OperationsOf<Group> = Group extends object ? Group[keyof Group] : never
type ProblemsOf<O> = O extends Operation<infer _Input, infer _Answer, infer Problem> ? Problem : never

/** Any problem document of the server's contract. `type` distinguishes them. */
export type KnownProblem = CommonProblem | ProblemsOf<OperationsOf<Operations[keyof Operations]>>

/** A problem document (RFC 9457). A newer server may have types that this client does not know. */
export interface Problem {
  readonly type: string
  readonly title?: string
  readonly status?: number
  readonly detail?: string
}

/** The server has answered with an error. */
export class ProblemError extends Error {
  override readonly name = "ProblemError"
  /** The problem's stable name, such as `NotFound`, or `about:blank` if the answer has no problem document. */
  readonly type: string
  /** The HTTP status of the answer. */
  readonly status: number
  /** The problem document of the answer. */
  readonly problem: Problem
  /** The seconds to wait before the next attempt, if the answer has a `Retry-After`. */
  readonly retryAfter: number | undefined

  constructor(problem: Problem, status: number, retryAfter: number | undefined) {
    super(problem.detail ?? problem.title ?? `The server answers ${status}.`)
    this.type = problem.type
    this.status = status
    this.problem = problem
    this.retryAfter = retryAfter
  }
}

/** The server gave no complete answer, because of the network or of the server itself. It may have carried out the request. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError"

  constructor(cause: unknown) {
    super("There is no answer from the server.", { cause })
  }
}

/**
 * Whether the server has refused a request for good, with a status of 4xx other than 401, 408, 425 and 429. Any other failure is
 * worth a retry.
 */
export const isRefusal = (error: unknown): error is ProblemError =>
  error instanceof ProblemError &&
  error.status >= 400 &&
  error.status < 500 &&
  ![401, 408, 425, 429].includes(error.status)

/** Whether the session has ended, because the server refused the token and there was no better one. */
export const isSignedOut = (error: unknown): error is ProblemError =>
  error instanceof ProblemError && error.status === 401

const isProblem = (value: unknown): value is Problem =>
  typeof value === "object" && value !== null && "type" in value && typeof value.type === "string"

/** The seconds of a `Retry-After` header, which is a number of seconds or a date by the server's clock. */
const secondsOf = (headers: Headers): number | undefined => {
  const header = headers.get("retry-after")
  if (header === null) return undefined
  const now = Date.parse(headers.get("date") ?? "")
  const seconds = /^\d+$/.test(header)
    ? Number(header)
    : (Date.parse(header) - (Number.isNaN(now) ? Date.now() : now)) / 1_000
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined
}

/** Makes the error of a failed response. A proxy's response may have a body of any kind. */
export const problemOfResponse = async (response: Response): Promise<ProblemError> => {
  const { headers, status, statusText } = response
  const body: unknown = await response.json().catch(() => undefined)
  const problem = isProblem(body) ? body : { type: "about:blank", title: statusText, status }
  return new ProblemError(problem, status, secondsOf(headers))
}
