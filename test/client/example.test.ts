import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"
import { TestDatabase } from "../../src/testing/index.ts"
import { type Page, twoPeople } from "../../src/conformance/Client.ts"
import { startProcess, startServer } from "../serverProcess.ts"

const binary = (name: string) => fileURLToPath(new URL(`../../node_modules/.bin/${name}`, import.meta.url))
const fromSource = "--conditions=xfchat-source"

const runtimes = {
  node: [binary("node"), fromSource],
  deno: [binary("deno"), "run", "--allow-net", "--allow-env", fromSource]
} as const

describe("examples/chat-terminal.ts", () => {
  for (const [name, command] of Object.entries(runtimes)) {
    it.live(
      `sends the lines that it reads and shows those that come, over a restart of the server: ${name}`,
      () =>
        Effect.gen(function* () {
          const { url } = yield* TestDatabase
          const server = yield* startServer("node", url)
          const { ada, conversation, grace, messages } = yield* Effect.promise(() => twoPeople({ url: server.baseUrl }))
          const terminal = (token: string | undefined, input?: string) =>
            startProcess(
              [...command, "examples/chat-terminal.ts"],
              {
                XFCHAT_URL: server.baseUrl,
                XFCHAT_TOKEN: token ?? "",
                XFCHAT_CONVERSATION: conversation.replace(/.*\//, "")
              },
              input
            )
          const listener = yield* terminal(grace.token)
          yield* listener.line(/^\(live\)$/m)
          const first = yield* terminal(ada.token, "one\ntwo\n")
          assert.strictEqual(yield* first.exit, 0, first.output())
          yield* listener.line(/^2 two$/m)
          yield* server.kill("SIGKILL")
          yield* listener.line(/^\(offline\)$/m)
          const second = yield* terminal(ada.token, "three\nfour\n")
          yield* startServer("node", url, { SERVER_PORT: server.port })
          assert.strictEqual(yield* second.exit, 0, second.output())
          yield* listener.line(/^4 four$/m)
          const { body } = yield* Effect.promise(() => ada.get<Page>(messages))
          assert.deepStrictEqual(
            body.messages.map(({ content }) => content),
            ["one", "two", "three", "four"]
          )
          const shown = listener.standardOutput().match(/^\d .*$/gm)
          assert.deepStrictEqual(shown && [...shown], ["1 one", "2 two", "3 three", "4 four"])
        }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer)),
      // Seven processes, one after the other.
      240_000
    )
  }
})
