import { afterAll, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import { fetch as braidFetch, type Options, type Update } from "braid-http"
import { once } from "node:events"
import { createServer, type IncomingHttpHeaders } from "node:http"
import { multiresponse } from "../../src/braid/Multiresponse.ts"
import { parseRequest, type RequestHeaders } from "../../src/braid/Request.ts"
import { blankLine, encodeUpdate } from "../../src/braid/Update.ts"
import { conversation } from "./updates.ts"

/** The headers of the last request, as Node gives them. */
let asked: IncomingHttpHeaders = {}

/** Answers every subscription with the same conversation, with heartbeats between its updates. */
const server = createServer((request, response) => {
  asked = request.headers
  const { status, statusText, headers } = multiresponse({ currentVersion: ["5", "é"] })
  response.writeHead(status, statusText, headers)
  response.write(blankLine)
  for (const update of conversation) {
    response.write(encodeUpdate(update).bytes)
    response.write(blankLine)
  }
  response.end(blankLine)
})

let url = ""

beforeAll(async () => {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  assert(address !== null && typeof address === "object")
  url = `http://127.0.0.1:${address.port}/`
})

afterAll(() => {
  server.close()
})

beforeEach(() => {
  braidFetch.set_fetch(globalThis.fetch)
})

/** All updates that the reference client reports until the server closes the connection. */
const subscribe = async (options: Options = {}): Promise<{ head: Response; updates: ReadonlyArray<Update> }> => {
  const head = await braidFetch(url, { subscribe: true, ...options })
  const updates: Array<Update> = []
  const error = await new Promise((resolve) => head.subscribe((update) => updates.push(update), resolve))
  assert.strictEqual(error, "Connection closed")
  return { head, updates }
}

const assertConversation = (updates: ReadonlyArray<Update>) => {
  assert.deepStrictEqual(
    updates.map(({ status, version, parents }) => ({ status, version, parents })),
    [
      { status: "200", version: ["3"], parents: [] },
      { status: "200", version: ["4"], parents: ["3"] },
      { status: "200", version: ["5", "é"], parents: ["4"] }
    ]
  )
  assert.deepStrictEqual(
    updates.map((update) => update.body_text),
    [`[{"id":"m1","text":"héllo"}]`, undefined, undefined]
  )
  assert.deepStrictEqual(
    updates.map((update) => update.patches?.map((patch) => [patch.unit, patch.range, patch.content_text])),
    [
      undefined,
      [["json", "[-0:-0]", String.raw`{"id":"m2","text":"yo 😀\r\nHTTP 200 OK"}`]],
      [
        ["json", `[?(@.id=="m1")].read`, "true"],
        ["json", "[1].read", ""]
      ]
    ]
  )
}

describe("The reference client, braid-http 1.3.80,", () => {
  it("reads our updates from a socket", async () => {
    const { head, updates } = await subscribe()
    assert.strictEqual(head.status, 209)
    assert.strictEqual(head.headers.get("current-version"), String.raw`"5", "\u00e9"`)
    assertConversation(updates)
  })

  it("reads our updates one byte at a time", async () => {
    braidFetch.set_fetch(async (input, init) => {
      const response = await globalThis.fetch(input, init)
      const byteByByte = new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          for (const byte of chunk) controller.enqueue(Uint8Array.of(byte))
        }
      })
      return new Response(response.body!.pipeThrough(byteByByte), response)
    })
    assertConversation((await subscribe()).updates)
  })

  it("sends requests that we understand", async () => {
    const understood = async (options: Options) => {
      const response = await braidFetch(url, options)
      await response.body?.cancel()
      const headers: RequestHeaders = Object.fromEntries(
        Object.entries(asked).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value])
      )
      return parseRequest(headers)
    }
    const parents = ["57", "zürich 😀", `"\\`, "a\r\nb"]
    assert.deepStrictEqual(await understood({ subscribe: true, parents, heartbeats: 20, peer: "x82ha" }), {
      _tag: "Parsed",
      value: { subscribe: true, version: undefined, parents, heartbeats: 20 }
    })
    assert.deepStrictEqual(await understood({ version: ["57"], parents: [] }), {
      _tag: "Parsed",
      value: { subscribe: false, version: ["57"], parents: [], heartbeats: undefined }
    })
  })
})
