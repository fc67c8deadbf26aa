import { assert, describe, inject, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startProcess } from "../serverProcess.ts"

const runtimes = {
  node: ["node_modules/.bin/node"],
  deno: ["node_modules/.bin/deno", "run", "-A"]
} as const

const url = inject("sharedServers")["node"] ?? ""

/** Runs the command without a database, until it ends. */
const conformance = Effect.fn("conformance")(function* (
  args: ReadonlyArray<string>,
  runtime: keyof typeof runtimes = "node"
) {
  const [program, ...before] = runtimes[runtime]
  const command = yield* startProcess([program, ...before, "src/cli.ts", "conformance", ...args], {}, "")
  const exit = yield* command.exit
  return { exit, output: command.standardOutput(), errorOutput: command.errorOutput() }
}, Effect.scoped)

describe("xfchat conformance", () => {
  it.live.each(["node", "deno"] as const)("reports each promise, and exits with 0 if all are kept, on %s", (runtime) =>
    Effect.gen(function* () {
      const file = join(tmpdir(), `xfchat-conformance-${process.pid}-${runtime}.json`)
      const { exit, output } = yield* conformance(
        ["--url", `${url}/`, "--only", "PASSWORD: does not", "--json", file],
        runtime
      )
      const promise = "does not change without the current one, and ends no session"
      assert.match(
        output,
        /^A password \(docs\/security\.md\)\n {2}pass {2}[^\n]*\n\n1 promise: 1 kept, 0 broken, in \d+ s\n$/
      )
      assert.strictEqual(exit, 0)
      const text = yield* Effect.promise(() => readFile(file, "utf8"))
      yield* Effect.promise(() => rm(file))
      const outcomes = JSON.parse(text) as {
        readonly passed: number
        readonly failed: number
        readonly promises: ReadonlyArray<object>
      }
      assert.deepInclude(outcomes, { passed: 1, failed: 0 })
      assert.deepInclude(outcomes.promises[0], { subject: "A password", promise, document: "docs/security.md" })
    })
  )

  it.live("exits with 1 if one is broken", () =>
    Effect.gen(function* () {
      // It answers, but has no accounts.
      const { errorOutput, exit, output } = yield* conformance([
        "--url",
        `${url}/api`,
        "--only",
        "each pair has its own"
      ])
      assert.match(output, /\n {2}FAIL {2}each pair has its own\n/)
      assert.match(errorOutput, /^The server breaks 1 promise\.\n/m)
      assert.strictEqual(exit, 1)
    })
  )

  it.live.each([
    ["--url", "localhost:3000"],
    ["--url", "http://127.0.0.1:1"],
    ["--url", url, "--only", "no such promise"]
  ])("exits with 2 if nothing can be tested: %j", (args) =>
    Effect.gen(function* () {
      const { errorOutput, exit, output } = yield* conformance(args)
      assert.deepStrictEqual([exit, output], [2, ""])
      assert.notStrictEqual(errorOutput, "")
    })
  )
})
