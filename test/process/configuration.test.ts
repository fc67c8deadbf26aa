import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Result } from "effect"
import { readdir, readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { checkConfiguration, variables } from "../../src/platform/Configuration.ts"
import { failureLine } from "../../src/process/FailureLine.ts"
import { startProcess } from "../serverProcess.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** Stands for a secret: it must not appear in any output. */
const canary = "canary"

const given = (environment: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromUnknown(environment))

describe("the configuration", () => {
  it("is documented: each variable, its default and its meaning", async () => {
    const document = await readFile(`${root}docs/configuration.md`, "utf8")
    assert.deepStrictEqual(
      document.split("\n").filter((line) => line.startsWith("| `")),
      variables.map(
        ({ defaultValue, description, name }) =>
          `| \`${name}\` | ${defaultValue === undefined ? "" : `\`${defaultValue}\` `}| ${description} |`
      )
    )
  })

  it("is read in platform/Configuration.ts only", async () => {
    const files = (await readdir(`${root}src`, { recursive: true })).filter(
      (file) => file.endsWith(".ts") && !/^(testing\/|postgres-embedded\/|platform\/Configuration\.ts)/.test(file)
    )
    assert.isAbove(files.length, 50)
    const reading: Array<string> = []
    for (const file of files) {
      const text = await readFile(`${root}src/${file}`, "utf8")
      if (/process\.env|Deno\.env|\bConfig\.\w+\(["`]/.test(text)) reading.push(file)
    }
    assert.deepStrictEqual(reading, [])
  })

  it.effect("needs no variable but the URL of the database, and takes an empty one for missing", () =>
    Effect.gen(function* () {
      yield* checkConfiguration.pipe(Effect.provide(given({})))
      const empty = Object.fromEntries(variables.map(({ name }) => [name, ""]))
      yield* checkConfiguration.pipe(Effect.provide(given(empty)))
    })
  )

  it.effect("is refused if malformed, by a line that names the variable and what it must be, not its value", () =>
    Effect.gen(function* () {
      const refused: Array<string> = []
      for (const { expected, name } of variables) {
        const result = yield* Effect.result(Effect.provide(checkConfiguration, given({ [name]: canary })))
        if (Result.isSuccess(result)) continue
        assert.strictEqual(failureLine(result.failure), `${name} must be ${expected}. Correct it in the environment.`)
        refused.push(name)
      }
      assert.includeMembers(refused, ["DATABASE_MAX_CONNECTIONS", "SERVER_PORT", "SESSION_LIFETIME"])
    })
  )
})

describe("xfchat config", () => {
  const config = (environment: Record<string, string>) =>
    Effect.gen(function* () {
      const shown = yield* startProcess([`${root}node_modules/.bin/node`, "src/cli.ts", "config"], environment)
      const exit = yield* shown.exit
      const values = new Map(
        shown
          .output()
          .split("\n")
          .map((line) => {
            const [, variable = "", value = ""] = /^([A-Z_]+) +(.*)$/.exec(line) ?? []
            return [variable, value]
          })
      )
      return { exit, values, output: shown.output(), errorOutput: shown.errorOutput() }
    })

  it.live("shows the values in force, marks defaults, and hides secrets", () =>
    Effect.gen(function* () {
      const { exit, output, values } = yield* config({
        DATABASE_URL: `postgresql://someone:${canary}@database.example/xfchat`,
        STREAM_MAX_AGE: "2 hours"
      })
      assert.strictEqual(exit, 0)
      assert.strictEqual(values.get("DATABASE_URL"), "set, hidden")
      assert.strictEqual(values.get("STREAM_MAX_AGE"), "2 hours")
      assert.strictEqual(values.get("SERVER_PORT"), "3000 (default)")
      assert.strictEqual(values.get("REDIS_URL"), "not set")
      for (const { name } of variables) assert.isTrue(values.has(name), name)
      assert.notInclude(output, canary)
    })
  )

  it.live("names every malformed variable, without its value, and exits with 1", () =>
    Effect.gen(function* () {
      const { errorOutput, exit, output, values } = yield* config({ SERVER_PORT: canary, SESSION_LIFETIME: canary })
      assert.strictEqual(exit, 1)
      assert.strictEqual(values.get("SERVER_PORT"), "malformed: must be a whole number from 0 to 65535")
      assert.strictEqual(
        values.get("SESSION_LIFETIME"),
        'malformed: must be a duration such as "30 seconds" or "2 hours"'
      )
      assert.match(errorOutput, /^The server would not start: correct the malformed variables in the environment\.$/m)
      assert.notInclude(output, canary)
    })
  )
})
