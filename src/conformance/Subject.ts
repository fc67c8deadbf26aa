import { AssertionError } from "node:assert"
import { inspect } from "node:util"
import type { Server } from "./Server.ts"

/** The promises of the documents about one subject. */
export interface Subject {
  readonly name: string
  /** The document that promises it, from the project's root. */
  readonly document: string
  /** By its name, each promise as a test that fails if the server breaks it. */
  readonly promises: Readonly<Record<string, (server: Server) => Promise<void>>>
}

/** Tests a promise by several cases, one after the other. A failure names its case. */
export const each =
  <Case>(cases: ReadonlyArray<Case>, test: (server: Server, given: Case) => Promise<void>) =>
  async (server: Server): Promise<void> => {
    for (const given of cases) {
      await test(server, given).catch((error: unknown) => {
        const isAssertion = error instanceof AssertionError
        const message = error instanceof Error ? error.message : String(error)
        throw new AssertionError({
          message: `${inspect(Array.isArray(given) ? given[0] : given)}: ${isAssertion && error.generatedMessage ? notExpected : message}`,
          ...(isAssertion ? { actual: error.actual, expected: error.expected, operator: error.operator } : {})
        })
      })
    }
  }

/** The message of a failure that has only its values to show. */
export const notExpected = "the answer is not as expected"
