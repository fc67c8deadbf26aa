import { AssertionError } from "node:assert"
import { isDeepStrictEqual } from "node:util"

const fail = (message: string | undefined, operator: string, actual: unknown, expected: unknown): never => {
  throw new AssertionError({ ...(message === undefined ? {} : { message }), operator, actual, expected })
}

type Members = ReadonlyArray<unknown>

const missing = (from: Members, members: Members) =>
  members.filter((member) => !from.some((other) => isDeepStrictEqual(other, member)))

/** Whether all members of `part` are in `whole`, with equal values. */
const isPartOf = (part: object, whole: unknown) =>
  typeof whole === "object" &&
  whole !== null &&
  Object.entries(part).every(([name, value]) => isDeepStrictEqual(Reflect.get(whole, name), value))

interface Assert {
  (value: unknown, message?: string): asserts value
  readonly fail: (message: string) => never
  readonly strictEqual: <A>(actual: A, expected: A, message?: string) => void
  readonly notStrictEqual: (actual: unknown, other: unknown, message?: string) => void
  readonly deepStrictEqual: <A>(actual: A, expected: A, message?: string) => void
  /** The members of `expected` have equal values in `actual`, which may have more. */
  readonly deepInclude: (actual: unknown, expected: object, message?: string) => void
  readonly include: <A>(actual: string | ReadonlyArray<A>, expected: A, message?: string) => void
  readonly notInclude: (actual: string, unwanted: string, message?: string) => void
  readonly match: (actual: string, expected: RegExp, message?: string) => void
  readonly isBelow: (actual: number, limit: number, message?: string) => void
  readonly isAtMost: (actual: number, limit: number, message?: string) => void
  readonly isAbove: (actual: number, limit: number, message?: string) => void
  readonly isAtLeast: (actual: number, limit: number, message?: string) => void
  /** Equal members, in any order. */
  readonly sameMembers: (actual: Members, expected: Members, message?: string) => void
  readonly includeMembers: (actual: Members, expected: Members, message?: string) => void
}

const compare =
  (relation: string, holds: (actual: number, limit: number) => boolean) =>
  (actual: number, limit: number, message?: string) => {
    if (!holds(actual, limit)) fail(message, relation, actual, `${relation} ${limit}`)
  }

/** Assertions that work wherever Node's modules do, without a test runner. A failure is an `AssertionError` of Node. */
export const assert: Assert = Object.assign(
  (value: unknown, message?: string) => {
    if (!value) fail(message, "==", value, true)
  },
  {
    fail: (message: string) => {
      throw new AssertionError({ message })
    },
    strictEqual: <A>(actual: A, expected: A, message?: string) => {
      if (!Object.is(actual, expected)) fail(message, "strictEqual", actual, expected)
    },
    notStrictEqual: (actual: unknown, other: unknown, message?: string) => {
      if (Object.is(actual, other)) fail(message, "notStrictEqual", actual, other)
    },
    deepStrictEqual: <A>(actual: A, expected: A, message?: string) => {
      if (!isDeepStrictEqual(actual, expected)) fail(message, "deepStrictEqual", actual, expected)
    },
    deepInclude: (actual: unknown, expected: object, message?: string) => {
      if (!isPartOf(expected, actual)) fail(message, "deepInclude", actual, expected)
    },
    include: <A>(actual: string | ReadonlyArray<A>, expected: A, message?: string) => {
      const isIncluded = typeof actual === "string" ? actual.includes(String(expected)) : actual.includes(expected)
      if (!isIncluded) fail(message, "include", actual, expected)
    },
    notInclude: (actual: string, unwanted: string, message?: string) => {
      if (actual.includes(unwanted)) fail(message, "notInclude", actual, `nothing like ${unwanted}`)
    },
    match: (actual: string, expected: RegExp, message?: string) => {
      if (!expected.test(actual)) fail(message, "match", actual, expected)
    },
    isBelow: compare("<", (actual, limit) => actual < limit),
    isAtMost: compare("<=", (actual, limit) => actual <= limit),
    isAbove: compare(">", (actual, limit) => actual > limit),
    isAtLeast: compare(">=", (actual, limit) => actual >= limit),
    sameMembers: (actual: Members, expected: Members, message?: string) => {
      if (actual.length !== expected.length || missing(actual, expected).length > 0) {
        fail(message, "sameMembers", actual, expected)
      }
    },
    includeMembers: (actual: Members, expected: Members, message?: string) => {
      if (missing(actual, expected).length > 0) fail(message, "includeMembers", actual, expected)
    }
  }
)
