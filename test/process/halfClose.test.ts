import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import { TestDatabase } from "../../src/testing/index.ts"
import { nobody, password, twoPeople } from "../../src/conformance/Client.ts"
import { connect, requestHead, sendAndEnd } from "../../src/conformance/Connection.ts"
import type { Server } from "../../src/conformance/Server.ts"
import { startServer, type Runtime } from "../serverProcess.ts"

const runtimes: ReadonlyArray<Runtime> = ["node", "deno"]

/** A request with JSON, as bytes. */
const withBody = (
  server: Server,
  method: string,
  path: string,
  json: unknown,
  headers: Readonly<Record<string, string>> = {}
) => {
  const body = JSON.stringify(json)
  const head = { ...headers, "content-type": "application/json", "content-length": String(body.length) }
  return requestHead(server, method, path, head) + body
}

describe.each(runtimes)("A client that closes its sending side after the request, on %s,", (runtime) => {
  const promises = (body: (server: Server) => Promise<void>) =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const { baseUrl } = yield* startServer(runtime, url)
      yield* Effect.promise(() => body({ url: baseUrl }))
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))

  it.live("gets its answers, pipelined ones in order", () =>
    promises(async (server) => {
      const { ada, messages } = await twoPeople(server)
      const send = async (bytes: string) => sendAndEnd(await connect(server), bytes)
      const path = `${messages}/${randomUUID()}`
      const sent = await send(withBody(server, "PUT", path, { content: "Hello" }, ada.authorization))
      assert.match(sent, /^HTTP\/1\.1 201 /)
      // A password takes its time: the connection is half closed long before the answer.
      const login = { login: ada.user.username, password }
      assert.match(await send(withBody(server, "POST", "/api/auth/login", login)), /^HTTP\/1\.1 200 /)
      const missing = requestHead(server, "GET", `/api/conversations/${nobody}`, ada.authorization)
      assert.match(await send(missing), /^HTTP\/1\.1 404 /)
      const asked = ["/api/auth/me", "/api/nowhere", "/api/inbox"].map((other) =>
        requestHead(server, "GET", other, ada.authorization)
      )
      const answers = await send(asked.join(""))
      assert.deepStrictEqual(answers.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 404", "HTTP/1.1 200"])
    })
  )

  it.live("receives its stream, which ends when it disconnects", () =>
    promises(async (server) => {
      const { ada, conversation, grace, messages } = await twoPeople(server)
      const socket = (await connect(server)).setEncoding("utf8")
      let text = ""
      const until = (part: string) =>
        new Promise<void>((resolve, reject) => {
          const look = () => text.includes(part) && resolve()
          socket.on("data", look).on("close", () => reject(new Error(`Closed after ${text}`)))
          look()
        })
      socket.on("data", (chunk: string) => (text += chunk))
      socket.end(requestHead(server, "GET", messages, { ...grace.authorization, accept: "application/x-ndjson" }))
      await until("snapshot")
      await ada.send(conversation, "after the end")
      await until("after the end")
      const open = async () => {
        const metrics = await (await fetch(`${server.url}/metrics`)).text()
        return /^xfchat_streams_open (\d+)$/m.exec(metrics)?.[1]
      }
      assert.strictEqual(await open(), "1")
      socket.destroy()
      while ((await open()) !== "0") continue
    })
  )
})
