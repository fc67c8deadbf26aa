import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { TestDatabase } from "../../src/testing/index.ts"
import { startProcess, startServer } from "../serverProcess.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

describe("the version in package.json", () => {
  it.live("is that of the command, the start-up line and the OpenAPI document, and its lock's", () =>
    Effect.gen(function* () {
      const read = (file: string) => Effect.promise(async () => JSON.parse(await readFile(root + file, "utf8")))
      const { version } = yield* read("package.json")
      const lock = yield* read("package-lock.json")
      assert.deepStrictEqual([lock.version, lock.packages[""].version], [version, version])

      const command = yield* startProcess([`${root}node_modules/.bin/node`, "bin/xfchat.js", "--version"], {})
      assert.strictEqual(yield* command.exit, 0)
      assert.include(command.standardOutput().trim().split(/[ v]+/), version)

      const server = yield* startServer("node", (yield* TestDatabase).url)
      yield* server.line(new RegExp(`^\\[STARTUP\\] XFChat ${version.replaceAll(".", "\\.")} listening on `, "m"))
      const document = yield* Effect.promise(async () => (await fetch(`${server.baseUrl}/openapi.json`)).json())
      assert.strictEqual(document.info.version, version)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
