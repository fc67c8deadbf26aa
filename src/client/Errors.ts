import type { CommonProblem, Operation, Operations } from "./operations.ts"

type OperationsOf<Group> = Group extends object ? Group[keyof Group] : never
type ProblemsOf<O> = O extends Operation<infer _Input, infer _Answer, infer Problem> ? Problem : never

/** Every problem document that the server's contract names. `type` tells them apart. */
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
  /** The problem's stable name, such as `NotFound`; `about:blank` if the answer is no problem document. */
  readonly type: string
  readonly status: number
  /** The answer's whole document. */
  readonly problem: Problem
  /** The seconds after which the server wants to see the request again, if it has said so. */
  readonly retryAfter: number | undefined

  constructor(problem: Problem, status: number, retryAfter: number | undefined) {
    super(problem.detail ?? problem.title ?? `The server answers ${status}.`)
    this.type = problem.type
    this.status = status
    this.problem = problem
    this.retryAfter = retryAfter
  }
}

/** There was no answer: no network, no server, or a connection that broke. The request may have been carried out. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError"

  constructor(cause: unknown) {
    super("There is no answer from the server.", { cause })
  }
}

/** Whether the same request can never succeed. Every other failure is worth another try. */
export const isRefusal = (error: unknown): error is ProblemError =>
  error instanceof ProblemError &&
  error.status >= 400 &&
  error.status < 500 &&
  ![401, 408, 425, 429].includes(error.status)

/** Whether the session has ended: the token was refused, and so was the one that took its place. */
export const isSignedOut = (error: unknown): error is ProblemError =>
  error instanceof ProblemError && error.status === 401

const isProblem = (value: unknown): value is Problem =>
  typeof value === "object" && value !== null && "type" in value && typeof value.type === "string"

/** The seconds of a `Retry-After` header, which has a number of them or a date. */
const secondsOf = (header: string | null): number | undefined => {
  if (header === null) return undefined
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined
}

/** The error that a failed response stands for. A proxy's error may have a body of any kind. */
export const problemOfResponse = async (response: Response): Promise<ProblemError> => {
  const { headers, status, statusText } = response
  const body: unknown = await response.json().catch(() => undefined)
  const problem = isProblem(body) ? body : { type: "about:blank", title: statusText, status }
  return new ProblemError(problem, status, secondsOf(headers.get("retry-after")))
}
