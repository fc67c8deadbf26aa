import { assert, describe, it } from "@effect/vitest"
import {
  type ClientOptions,
  type LiveConversation,
  ConnectionError,
  createClient,
  memoryStorage,
  ProblemError,
  problemOf,
  type Storage
} from "../../src/client/index.ts"
import { FakeServer, problem } from "./fakeServer.ts"

const clientOf = (server: FakeServer, options: Partial<ClientOptions> = {}) => {
  const client = createClient({ url: "http://fake.test/", token: () => "token", fetch: server.fetch, ...options })
  return { client, conversation: client.conversation("conversation") }
}

/** Waits until a store's value passes. */
const until = <S>(
  store: { readonly subscribe: (listener: () => void) => () => void; readonly getSnapshot: () => S },
  passes: (snapshot: S) => boolean
): Promise<S> =>
  new Promise((resolve) => {
    const check = () => {
      const snapshot = store.getSnapshot()
      if (!passes(snapshot)) return
      // The first listener call may come before `stop` has a value.
      queueMicrotask(() => stop())
      resolve(snapshot)
    }
    const stop = store.subscribe(check)
    check()
  })

/** The contents that a view shows, in its order. */
const shown = (conversation: LiveConversation) => {
  const { messages, outgoing } = conversation.getSnapshot()
  return [
    ...messages.map(({ content }) => content),
    ...outgoing.map(({ draft, status }) => `${String(draft.content)} (${status})`)
  ]
}

const isSend = ({ method }: { readonly method: string }) => method === "PUT"

