import { assert, describe, it } from "@effect/vitest"
import * as effect from "effect"
import { readFile } from "node:fs/promises"

type Names = Readonly<Record<string, unknown>>

const modules: Readonly<Record<string, () => Promise<Names>>> = {
  effect: () => import("effect"),
  "effect/cli": () => import("effect/cli"),
  "effect/encoding": () => import("effect/encoding"),
  "effect/http": () => import("effect/http"),
  "effect/http-api": () => import("effect/http-api"),
  "effect/observability": () => import("effect/observability"),
  "effect/persistence": () => import("effect/persistence"),
  "effect/process": () => import("effect/process"),
  "effect/rpc": () => import("effect/rpc"),
  "effect/schema": () => import("effect/schema"),
  "effect/socket": () => import("effect/socket"),
  "effect/sql": () => import("effect/sql"),
  "@effect/platform-node": () => import("@effect/platform-node"),
  "@effect/sql-pg": () => import("@effect/sql-pg"),
  "@effect/vitest": () => import("@effect/vitest")
}

const rowsOf = async (heading: string) => {
  const text = await readFile(new URL("../../docs/effect.md", import.meta.url), "utf8")
  const section = text.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? ""
  return [...section.matchAll(/^\| (.*?) \| (.*) \|$/gm)]
    .slice(1)
    .map(([, before = "", now = ""]) => [before, now] as const)
}

const codesIn = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code)

const importModule = async (path: string) => {
  const load = modules[path]
  assert.isDefined(load, path)
  return load === undefined ? {} : load()
}

describe("the tables of Effect's names", () => {
  it("put each module of Effect 4 into the package that has it", async () => {
    const rows = await rowsOf("Packages")
    assert.isAbove(rows.length, 10)
    for (const [before, now] of rows) {
      for (const part of now.split("; ")) {
        const [path = "", ...names] = codesIn(
          part.replace("the same package", codesIn(before)[0] ?? "").replace(/^(@[^:]*)/, "`$1`")
        )
        const found = await importModule(path)
        assert.isNotEmpty(names, now)
        for (const name of names) assert.property(found, name, path)
      }
    }
  })

  it("name only what Effect 4 has", async () => {
    const known: Names = {
      ...effect,
      ...(await importModule("effect/http-api")),
      ...(await importModule("effect/sql"))
    }
    const rows = await rowsOf("Names")
    assert.isAbove(rows.length, 10)
    for (const [, now] of rows) {
      for (const code of codesIn(now)) {
        const [, name = "", member] = /^([A-Z]\w*)(?:\.(\w+))?/.exec(code) ?? []
        if (name === "") continue
        assert.property(known, name, code)
        if (member !== undefined) assert.property(known[name], member, code)
      }
    }
  })
})
