import { assert, describe, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import { glob, readFile } from "node:fs/promises"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { variables } from "../../src/platform/Configuration.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const read = (path: string) => readFile(join(root, path), "utf8")

const filesOf = async (...patterns: ReadonlyArray<string>) => {
  const found: Array<string> = []
  for await (const path of glob([...patterns], { cwd: root })) found.push(path)
  return found.sort()
}

const withoutCode = (text: string) => text.replaceAll(/^```[^]*?^```$/gm, "")

/** The anchors of a document, as forges make them of its headings. */
const anchorsOf = (text: string) =>
  new Set(
    [...withoutCode(text).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
        .replaceAll(" ", "-")
    )
  )

/** Read by the library that sends traces. */
const standard = new Set(["OTEL_RESOURCE_ATTRIBUTES"])

/** The part of a document below a heading. */
const sectionOf = (text: string, heading: string) => {
  const [, section] = text.split(`\n### ${heading}\n`)
  return section?.split(/\n##+ /)[0]
}

describe("the documents", () => {
  it("link to each other, and to files and headings that exist", async () => {
    const documents = await filesOf("*.md", "docs/*.md")
    const linked = new Set<string>()
    for (const document of documents) {
      for (const [, target = ""] of withoutCode(await read(document)).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(target)) continue
        const [path = "", anchor] = target.split("#")
        const file =
          path === ""
            ? document
            : relative(root, path.startsWith("/") ? root + path : join(root, dirname(document), path))
        assert.isTrue(existsSync(join(root, file)), `${target} in ${document}`)
        if (anchor !== undefined) assert.isTrue(anchorsOf(await read(file)).has(anchor), `${target} in ${document}`)
        linked.add(file)
      }
    }
    for (const document of documents.filter((path) => path.startsWith("docs/"))) {
      assert.isTrue(linked.has(document), `nothing leads to ${document}`)
    }
  })

  it("name only environment variables and commands that exist", async () => {
    const names = variables.map(({ name }) => name)
    const sources = await Promise.all((await filesOf("src/cli.ts", "src/commands/*.ts")).map(read))
    const commands = new Set([...sources.join("").matchAll(/Command\.make\(\s*"([\w-]+)"/g)].map(([, name]) => name))
    assert.isTrue(commands.has("migrate"))
    for (const document of await filesOf("*.md", "docs/*.md")) {
      const text = await read(document)
      for (const [named] of text.matchAll(
        /\b(?:DATABASE|SERVER|RATE_LIMIT|STREAM|SESSION|REDIS|TRUSTED|PRESENCE|LOG|OTEL|ADMIN|DEV)_[A-Z_]*\*?/g
      )) {
        const isKnown = named.endsWith("*")
          ? names.some((name) => name.startsWith(named.slice(0, -1)))
          : names.includes(named) || standard.has(named)
        assert.isTrue(isKnown, `${named} in ${document}`)
      }
      for (const [, code = ""] of text.matchAll(/(?:`|^|&& |\| )xfchat ([a-z]\w*(?: [a-z][\w-]*)?)/gm)) {
        const [command = "", subcommand = ""] = code.split(" ")
        assert.isTrue(commands.has(command), `xfchat ${code} in ${document}`)
        if (["migrate", "user", "conversation"].includes(command) && subcommand !== "") {
          assert.isTrue(commands.has(subcommand), `xfchat ${code} in ${document}`)
        }
      }
    }
  })

  it("have an entry in troubleshooting for each start-up error, in its words", async () => {
    const text = await read("docs/troubleshooting.md")
    let known = 0
    for (const path of await filesOf("src/**/*.ts")) {
      const source = await read(path)
      for (const [, name = "", body = ""] of source.matchAll(
        /^(?:export )?class (\w+) extends (?:Data|Schema)\.TaggedError([^]*?)\n\}$/gm
      )) {
        const [, message] = /override (?:get message\(\) \{|readonly message =)([^]*)/.exec(body) ?? []
        if (message === undefined) continue
        known += 1
        const section = sectionOf(text, name)
        assert.isDefined(section, `${name} of ${path} has no entry`)
        const [literal = ""] = message.match(/`(?:[^`\\]|\\.)*`|"[^"]*"/g) ?? []
        for (const part of literal.slice(1, -1).split(/\$\{[^}]*\}|\\n/)) {
          assert.include(section, part.replaceAll("\\`", "`").trim(), name)
        }
      }
    }
    assert.isAbove(known, 20)
  })

  it("say what each migration's way back loses, in the words of its file", async () => {
    const text = await read("docs/rollback.md")
    const files = await filesOf("migrations/*.down.sql")
    assert.isNotEmpty(files)
    for (const file of files) {
      const lines = (await read(file)).split("\n")
      const head = lines.slice(
        0,
        lines.findIndex((line) => !line.startsWith("--"))
      )
      const said = head.map((line) => line.replace(/^-- ?/, "").trimEnd()).join("\n")
      const section = sectionOf(text, file.replace(/^migrations\/(.*)\.down\.sql$/, "$1"))
      assert.include(section, said, file)
    }
  })
})