describe("the outbox", () => {
  it("shows a message at once, and as sent in the very step in which it stops being on its way", async () => {
    const server = new FakeServer()
    const { client, conversation } = clientOf(server)
    await using _ = client
    await until(conversation, ({ state }) => state === "live")
    const seen: Array<ReadonlyArray<unknown>> = []
    conversation.subscribe(() => seen.push(shown(conversation)))
    const { sent } = conversation.send("one")
    assert.deepStrictEqual(shown(conversation), ["one (pending)"])
    assert.strictEqual((await sent).content, "one")
    await until(conversation, ({ outgoing }) => outgoing.length === 0)
    for (const state of seen) assert.lengthOf(state, 1)
    assert.deepStrictEqual(shown(conversation), ["one"])
  })

  it("lets no message overtake an earlier one that may still arrive, and repeats with the same id", async () => {
    const server = new FakeServer()
    const faults = ["cut", "lost", problem(503, "ServerBusy", { "retry-after": "0" }), problem(408, "RequestTimeout")]
    server.fault = (asked) => (isSend(asked) ? (faults.shift() as "cut") : undefined)
    const { client, conversation } = clientOf(server)
    await using _ = client
    const sendings = ["one", "two", "three"].map((content) => conversation.send(content))
    await Promise.all(sendings.map(({ sent }) => sent))
    assert.deepStrictEqual(server.sends, ["one", "one", "one", "one", "one", "two", "three"])
    assert.deepStrictEqual(
      server.messages.map(({ id }) => id),
      sendings.map(({ id }) => id)
    )
    assert.deepStrictEqual(shown(conversation), ["one", "two", "three"])
  })

  it("stops a message that is refused and no other, until it is changed, sent again or discarded", async () => {
    const server = new FakeServer()
    server.fault = (asked) =>
      isSend(asked) && /bad/.test(JSON.stringify(asked.body)) ? problem(422, "ValidationFailed") : undefined
    const { client, conversation } = clientOf(server)
    await using _ = client
    const [bad, worse, good] = [conversation.send("bad"), conversation.send("too bad"), conversation.send("good")]
    const error: unknown = await bad.sent.catch((error: unknown) => error)
    assert(error instanceof ProblemError)
    assert.strictEqual(problemOf(client.api.messages.send, error)?.type, "ValidationFailed")
    await good.sent
    assert.deepStrictEqual(shown(conversation), ["good", "bad (failed)", "too bad (failed)"])
    assert.strictEqual(conversation.getSnapshot().outgoing[0]?.problem?.type, "ValidationFailed")

    const again = conversation.resend(bad.id, { content: "better" })
    assert.strictEqual(again.id, bad.id)
    await again.sent
    await conversation.discard(worse.id)
    assert.deepStrictEqual(shown(conversation), ["good", "better"])
  })

  it("takes a message for sent when the stream brings it, though no answer comes", async () => {
    const server = new FakeServer()
    const { client, conversation } = clientOf(server)
    await using _ = client
    await until(conversation, ({ state }) => state === "live")
    const asked = new Promise<void>((resolve) => {
      server.fault = (asked) => {
        if (!isSend(asked)) return undefined
        resolve()
        return new Promise(() => {})
      }
    })
    const { id, sent } = conversation.send("one")
    const next = conversation.send("two")
    await asked
    server.post(id, "one")
    assert.strictEqual((await sent).seq, 1)
    server.fault = () => undefined
    server.post(next.id, "two")
    await next.sent
    assert.deepStrictEqual(shown(conversation), ["one", "two"])
  })

  it("keeps a message that its answer has brought, though a snapshot from before it comes later", async () => {
    const server = new FakeServer()
    const encoder = new TextEncoder()
    let stream: ReadableStreamDefaultController<Uint8Array> | undefined
    const tell = (update: unknown) => stream?.enqueue(encoder.encode(`${JSON.stringify(update)}\n`))
    server.fault = (asked) => {
      if (isSend(asked) || !asked.path.endsWith("/messages")) return undefined
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          stream = controller
          tell({})
        }
      })
      return new Response(body)
    }
    const { client, conversation } = clientOf(server)
    await using _ = client
    await until(conversation, ({ state }) => state === "live")
    await conversation.send("one").sent
    tell({ version: "0", snapshot: { messages: [], receipts: [], before: null, after: null } })
    await until(conversation, ({ isLoaded }) => isLoaded)
    assert.deepStrictEqual(shown(conversation), ["one"])
    tell({ version: "1", message: server.messages[0] })
    tell({ version: "2", message: { ...server.messages[0], version: 2, content: "edited" } })
    await until(conversation, ({ messages }) => messages[0]?.version === 2)
    assert.deepStrictEqual(shown(conversation), ["edited"])
  })

  it("goes on with what an earlier run has left, in its order, though the clock was set back", async () => {
    const server = new FakeServer()
    const storage = memoryStorage()
    server.fault = (asked) => (isSend(asked) ? "cut" : undefined)
    const before = clientOf(server, { storage })
    await Promise.all(["one", "two"].map((content) => before.conversation.send(content).stored))
    await before.client.close()

    server.fault = () => undefined
    const after = clientOf(server, { storage })
    await using _ = after.client
    const { sent } = after.conversation.send("three")
    await sent
    assert.deepStrictEqual(
      server.messages.map(({ content }) => content),
      ["one", "two", "three"]
    )
    assert.deepStrictEqual(await storage.read("outbox/"), [])
    assert.deepStrictEqual(shown(after.conversation), ["one", "two", "three"])
  })

  it("sends nothing in the name of another account", async () => {
    const server = new FakeServer()
    const storage = memoryStorage()
    const before = clientOf(server, { storage })
    await before.conversation.send("from Ada").sent
    server.fault = (asked) => (isSend(asked) ? "cut" : undefined)
    await before.conversation.send("from Ada, too").stored
    await before.client.close()

    server.fault = () => undefined
    server.account = "grace"
    const after = clientOf(server, { storage })
    await using _ = after.client
    await until(after.conversation, ({ state }) => state === "live")
    assert.deepStrictEqual(
      server.messages.map(({ content }) => content),
      ["from Ada"]
    )
    assert.deepStrictEqual(await storage.read("outbox/"), [])
    assert.deepStrictEqual((await storage.read("account"))[0]?.[1], "grace")
  })

  it("sends what it was given before it knew that its storage belongs to another account", async () => {
    const server = new FakeServer()
    const storage = memoryStorage()
    const before = clientOf(server, { storage })
    await before.conversation.send("from Ada").sent
    server.fault = (asked) => (isSend(asked) ? "cut" : undefined)
    await before.conversation.send("from Ada, too").stored
    await before.client.close()

    server.fault = () => undefined
    server.account = "grace"
    const after = clientOf(server, { storage })
    await using _ = after.client
    const sendings = ["one", "two"].map((content) => after.conversation.send(content))
    const late = after.conversation.loaded.then(() => after.conversation.send("three").sent)
    await Promise.all([...sendings.map(({ sent }) => sent), late])
    assert.deepStrictEqual(
      server.messages.map(({ content }) => content),
      ["from Ada", "one", "two", "three"]
    )
    assert.deepStrictEqual(shown(after.conversation), ["one", "two", "three"])
    assert.deepStrictEqual(await storage.read("outbox/"), [])
  })

  it("rejects what is unsent when it is emptied", async () => {
    const server = new FakeServer()
    server.fault = (asked) => (isSend(asked) ? "cut" : undefined)
    const { client, conversation } = clientOf(server)
    await using _ = client
    const { sent } = conversation.send("one")
    await client.clear()
    assert.strictEqual(await sent.catch((error: Error) => error.name), "AbortError")
    assert.deepStrictEqual(shown(conversation), [])
  })

  it("sends though the storage fails, and reports it", async () => {
    const server = new FakeServer()
    const errors: Array<unknown> = []
    // The account is known, and nothing else can be read or written.
    const memory = memoryStorage()
    const fail = async () => {
      throw new Error("no storage")
    }
    const storage: Storage = {
      read: (prefix) => (prefix === "account" ? memory.read(prefix) : fail()),
      write: (changes) => (changes[0]?.[0] === "account" ? memory.write(changes) : fail())
    }
    const { client, conversation } = clientOf(server, {
      storage,
      onError: (error) => errors.push(error)
    })
    await using _ = client
    const { sent, stored } = conversation.send("one")
    assert.strictEqual((await sent).content, "one")
    assert.strictEqual(await stored.catch((error: Error) => error.message), "no storage")
    assert.isNotEmpty(errors)
  })
})

