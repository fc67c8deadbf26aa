import { inspect } from "node:util"
import type { Outcome } from "./Run.ts"
import { shorten } from "./Server.ts"

const margin = " ".repeat(8)

const show = (value: unknown) => shorten(inspect(value, { breakLength: Number.POSITIVE_INFINITY, depth: 8 }))

const failureLines = ({ failure }: Outcome): ReadonlyArray<string> => {
  if (failure === undefined) return []
  const { actual, expected, message, trace } = failure
  return [
    message,
    ...("expected" in failure ? [`expected: ${show(expected)}`, `came:     ${show(actual)}`] : []),
    ...(trace.length === 0 ? [] : ["asked last:", ...trace.map((line) => `  ${line}`)])
  ].map((line) => margin + line)
}

/** Writes outcomes as lines that a person can read, each under the heading of its subject. */
export class Report {
  private readonly outcomes: Array<Outcome> = []
  private readonly began = performance.now()

  /** The lines of the next outcome. */
  add(outcome: Outcome): ReadonlyArray<string> {
    const { document, failure, promise, subject } = outcome
    const isFirst = this.outcomes.at(-1)?.subject !== subject
    this.outcomes.push(outcome)
    return [
      ...(isFirst ? [`${subject} (${document})`] : []),
      `  ${failure === undefined ? "pass" : "FAIL"}  ${promise}`,
      ...failureLines(outcome)
    ]
  }

  get failed(): number {
    return this.outcomes.filter(({ failure }) => failure !== undefined).length
  }

  private get seconds() {
    return Math.round((performance.now() - this.began) / 1_000)
  }

  /** The last line. */
  get summary(): string {
    const { failed, outcomes } = this
    return `${outcomes.length} ${outcomes.length === 1 ? "promise" : "promises"}: ${outcomes.length - failed} kept, ${failed} broken, in ${this.seconds} s`
  }

  /** The whole run, for programs. */
  json(url: string): string {
    const { failed, outcomes, seconds } = this
    const passed = outcomes.length - failed
    // A value that JSON does not have is shown as text.
    const plain = (_: string, value: unknown) =>
      value === undefined || (typeof value === "number" && !Number.isFinite(value)) || value instanceof RegExp
        ? String(value)
        : value
    return `${JSON.stringify({ url, passed, failed, seconds, promises: outcomes }, plain, 2)}\n`
  }
}
