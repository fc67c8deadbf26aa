import { Console, type Effect, type Scope } from "effect"
import type { Postgres } from "./Subject.ts"

/** A result. The ratio is judged where there is a comparison, otherwise the value. */
export interface Finding {
  readonly what: string
  readonly unit: string
  readonly against?: string
  readonly rounds: ReadonlyArray<Round>
  /** `undefined` if the result is only reported. */
  readonly target: Target | undefined
}

export interface Target {
  readonly bound: "at least" | "at most"
  readonly value: number
}

/** One round: XFChat, and its comparison right before or after it. */
export interface Round {
  readonly xfchat: number
  readonly against?: number
}

export interface Options {
  /** Short rounds and small sizes, which show that everything runs but are too short to judge. */
  readonly quick: boolean
  /** Writes a profile of the server to bench/results. */
  readonly profile: boolean
  /** How long `churn` lasts, on each runtime; more than 1. */
  readonly minutes: number
}

/** A measure that can be chosen by name. */
export type Measure = (
  postgres: Postgres,
  options: Options
) => Effect.Effect<ReadonlyArray<Finding>, unknown, Scope.Scope>

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
}

/** The value that a share of all values does not exceed. */
export const quantile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

const digits = (value: number) =>
  value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2 })

/** Shows progress. */
export const progress = (text: string) => Console.error(`  ${text}`)

/** The medians over the rounds, and whether they reach the target. */
export const summary = ({ rounds, target }: Finding) => {
  const xfchat = median(rounds.map(({ xfchat }) => xfchat))
  const pairs = rounds.flatMap(({ against, xfchat }) => (against === undefined ? [] : [{ against, xfchat }]))
  const against = pairs.length === 0 ? undefined : median(pairs.map(({ against }) => against))
  // Round by round, so that a disturbance of the machine affects both of a pair.
  const ratio = pairs.length === 0 ? undefined : median(pairs.map(({ against, xfchat }) => xfchat / against))
  const judged = ratio ?? xfchat
  const reached =
    target === undefined ? undefined : target.bound === "at least" ? judged >= target.value : judged <= target.value
  return { xfchat, against, ratio, reached }
}

/** A table in Markdown. */
export const table = (findings: ReadonlyArray<Finding>): string => {
  const rows = findings.map((finding) => {
    const { against, ratio, reached, xfchat } = summary(finding)
    const { target, unit } = finding
    return [
      finding.what,
      `${digits(xfchat)} ${unit}`,
      against === undefined ? "" : `${finding.against}: ${digits(against)} ${unit}`,
      ratio === undefined ? "" : `${digits(ratio)} x`,
      target === undefined ? "" : `${target.bound} ${digits(target.value)} ${ratio === undefined ? unit : "x"}`,
      reached === undefined ? "" : reached ? "reached" : "missed"
    ]
  })
  const all = [["measure", "XFChat", "compared with", "ratio", "to reach", ""], ...rows]
  const widths = all[0]!.map((_, column) => Math.max(3, ...all.map((row) => row[column]!.length)))
  const line = (cells: ReadonlyArray<string>) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [line(all[0]!), line(widths.map((width) => "-".repeat(width))), ...all.slice(1).map(line)].join("\n")
}
