import { assert, describe, it } from "@effect/vitest"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { startProcess } from "../serverProcess.ts"
import { Effect } from "effect"

const root = fileURLToPath(new URL("../../", import.meta.url))

interface Locked {
  readonly version: string
  readonly integrity?: string
  readonly resolved?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const lock = async () =>
  JSON.parse(await readFile(`${root}package-lock.json`, "utf8")) as {
    readonly packages: Readonly<Record<string, Locked>>
  }

describe("package-lock.json", () => {
  it("has every package of every platform, each with its integrity, and names no registry", async () => {
    const { packages } = await lock()
    /** Where Node looks for a dependency of a package: in its own folder, then in those around it. */
    const found = (path: string, name: string): boolean =>
      packages[`${path === "" ? "" : `${path}/`}node_modules/${name}`] !== undefined ||
      (path !== "" && found(path.slice(0, Math.max(0, path.lastIndexOf("node_modules/") - 1)), name))

    assert.isAbove(Object.keys(packages).length, 100)
    for (const [path, { dependencies, integrity, optionalDependencies, resolved }] of Object.entries(packages)) {
      if (path !== "") assert.match(integrity ?? "", /^sha512-/, path)
      assert.isUndefined(resolved, path)
      for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
        assert.isTrue(found(path, name), `${path} needs ${name}`)
      }
    }
  })

  it("has the versions that Deno takes: those of the peers, which Deno does not install by package.json", async () => {
    const { packages } = await lock()
    const { imports } = JSON.parse(await readFile(`${root}deno.json`, "utf8"))
    const { peerDependencies, peerDependenciesMeta } = JSON.parse(await readFile(`${root}package.json`, "utf8"))
    const required = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true)
    assert.deepStrictEqual(
      imports,
      Object.fromEntries(required.map((name) => [name, `npm:${name}@${packages[`node_modules/${name}`]?.version}`]))
    )
  })

  const platforms: Readonly<Record<string, ReadonlyArray<string>>> = {
    "this machine": [],
    "ARM and musl, as Alpine Linux has it": ["--os=linux", "--cpu=arm64", "--libc=musl"],
    "a Mac": ["--os=darwin", "--cpu=arm64"]
  }
  for (const [name, platform] of Object.entries(platforms)) {
    it.live(`is what \`npm ci\` takes for ${name}`, () =>
      Effect.gen(function* () {
        const npm = yield* startProcess(["npm", "ci", "--dry-run", "--omit=dev", "--ignore-scripts", ...platform], {})
        assert.strictEqual(yield* npm.exit, 0, npm.output())
      })
    )
  }
})
