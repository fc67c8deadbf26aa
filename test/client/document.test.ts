import { assert, describe, it } from "@effect/vitest"
import { readFile, rm, writeFile } from "node:fs/promises"
import { root } from "./bundle.ts"

describe("docs/client.md", () => {
  it("shows a test with the server in memory that passes", async () => {
    const text = await readFile(`${root}docs/client.md`, "utf8")
    const code = /```ts\n([^`]*xfchat\/client\/testing[^`]*)```/.exec(text)?.[1]
    assert.isDefined(code)
    const path = `${import.meta.dirname}/${crypto.randomUUID()}.ts`
    await writeFile(path, code ?? "")
    try {
      await import(path)
    } finally {
      await rm(path)
    }
  })
})
