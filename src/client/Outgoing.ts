import type { Problem } from "./Errors.ts"
import type { Draft } from "./operations.ts"

/** A message that is on its way or that the server has refused. */
export interface Outgoing {
  /** The id of every attempt, by which the server recognises the message. */
  readonly id: string
  readonly conversationId: string
  readonly draft: Draft
  /** The time of the call of `send`, by the client's clock (ISO 8601). */
  readonly createdAt: string
  /** `pending` until the server has the message, or `failed` once the server has refused it. */
  readonly status: "pending" | "failed"
  /** The problem with which the server answered the last attempt, if it did. */
  readonly problem: Problem | undefined
}
