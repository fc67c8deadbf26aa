import { assert } from "../Assert.ts"
import { each, type Subject } from "../Subject.ts"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { newConversation, type Message, type Page } from "../Client.ts"
import { connect, requestHead, sendAndEnd } from "../Connection.ts"
import { subscribe } from "../Stream.ts"

const body = JSON.stringify({ content: "cut off" })
const json = { "content-type": "application/json" }

export const writes: Subject = {
  name: "Writes",
  document: "docs/api.md",
  promises: {
    "a request that is cut off writes nothing": each(
      [
        ["in the middle of its body", { "content-length": `${body.length}` }, body.slice(0, -5)],
        ["before its body", { "content-length": `${body.length}` }, ""],
        ["after JSON that is whole, in a body that is not", { "content-length": `${body.length + 1}` }, body],
        ["before its last chunk", { "transfer-encoding": "chunked" }, `${body.length.toString(16)}\r\n${body}\r\n`],
        ["in the middle of a chunk", { "transfer-encoding": "chunked" }, `ff\r\n${body}`]
      ] as const,
      async (server, [, headers, sent]) => {
        const { ada, grace, messages } = await newConversation(server)
        await using stream = await subscribe(grace, messages)
        await stream.snapshot()
        const id = randomUUID()
        const path = `${messages}/${id}`
        const head = requestHead(server, "PUT", path, { ...ada.authorization, ...json, ...headers })
        const answer = await sendAndEnd(await connect(server), head + sent)
        assert.match(answer, /^(HTTP\/1\.1 4\d\d |$)/)
        assert.strictEqual((await ada.get(path)).status, 404)

        const whole = await ada.put<Message>(path, { content: "whole" })
        assert.strictEqual(whole.status, 201)
        assert.deepStrictEqual(await stream.appendsAfter(0, 1), [whole.body])
      }
    ),

    "a sender that gave up on the response sends again, and has sent once": async (server) => {
      const { ada, messages } = await newConversation(server)
      const paths = Array.from({ length: 10 }, () => `${messages}/${randomUUID()}`)
      for (const path of paths) {
        const headers = { ...ada.authorization, ...json, "content-length": `${body.length}` }
        const socket = await connect(server)
        socket.end(requestHead(server, "PUT", path, headers) + body)
        await once(socket, "finish")
        socket.destroy()
      }
      for (const path of paths) {
        const again = await ada.put<Message>(path, { content: "cut off" })
        assert.include([200, 201], again.status)
      }
      const { body: page } = await ada.get<Page>(messages)
      assert.deepStrictEqual(
        page.messages.map(({ seq }) => seq),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
      )
      assert.sameMembers(
        page.messages.map(({ id }) => `${messages}/${id}`),
        paths
      )
    },

    "a part of a message is never taken for the whole, and is 415": each(
      [
        ["Content-Range", { "content-range": "json .content" }],
        ["Patches", { patches: "2" }]
      ] as const,
      async (server, [, headers]) => {
        const { ada, conversation, messages } = await newConversation(server)
        const { id } = await ada.send(conversation, "whole")
        for (const path of [`${messages}/${id}`, `${messages}/${randomUUID()}`]) {
          const answer = await ada.put(path, { content: "part" }, headers)
          assert.strictEqual(answer.status, 415)
          assert.strictEqual(answer.body.type, "UnsupportedMediaType")
        }
        const { body } = await ada.get<Page>(messages)
        assert.deepStrictEqual(
          body.messages.map(({ content }) => content),
          ["whole"]
        )
      }
    ),

    "a malformed `Version` or `Parents` is 400, and writes nothing": async (server) => {
      const { ada, messages } = await newConversation(server)
      for (const header of ["version", "parents"]) {
        const answer = await ada.put(`${messages}/${randomUUID()}`, { content: "Hello" }, { [header]: "abc" })
        assert.strictEqual(answer.status, 400)
        assert.strictEqual(answer.body.type, "MalformedRequest")
      }
      assert.deepStrictEqual((await ada.get<Page>(messages)).body.messages, [])
    },

    "an acknowledged write is visible to everybody at once": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      for (let seq = 1; seq <= 20; seq++) {
        const { id } = await ada.send(conversation, `number ${seq}`)
        const page = await grace.get<Page>(`${messages}?limit=1`)
        assert.strictEqual(page.headers.get("version"), `"${seq}"`)
        assert.strictEqual(page.body.messages[0]?.id, id)
      }
    }
  }
}