describe("a session", () => {
  it("asks for the token once more when it is refused, and then waits for a sign-in", async () => {
    const server = new FakeServer()
    const refused: Array<string | undefined> = []
    let token = "old"
    const { client, conversation } = clientOf(server, {
      token: (before) => {
        if (before !== undefined) refused.push(before)
        return before === "old" && token === "old" ? "token" : token
      }
    })
    await using _ = client
    await conversation.send("one").sent
    assert.deepStrictEqual(refused, ["old"])

    server.tokens.clear()
    const { sent } = conversation.send("two")
    await until(conversation, ({ state }) => state === "signedOut")
    assert.deepStrictEqual(shown(conversation), ["one", "two (pending)"])
    server.tokens.add("new")
    token = "new"
    client.reconnect()
    await sent
    await until(conversation, ({ state }) => state === "live")
  })

  it("tells an answer that is an error from no answer", async () => {
    const server = new FakeServer()
    const { client } = clientOf(server)
    await using _ = client
    server.fault = () => problem(429, "RateLimited", { "retry-after": "7" })
    const limited: unknown = await client.api.people.get({ id: "nobody" }).catch((error: unknown) => error)
    assert(limited instanceof ProblemError)
    assert.deepStrictEqual([limited.type, limited.status, limited.retryAfter], ["RateLimited", 429, 7])
    server.fault = () => "cut"
    const cut: unknown = await client.api.people.get({ id: "nobody" }).catch((error: unknown) => error)
    assert.instanceOf(cut, ConnectionError)
    server.fault = () => new Response("<h1>Bad gateway</h1>", { status: 502 })
    const gateway: unknown = await client.api.auth.me().catch((error: unknown) => error)
    assert(gateway instanceof ProblemError)
    assert.deepStrictEqual([gateway.type, gateway.status], ["about:blank", 502])
  })
})

describe("a conversation", () => {
  it("resumes after its version when it was cut off, and is one stream however many listen", async () => {
    const server = new FakeServer()
    server.post("1", "one")
    const { client, conversation } = clientOf(server)
    await using _ = client
    const stops = [1, 2, 3].map(() => conversation.subscribe(() => {}))
    await until(conversation, ({ messages }) => messages.length === 1)
    server.cut()
    server.post("2", "two")
    await until(conversation, ({ messages }) => messages.length === 2)
    assert.strictEqual(server.asked.filter(({ path }) => path.endsWith("/messages")).length, 2)
    stops.forEach((stop) => stop())
  })

  it("is gone when the server says so, and is asked for no further", async () => {
    const server = new FakeServer()
    server.fault = () => problem(404, "NotFound")
    const { client, conversation } = clientOf(server)
    await using _ = client
    await until(conversation, ({ state }) => state === "gone")
    client.reconnect()
    assert.lengthOf(server.asked, 1)
  })

  it("is shown from the storage before there is a network", async () => {
    const server = new FakeServer()
    server.post("1", "one")
    const storage = memoryStorage()
    const before = clientOf(server, { storage })
    await until(before.conversation, ({ messages }) => messages.length === 1)
    await before.client.close()
    server.fault = () => "cut"
    const after = clientOf(server, { storage })
    await using _ = after.client
    await after.conversation.loaded
    assert.deepStrictEqual(shown(after.conversation), ["one"])
  })

  it("returns the same snapshot until something changes", async () => {
    const { client, conversation } = clientOf(new FakeServer())
    await using _ = client
    assert.strictEqual(conversation.getSnapshot(), conversation.getSnapshot())
    assert.strictEqual(client.conversation("conversation"), conversation)
  })
})
