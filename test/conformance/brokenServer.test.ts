import { assert, describe, inject, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer, request } from "node:http"
import type { AddressInfo } from "node:net"
import { Report, run } from "../../src/conformance/index.ts"

/** The changes that a proxy makes to the answers that pass through it. */
interface Fault {
  readonly status?: (method: string, path: string, status: number) => number
  /** The new bytes of a piece of a body. */
  readonly body?: (text: string) => string
  /** Whether a request gets no answer. */
  readonly hangs?: (path: string) => boolean
}

const openProxy = async (target: string, { body = (text) => text, hangs, status }: Fault) => {
  const proxy = createServer((incoming, outgoing) => {
    const { headers, method = "", url = "" } = incoming
    if (hangs?.(url) === true) return
    const asked = request(target + url, { method, headers }, (answer) => {
      const { "content-length": _, ...others } = answer.headers
      const given = answer.statusCode ?? 0
      outgoing.writeHead(status?.(method, url, given) ?? given, others)
      answer.setEncoding("utf8").on("data", (text: string) => outgoing.write(body(text)))
      answer.on("end", () => outgoing.end())
      answer.on("error", () => outgoing.destroy())
    })
    incoming.pipe(asked)
    asked.on("error", () => outgoing.destroy())
    outgoing.on("close", () => asked.destroy())
  }).listen(0, "127.0.0.1")
  await once(proxy, "listening")
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      proxy.closeAllConnections()
      proxy.close()
    }
  }
}

/** Changes the third message that is appended to a Braid stream. */
const thirdAppend =
  (change: (update: string) => string) =>
  (text: string): string => {
    const head =
      /HTTP 200 OK\r\nVersion: "3"\r\n(?:[\w-]+: .*\r\n)*?Content-Range: .*\r\nContent-Length: (\d+)\r\n\r\n/.exec(text)
    if (head === null) return text
    const end = head.index + head[0].length + Number(head[1]) + "\r\n\r\n".length
    return text.slice(0, head.index) + change(text.slice(head.index, end)) + text.slice(end)
  }

const inOrder = "both receive every message once and in order, including their own"

describe("A server that breaks a promise", () => {
  const url = inject("sharedServers")["node"] ?? assert.fail("no server")

  const reportOn = async (fault: Fault, only: string) => {
    await using proxy = await openProxy(url, fault)
    const report = new Report()
    const lines: Array<string> = []
    for await (const outcome of run({ url: `${proxy.url}/`, only, timeoutSeconds: 20 }))
      lines.push(...report.add(outcome))
    return { text: lines.join("\n"), report }
  }

  it("is told from one that keeps it", async () => {
    const { report, text } = await reportOn({}, inOrder)
    assert.strictEqual(text, `Subscriptions (docs/streaming.md)\n  pass  ${inOrder}`)
    assert.match(report.summary, /^1 promise: 1 kept, 0 broken, in \d+ s$/)
  })

  it.each([
    ["drops", () => "", 4],
    ["doubles", (update: string) => update + update, 3]
  ] as const)("%s one message of a stream", async (_, change, came) => {
    const { report, text } = await reportOn({ body: thirdAppend(change) }, inOrder)
    assert.strictEqual(report.failed, 1)
    assert.include(text, `  FAIL  ${inOrder}`)
    // The message that came instead of the right one, by its position.
    const expected = came === 4 ? 3 : 4
    assert.match(text, new RegExp(`expected: ${expected}\\n +came: +${came}\\n`))
    assert.match(text, /asked last:\n[^]*\/api\/conversations\/[\w-]+\/messages/)
  })

  it("answers 200 in place of 201", async () => {
    const status = (method: string, path: string, given: number) =>
      method === "PUT" && path.includes("/messages/") && given === 201 ? 200 : given
    const { report, text } = await reportOn({ status }, "an acknowledged write is visible")
    assert.strictEqual(report.failed, 1)
    assert.match(text, /expected: 201\n +came: +200\n/)
    assert.match(text, /PUT \/api\/conversations\/\S+ \{"content":"number 1"\}\n +→ 200\n/)
    const { promises } = JSON.parse(report.json(url)) as {
      readonly promises: ReadonlyArray<{ readonly failure: { readonly expected: unknown; readonly actual: unknown } }>
    }
    assert.deepInclude(promises[0]?.failure, { expected: 201, actual: 200 })
  })

  it("answers with a member that the document does not know", async () => {
    const body = (text: string) => text.replace('"head":', '"length":0,"head":')
    const { text } = await reportOn({ body }, "an acknowledged write is visible")
    assert.match(text, /differs from the OpenAPI document: the body has length, which the document does not know/)
  })

  it("does not answer at all", async () => {
    await using proxy = await openProxy(url, { hangs: (path) => path.endsWith("/sessions") })
    const failures = []
    for await (const { failure } of run({ url: proxy.url, only: "can end themselves", timeoutSeconds: 2 })) {
      failures.push(failure)
    }
    assert.deepStrictEqual(
      failures.map((failure) => failure?.message),
      ["it was not kept within 2 s"]
    )
    assert.strictEqual(failures[0]?.trace.at(-1), "GET /api/auth/sessions")
  })
})
