import { assert } from "../Assert.ts"
import type { Subject } from "../Subject.ts"
import { randomUUID } from "node:crypto"
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib"
import { Client, Person, newConversation, type Conversation, type Problem } from "../Client.ts"

const mostBytes = 20_000

export const bodies: Subject = {
  name: "Request bodies",
  document: "docs/api.md",
  promises: {
    "a response names at most 20 errors and the number of others": async (server) => {
      const pair = await newConversation(server)
      const members = Object.fromEntries(Array.from({ length: 700 }, (_, index) => [`m${index}`, index]))
      const bodies: ReadonlyArray<readonly [method: string, path: string, json: unknown, omitted: number]> = [
        ["POST", "/api/auth/signup", members, 680],
        ["PUT", `${pair.messages}/${randomUUID()}`, { content: "Hello", ...members }, 680],
        ["POST", "/api/conversations", { participantIds: Array.from({ length: 999 }, () => "x") }, 979]
      ]
      for (const [method, path, json, omitted] of bodies) {
        const answer = await pair.ada.request<Problem & { omittedErrors: number }>(method, path, { json })
        assert.strictEqual(answer.status, 422, path)
        assert.strictEqual(answer.body.errors?.length, 20, path)
        assert.isAtLeast(answer.body.omittedErrors, omitted, path)
        assert.isBelow(answer.text.length, mostBytes)
      }
    },

    "a long name of an unknown member is cut in the response": async (server) => {
      const pair = await newConversation(server)
      const answer = await pair.ada.put(`${pair.messages}/${randomUUID()}`, {
        content: "Hello",
        ["n".repeat(200_000)]: 1
      })
      assert.strictEqual(answer.status, 422)
      assert.isBelow(answer.text.length, 1_000)
    },

    "a list that is too long is one error, whatever is in it": async (server) => {
      const pair = await newConversation(server)
      const answer = await pair.ada.post("/api/conversations", {
        participantIds: Array.from({ length: 9_000 }, () => "x")
      })
      assert.strictEqual(answer.status, 422)
      assert.deepStrictEqual(answer.body.errors, [
        { path: ["payload", "participantIds"], message: "must have at most 999 items" }
      ])
    },

    "a body larger than its route takes is 413, with and without an account": async (server) => {
      const padding = " ".repeat(470_000)
      const nobodys = new Client(server)
      const { ada, conversation, messages } = await newConversation(server)
      const bodies: ReadonlyArray<readonly [Client, string, string, string]> = [
        [nobodys, "POST", "/api/auth/signup", `{"username":"ada"${padding}}`],
        [nobodys, "POST", "/api/auth/login", `{"login":"ada"${padding}}`],
        [ada, "POST", `${conversation}/typing`, `{"isTyping":true${padding}}`],
        [ada, "PUT", `${conversation}/receipt`, `{"readSeq":1${padding}}`],
        [ada, "PUT", `${messages}/${randomUUID()}`, `{"content":"Hello"${padding}${padding}}`],
        [ada, "POST", "/api/conversations", `{"participantIds":[]${padding}${padding}}`]
      ]
      for (const [client, method, path, body] of bodies) {
        const answer = await client.request(method, path, { body })
        assert.deepStrictEqual([answer.status, answer.body.type], [413, "PayloadTooLarge"], path)
      }
    },

    "the longest message is accepted in its longest encoding": async (server) => {
      const pair = await newConversation(server)
      const content = "\\u0001".repeat(65_536)
      const answer = await pair.ada.request<unknown>("PUT", `${pair.messages}/${randomUUID()}`, {
        body: `{\n  "content": "${content}"\n}\n`
      })
      assert.strictEqual(answer.status, 201)
    },

    "a route that needs no body takes none, whatever the Content-Type": async (server) => {
      const { ada, conversation, grace } = await newConversation(server)
      const eve = await Person.signUp(server)
      const group = await ada.post<Conversation>("/api/conversations", { participantIds: [grace.id] })
      assert.strictEqual((await ada.put(`/api/conversations/direct/${eve.id}`)).status, 201)
      const headers: ReadonlyArray<Record<string, string>> = [
        {},
        { "content-type": "application/json" },
        { "content-type": "application/x-www-form-urlencoded" }
      ]
      for (const given of headers) {
        const ask = async (method: string, path: string) => (await ada.request(method, path, { headers: given })).status
        assert.strictEqual(await ask("POST", `${conversation}/typing`), 204)
        assert.strictEqual(await ask("PUT", `${conversation}/receipt`), 204)
        assert.strictEqual(await ask("PUT", `/api/conversations/${group.body.id}/participants/${grace.id}`), 204)
        assert.strictEqual(await ask("PATCH", `/api/conversations/${group.body.id}`), 200)
        assert.strictEqual(await ask("PATCH", "/api/auth/me"), 200)
      }
      const chunked = await ada.request("POST", `${conversation}/typing`, { body: new Blob([]).stream() })
      assert.strictEqual(chunked.status, 204)
    },

    "a compressed body is 415, and the response says how to send it": async (server) => {
      const { ada, messages } = await newConversation(server)
      const json = JSON.stringify({ content: "Hello" })
      const bodies: ReadonlyArray<readonly [encoding: string, body: Uint8Array<ArrayBuffer>]> = [
        ["gzip", new Uint8Array(gzipSync(json))],
        ["br", new Uint8Array(brotliCompressSync(json))],
        ["deflate", new Uint8Array(deflateSync(json))],
        ["br", new TextEncoder().encode(json)],
        ["gzip, identity", new TextEncoder().encode(json)]
      ]
      for (const [encoding, body] of bodies) {
        const path = `${messages}/${randomUUID()}`
        const answer = await ada.request("PUT", path, { body, headers: { "content-encoding": encoding } })
        assert.deepStrictEqual([answer.status, answer.body.type], [415, "UnsupportedMediaType"], encoding)
        assert.strictEqual(answer.headers.get("accept-encoding"), "identity")
        assert.strictEqual((await ada.get(path)).status, 404)
      }
      const plain = await ada.put(
        `${messages}/${randomUUID()}`,
        { content: "Hello" },
        { "content-encoding": "identity" }
      )
      assert.strictEqual(plain.status, 201)
    }
  }
}
