import { Effect, Redacted } from "effect"
import { fileURLToPath } from "node:url"
import { vi } from "vitest"
import { TestDatabase } from "../../src/testing/index.ts"
import { program as programOf, startProcess } from "../serverProcess.ts"

// Each command is a process, and a test starts several.
vi.setConfig({ testTimeout: 180_000 })

const root = fileURLToPath(new URL("../../", import.meta.url))

const runtimes = {
  node: [`${root}node_modules/.bin/node`],
  deno: [`${root}node_modules/.bin/deno`, "run", "-A"]
} as const

/** The input of a command besides its arguments. */
export interface Given {
  readonly env?: Record<string, string>
  /** All of its standard input; empty without it. */
  readonly input?: string
  readonly runtime?: keyof typeof runtimes
  /** Flags of the runtime. */
  readonly flags?: ReadonlyArray<string>
}

/** Runs `xfchat` as a process on the test's database, until it ends. */
export const xfchat = Effect.fn("xfchat")(function* (args: ReadonlyArray<string>, given: Given = {}) {
  const { url } = yield* TestDatabase
  const { flags = [], runtime = "node" } = given
  const [program, ...before] = runtimes[runtime]
  const command = yield* startProcess(
    [program, ...before, ...flags, runtime === "node" ? programOf("cli") : "src/cli.ts", ...args],
    { DATABASE_URL: Redacted.value(url), ...given.env },
    given.input ?? ""
  )
  const exit = yield* command.exit
  return { exit, output: command.standardOutput(), errorOutput: command.errorOutput() }
}, Effect.scoped)
