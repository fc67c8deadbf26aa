import { describe, expect, it } from "@effect/vitest"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { subjects } from "../../src/conformance/Subjects.ts"

const path = fileURLToPath(new URL("../../docs/conformance.md", import.meta.url))
const heading = "\n## The promises\n\n"

// After a change of the promises: npx vitest run test/docs/conformance.test.ts -u
describe("docs/conformance.md", () => {
  it("lists every promise that is tested", async () => {
    const [text] = (await readFile(path, "utf8")).split(heading)
    const lists = subjects.map(({ document, name, promises }) => {
      const items = Object.keys(promises).map((promise) => `- ${promise}\n`)
      return `### ${name}\n\nFrom [${document}](${document.replace("docs/", "")}):\n\n${items.join("")}`
    })
    await expect(`${text}${heading}${lists.join("\n")}`).toMatchFileSnapshot(path)
  })

  it("finds no two promises of the same name", () => {
    const names = subjects.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })
})
