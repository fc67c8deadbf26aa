import { assert, describe, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import { glob, readFile } from "node:fs/promises"
import { basename } from "node:path"
import { fileURLToPath } from "node:url"
import { floors } from "../../lint/floors.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const read = (path: string) => readFile(root + path, "utf8")

const architecture = await read("docs/architecture.md")
const schema = await read("docs/schema.sql")

const sources = new Map<string, string>()
for await (const path of glob("src/**/*.ts", { cwd: root })) sources.set(path, await read(path))

/** The file of a path in the document: below `src/`, or else below the root. */
const fileOf = (path: string) => [`src/${path}`, path].find((candidate) => existsSync(root + candidate))

const declares = (source: string, name: string) =>
  new RegExp(`(?:class|const|function|interface|type) ${name}\\b|^\\s+(?:readonly |private )?${name}[:(]`, "m").test(
    source
  )

const mentions = (source: string, name: string) => new RegExp(`\\b${name}\\b`).test(source)

/** Whether a file has a name: `Outbox`, `ask`, or `Outbox.append`, a member of what it declares. */
const has = (source: string, name: string) => {
  const [owner = "", member] = name.split(".")
  return declares(source, owner) && (member === undefined || declares(source, member))
}

const prose = architecture.replaceAll(/^```[^]*?^```$/gm, "")
const codes = [...new Set([...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code))]

describe("docs/architecture.md", () => {
  it("lists the floors as the linter has them", () => {
    const rows = [...architecture.matchAll(/^\| (\d+) \| ((?:`[^`]+` ?)+) \|/gm)]
    assert.deepStrictEqual(
      rows.map(([, number]) => Number(number)),
      rows.map((_, index) => index + 1)
    )
    assert.deepStrictEqual(
      rows.map(([, , rooms = ""]) => [...rooms.matchAll(/`([^`]+)`/g)].map(([, room]) => room)),
      floors.map((rooms) => [...rooms])
    )
  })

  it("names only files and folders that exist", () => {
    const paths = codes.filter(
      (code) => /^[\w./-]+\/[\w.-]*$|^[\w-]+\.(?:ts|md|sql|json)$/.test(code) && !code.startsWith("/")
    )
    assert.isAbove(paths.length, 40)
    const missing = paths.filter((path) => fileOf(path) === undefined && path !== "xfchat/contract")
    assert.deepStrictEqual(missing, [])
  })

  it("names each step of the journeys in the file that has it", () => {
    const steps = [...prose.matchAll(/`([A-Za-z]\w*(?:\.\w+)?)`\s+\(`([\w./-]+\.ts)`\)/g)]
    assert.isAbove(steps.length, 35)
    for (const [, name = "", path = ""] of steps) {
      const source = sources.get(fileOf(path) ?? "")
      assert.isDefined(source, path)
      assert.isTrue(has(source ?? "", name), `${name} in ${path}`)
    }
  })

  it("names only classes, functions and columns that exist", () => {
    const symbols = codes.filter((code) => /^[A-Za-z]\w*(?:\.[a-z]\w*)?$/.test(code) && /[A-Z_.]/.test(code))
    assert.isAbove(symbols.length, 50)
    const all = [...sources.values()]
    const unknown = symbols.filter((code) => {
      const [owner = "", member] = code.split(".")
      if (/^[a-z]/.test(owner) && (owner.includes("_") || mentions(schema, `TABLE ${owner}`))) {
        return !mentions(schema, owner) || (member !== undefined && !mentions(schema, member))
      }
      return (
        !/^(?:GIN|PUT|GET|POST|COMMIT|NOTIFY|Subscribe|Parents|XFChat)$/.test(code) &&
        !all.some((source) => has(source, code))
      )
    })
    assert.deepStrictEqual(
      unknown.filter(
        (code) => !["a.b", ...floors.flat().map((room) => basename(room))].includes(code) && fileOf(code) === undefined
      ),
      []
    )
  })
})
