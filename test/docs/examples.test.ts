import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { spawnSync } from "node:child_process"
import { glob, readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { TestDatabase } from "../../src/testing/index.ts"
import { twoPeople } from "../../src/conformance/Client.ts"
import { startProcess, startServer } from "../serverProcess.ts"

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

const root = fileURLToPath(new URL("../../", import.meta.url))
const node = `${root}node_modules/.bin/node`
const deno = `${root}node_modules/.bin/deno`
/** Examples import `xfchat`, which is the source here. */
const fromSource = "--conditions=xfchat-source"

const hasPython = spawnSync("python3", ["--version"]).status === 0

const followers: ReadonlyArray<readonly [string, ...ReadonlyArray<string>]> = [
  [node, "examples/subscribe.js"],
  [deno, "run", "--allow-net", "--allow-env", "examples/subscribe.js"],
  [deno, "run", "--allow-net", "--allow-env", "examples/subscribe-deno.js"],
  [node, "examples/subscribe-braid.js"],
  ...(hasPython ? [["python3", "examples/poll.py"] as const] : [])
]

describe("the examples that follow a conversation", () => {
  for (const command of followers) {
    const name = command.map((part) => part.replace(/.*\//, "")).join(" ")
    it.live(`show each message once, even those written while they are disconnected: ${name}`, () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const server = yield* startServer("node", url)
        const { conversation, grace, ada } = yield* Effect.promise(() => twoPeople({ url: server.baseUrl }))
        const send = (content: string) => Effect.promise(() => grace.send(conversation, content))
        yield* send("before")

        const follower = yield* startProcess(command, {
          XFCHAT_MESSAGES: `${server.baseUrl}${conversation}/messages`,
          XFCHAT_TOKEN: ada.token ?? ""
        })
        yield* follower.line(/^\d+ before$/m)
        yield* send("here")
        yield* follower.line(/^\d+ here$/m)

        yield* server.kill("SIGTERM")
        yield* server.exit
        yield* startServer("node", url, { SERVER_PORT: server.port })
        yield* send("away")
        yield* follower.line(/^\d+ away$/m)
        yield* send("back")
        yield* follower.line(/^\d+ back$/m)
        // The reference client also prints a line when it reconnects.
        const shown = follower
          .standardOutput()
          .split("\n")
          .filter((line) => /^\d+ /.test(line))
        assert.deepStrictEqual(
          shown.map((line) => line.split(" ")[1]),
          ["before", "here", "away", "back"]
        )
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }

  for (const command of followers.filter((command) => !command.includes("examples/subscribe-braid.js"))) {
    const name = command.map((part) => part.replace(/.*\//, "")).join(" ")
    it.live(`end with the session: ${name}`, () =>
      Effect.gen(function* () {
        const server = yield* startServer("node", (yield* TestDatabase).url)
        const { conversation, ada, grace } = yield* Effect.promise(() => twoPeople({ url: server.baseUrl }))
        yield* Effect.promise(() => grace.send(conversation, "before"))
        const follower = yield* startProcess(command, {
          XFCHAT_MESSAGES: `${server.baseUrl}${conversation}/messages`,
          XFCHAT_TOKEN: ada.token ?? ""
        })
        yield* follower.line(/before/)
        yield* Effect.promise(() => ada.post("/api/auth/logout"))
        yield* follower.line(/^The server says 401\.?/m)
        assert.strictEqual(yield* follower.exit, 0)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }
})

describe("the other examples", () => {
  it.live("the tour: two people chat by curl", () =>
    Effect.gen(function* () {
      const server = yield* startServer("node", (yield* TestDatabase).url)
      const tour = yield* startProcess(["bash", "examples/tour.sh"], { XFCHAT_API: `${server.baseUrl}/api` })
      // In Ada's stream, in Grace's answer, and in Ada's stream after she resumes.
      yield* tour.exit
      assert.match(tour.standardOutput(), /Content-Range: json \.messages\[-0:-0\]/i)
      assert.lengthOf(tour.standardOutput().match(/"content":"Hello, Ada"/g) ?? [], 3)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("each encoding by curl: what has come since version 1, in all four", () =>
    Effect.gen(function* () {
      const server = yield* startServer("node", (yield* TestDatabase).url)
      const { conversation, grace, ada } = yield* Effect.promise(() => twoPeople({ url: server.baseUrl }))
      for (const content of ["one", "two"]) yield* Effect.promise(() => grace.send(conversation, content))
      const text = yield* Effect.promise(() => readFile(`${root}docs/streaming.md`, "utf8"))
      const [, lines = ""] = /^## curl\n\n```sh\n([^]*?)^```$/m.exec(text) ?? []
      // A stream has no end of its own.
      const curl = `curl() { command curl -s --max-time 2 "$@"; echo; }\n`
      const shown = yield* startProcess(["bash", "-c", curl + lines.replace("http://localhost:3000", server.baseUrl)], {
        ID: conversation.replace(/.*\//, ""),
        TOKEN: ada.token ?? ""
      })
      yield* shown.exit
      assert.lengthOf(shown.standardOutput().match(/"content":"two"/g) ?? [], 4)
      assert.lengthOf(shown.standardOutput().match(/"content":"one"/g) ?? [], 1)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("a client that is derived from the contract sends a message", () =>
    Effect.gen(function* () {
      const server = yield* startServer("node", (yield* TestDatabase).url)
      const client = yield* startProcess([node, fromSource, "examples/client.ts"], { XFCHAT_URL: server.baseUrl })
      yield* client.line(/^Message 1 of conversation /m)
      assert.strictEqual(yield* client.exit, 0)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("a program fills a database by the services alone, another one serves it with a route of its own", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const environment = { DATABASE_URL: Redacted.value(url), SERVER_PORT: "0" }
      const seed = yield* startProcess([node, fromSource, "examples/seed.ts"], environment)
      yield* seed.line(/^Message 1 of conversation /m)
      assert.strictEqual(yield* seed.exit, 0)

      const server = yield* startProcess([node, fromSource, "examples/serve.ts"], {
        ...environment,
        RATE_LIMIT_AUTHENTICATION: "1"
      })
      const [, port] = yield* server.line(/^Serving on .*:(\d+)$/m)
      const api = `http://127.0.0.1:${port}`
      yield* Effect.promise(async () => {
        assert.deepStrictEqual(await (await fetch(`${api}/statistics`)).json(), { users: 2 })
        for (const login of ["ada", "grace"]) {
          const answer = await fetch(`${api}/api/auth/login`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ login, password: "correct horse" })
          })
          assert.strictEqual(answer.status, 200)
        }
      })
      yield* server.kill("SIGTERM")
      yield* server.exit
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})

describe("a code block after <!-- path --> in a document", () => {
  it("is that file, and every example has one", async () => {
    const shown = new Set<string>()
    for await (const document of glob(["*.md", "docs/*.md"], { cwd: root })) {
      const text = await readFile(root + document, "utf8")
      for (const [, path = "", code] of text.matchAll(/^<!-- (\S+) -->\n```\w*\n([^]*?)^```$/gm)) {
        assert.strictEqual(code, await readFile(root + path, "utf8"), `${path} in ${document}`)
        shown.add(path)
      }
    }
    for await (const path of glob("examples/*", { cwd: root }))
      assert.isTrue(shown.has(path), `${path} is shown nowhere`)
  })
})
