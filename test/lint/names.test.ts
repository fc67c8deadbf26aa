import { assert, describe, it } from "@effect/vitest"
import { glob, readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../src/", import.meta.url))

const sources: Array<{ readonly folder: string; readonly text: string }> = []
for await (const path of glob("*/*.ts", { cwd: root })) {
  sources.push({ folder: path.split("/")[0] ?? "", text: await readFile(root + path, "utf8") })
}

describe("names", () => {
  it("of services, middleware and references are their folder's, and their own", () => {
    const found = sources.flatMap(({ folder, text }) => [
      ...Array.from(
        text.matchAll(
          /^export class (\w+)\s+extends (?:Context|HttpApiMiddleware)\.Service<[^]*?>\(\)\(\s*"([^"]+)"/gm
        ),
        ([, name, key]) => ({ key, expected: `xfchat/${folder}/${name}` })
      ),
      ...Array.from(text.matchAll(/const (\w+) = Context\.Reference<[^(]*>\(\s*"([^"]+)"/g), ([, name, key]) => ({
        key,
        expected: `xfchat/${folder}/${name}`
      }))
    ])
    assert.isAbove(found.length, 45)
    for (const { expected, key } of found) assert.strictEqual(key, expected)
  })

  it("of the log's modules are their folders", () => {
    const found = sources.flatMap(({ folder, text }) =>
      Array.from(text.matchAll(/^const (?:log = logOf\(|module = )"([^"]+)"/gm), ([, module]) => ({ folder, module }))
    )
    assert.isAbove(found.length, 20)
    for (const { folder, module } of found) assert.strictEqual(module, `xfchat/${folder}`)
  })
})
