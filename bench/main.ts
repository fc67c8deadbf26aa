import { Console, Effect } from "effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { cpus, loadavg } from "node:os"
import { join } from "node:path"
import { runMain } from "../src/process/ServerProcess.ts"
import { summary, table, type Finding, type Measure } from "./Measure.ts"
import { churn } from "./measures/churn.ts"
import { depth } from "./measures/depth.ts"
import { fanout } from "./measures/fanout.ts"
import { idle } from "./measures/idle.ts"
import { latency } from "./measures/latency.ts"
import { many } from "./measures/many.ts"
import { returning } from "./measures/returning.ts"
import { search } from "./measures/search.ts"
import { hot, sends } from "./measures/sends.ts"
import { resultsFolder, startPostgres } from "./Subject.ts"

const measures: Readonly<Record<string, Measure>> = {
  sends,
  hot,
  latency,
  many,
  fanout,
  idle,
  returning,
  depth,
  search
}

/** Measures that take long and run only when they are named. */
const long: Readonly<Record<string, Measure>> = { churn }

const usage = `usage: npm run bench -- [--quick] [--profile] [--minutes=5] [${Object.keys({ ...measures, ...long }).join(" | ")}] ...`

const load = () => loadavg().map((value) => Number(value.toFixed(2)))

const bench = Effect.gen(function* () {
  const args = process.argv.slice(2)
  const minutes = Number(args.find((arg) => arg.startsWith("--minutes="))?.slice("--minutes=".length) ?? 5)
  const options = { quick: args.includes("--quick"), profile: args.includes("--profile"), minutes }
  const names = args.filter((arg) => !arg.startsWith("--"))
  const isUnderstood = minutes > 1 && names.every((name) => name in measures || name in long)
  if (args.includes("--help") || !isUnderstood) return yield* Console.log(usage)

  mkdirSync(resultsFolder, { recursive: true })
  const postgres = yield* startPostgres
  const results: Array<{ name: string; loadBefore: ReadonlyArray<number>; findings: ReadonlyArray<Finding> }> = []
  const chosen = Object.entries({ ...measures, ...long }).filter(([name]) =>
    names.length === 0 ? name in measures : names.includes(name)
  )
  for (const [name, measure] of chosen) {
    const loadBefore = load()
    yield* Console.error(`${name} (load average ${loadBefore.join(" ")})`)
    results.push({ name, loadBefore, findings: yield* Effect.scoped(measure(postgres, options)) })
  }

  yield* Console.log(`\n${table(results.flatMap(({ findings }) => findings))}\n`)
  const at = new Date().toISOString()
  const file = join(resultsFolder, `${at.replaceAll(":", "-")}.json`)
  const machine = { processors: cpus().length, model: cpus()[0]?.model, node: process.version, loadAfter: load() }
  const measured = results.map(({ findings, loadBefore, name }) => ({
    name,
    loadBefore,
    findings: findings.map((finding) => Object.assign(summary(finding), finding))
  }))
  writeFileSync(file, `${JSON.stringify({ at, ...options, machine, measured }, null, 2)}\n`)
  yield* Console.error(`All rounds: ${file}`)
}).pipe(Effect.scoped)

runMain(bench)
