import type { Message } from "../../src/client/operations.ts"

interface Asked {
  readonly method: string
  readonly path: string
  readonly body: unknown
  readonly token: string
}

/** A fault of one request: another response, or no answer at all, before or after the server carries the request out. */
export type Fault = Response | "cut" | "lost"

export const problem = (status: number, type: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ type, title: type, status }), {
    status,
    headers: { "content-type": "application/problem+json", ...headers }
  })

const json = (value: unknown, status = 200) =>
  new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json" } })

const encoder = new TextEncoder()

/** A text as the server sends it before anybody has reacted to it. */
export const messageOf = ({ seq, ...given }: Pick<Message, "id" | "seq" | "senderId" | "content">): Message => ({
  ...given,
  conversationId: "conversation",
  seq,
  version: seq,
  messageType: "text",
  replyTo: null,
  mentions: [],
  reactions: [],
  createdAt: "2026-11-27T00:00:00Z",
  editedAt: null,
  deletedAt: null,
  isDelivered: false,
  isRead: false
})

/** A server of one conversation, without a socket. A test chooses the fault of each request. */
export class FakeServer {
  account = "ada"
  tokens = new Set(["token"])
  readonly asked: Array<Asked> = []
  readonly messages: Array<Message> = []
  readonly #streams = new Set<ReadableStreamDefaultController<Uint8Array>>()
  /** Chooses the fault of a request, or none. */
  fault: (asked: Asked) => Fault | undefined | Promise<Fault | undefined> = () => undefined

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { pathname, searchParams } = new URL(url)
    const headers = new Headers(init.headers)
    // As a server that takes one message at a time.
    if (headers.get("content-type") === "application/x-ndjson") return problem(405, "MethodNotAllowed")
    const asked: Asked = {
      method: init.method ?? "GET",
      path: pathname,
      body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
      token: headers.get("authorization")?.replace("Bearer ", "") ?? ""
    }
    this.asked.push(asked)
    init.signal?.throwIfAborted()
    const aborted = new Promise<never>((_, reject) =>
      init.signal?.addEventListener("abort", () => reject(init.signal?.reason))
    )
    aborted.catch(() => {})
    const fault = await Promise.race([this.fault(asked), aborted])
    if (fault instanceof Response) return fault
    if (fault === "cut") throw new TypeError("fetch failed")
    if (!this.tokens.has(asked.token)) return problem(401, "Unauthorized")
    const response = this.#answer(asked, headers, searchParams.get("after"), init.signal ?? undefined)
    if (fault === "lost") throw new TypeError("fetch failed")
    return response
  }

  #answer({ body, method, path }: Asked, headers: Headers, after: string | null, signal?: AbortSignal): Response {
    if (path === "/api/auth/me") return json({ id: this.account })
    const [, id] = /\/messages\/([^/]+)$/.exec(path) ?? []
    if (method === "PUT" && id !== undefined) {
      const known = this.messages.find((message) => message.id === id)
      return known === undefined ? json(this.post(id, (body as { content: string }).content), 201) : json(known)
    }
    if (!path.endsWith("/messages") || headers.get("accept") !== "application/x-ndjson") return problem(404, "NotFound")
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#streams.add(controller)
        signal?.addEventListener("abort", () => {
          if (this.#streams.delete(controller)) controller.error(signal.reason)
        })
        controller.enqueue(encoder.encode("{}\n"))
        const { length } = this.messages
        const page = { messages: this.messages, receipts: [], before: null, after: null }
        const updates =
          after === null
            ? [{ version: String(length), snapshot: page }]
            : this.messages.slice(Number(after)).map((message) => ({ version: String(message.seq), message }))
        for (const update of updates) controller.enqueue(encoder.encode(`${JSON.stringify(update)}\n`))
      }
    })
    return new Response(stream)
  }

  /** Stores a message and sends it to all streams. */
  post(id: string, content: string): Message {
    const seq = this.messages.length + 1
    const message = messageOf({ id, seq, senderId: "ada", content })
    this.messages.push(message)
    const line = encoder.encode(`${JSON.stringify({ version: String(seq), message })}\n`)
    for (const stream of this.#streams) stream.enqueue(line)
    return message
  }

  /** Breaks all streams. */
  cut(): void {
    for (const stream of this.#streams) stream.error(new TypeError("terminated"))
    this.#streams.clear()
  }

  /** The contents of all send requests. */
  get sends(): ReadonlyArray<string> {
    return this.asked.filter(({ method }) => method === "PUT").map(({ body }) => (body as { content: string }).content)
  }
}
