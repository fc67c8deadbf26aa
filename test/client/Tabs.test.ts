import { assert, describe, it, vi } from "@effect/vitest"
import {
  type Client,
  type LiveConversation,
  createClient,
  memoryStorage,
  ProblemError,
  type Storage
} from "../../src/client/index.ts"
import { FakeServer, problem } from "./fakeServer.ts"
import { randomOf } from "./proxy.ts"

/** A storage that several clients of this process share, as tabs share that of a browser. */
const sharedStorage = (): Storage => ({ ...memoryStorage(), name: crypto.randomUUID() })

class Tab implements AsyncDisposable {
  readonly client: Client
  readonly conversation: LiveConversation
  readonly errors: Array<unknown> = []

  constructor(server: FakeServer, storage: Storage) {
    this.client = createClient({
      url: "http://fake.test",
      token: () => "token",
      fetch: server.fetch,
      storage,
      onError: (error) => this.errors.push(error)
    })
    this.conversation = this.client.conversation("conversation")
    this.conversation.subscribe(() => {})
  }

  get shown(): ReadonlyArray<unknown> {
    const { messages, outgoing } = this.conversation.getSnapshot()
    return [
      ...messages.map(({ content }) => content),
      ...outgoing.map(({ draft, status }) => `${String(draft.content)} (${status})`)
    ]
  }

  get state(): string {
    return this.conversation.getSnapshot().state
  }

  /** Waits until the tab shows this. */
  shows(...contents: ReadonlyArray<string>): Promise<void> {
    return vi.waitFor(() => assert.deepStrictEqual(this.shown, contents), { timeout: 10_000 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close()
    assert.deepStrictEqual(this.errors, [])
  }
}

const isSend = ({ method }: { readonly method: string }) => method === "PUT"

/** The streams that clients have requested. */
const streams = (server: FakeServer) => server.asked.filter(({ path }) => path.endsWith("/messages")).length

const live = (...tabs: ReadonlyArray<Tab>) =>
  vi.waitFor(() => assert.deepStrictEqual([...new Set(tabs.map(({ state }) => state))], ["live"]))

describe("tabs with one storage", () => {
  it("have one stream, and show the same", async () => {
    const server = new FakeServer()
    server.post("1", "one")
    const storage = sharedStorage()
    await using first = new Tab(server, storage)
    await first.shows("one")
    await using second = new Tab(server, storage)
    await using third = new Tab(server, storage)
    await live(second, third)
    server.post("2", "two")
    for (const tab of [first, second, third]) await tab.shows("one", "two")
    assert.deepStrictEqual(second.conversation.getSnapshot().messages, first.conversation.getSnapshot().messages)
    server.cut()
    server.post("3", "three")
    for (const tab of [first, second, third]) await tab.shows("one", "two", "three")
    assert.strictEqual(streams(server), 2)
  })

  it("send by the tab that leads, and every tab shows what each has sent", async () => {
    const server = new FakeServer()
    const storage = sharedStorage()
    await using first = new Tab(server, storage)
    await live(first)
    await using second = new Tab(server, storage)
    await live(second)
    let answer = () => {}
    const held = new Promise<undefined>((resolve) => {
      answer = () => resolve(undefined)
    })
    server.fault = (asked) => (isSend(asked) ? held : undefined)
    const one = second.conversation.send("one")
    assert.deepStrictEqual(second.shown, ["one (pending)"])
    await first.shows("one (pending)")
    const two = first.conversation.send("two")
    await second.shows("one (pending)", "two (pending)")
    answer()
    const sent = await Promise.all([one.sent, two.sent])
    assert.deepStrictEqual(
      sent.map(({ content }) => content),
      ["one", "two"]
    )
    for (const tab of [first, second]) await tab.shows("one", "two")
    assert.deepStrictEqual(server.sends, ["one", "two"])
    await vi.waitFor(async () => assert.deepStrictEqual(await storage.read("outbox/"), []))
  })

  it("tell the sender's tab of a refusal, and can send again, change and discard what another has sent", async () => {
    const server = new FakeServer()
    const storage = sharedStorage()
    await using first = new Tab(server, storage)
    await live(first)
    await using second = new Tab(server, storage)
    await live(second)
    server.fault = (asked) =>
      isSend(asked) && /bad/.test(JSON.stringify(asked.body)) ? problem(422, "ValidationFailed") : undefined
    const bad = second.conversation.send("bad")
    const worse = second.conversation.send("too bad")
    const error: unknown = await bad.sent.catch((error: unknown) => error)
    assert(error instanceof ProblemError)
    assert.deepStrictEqual([error.type, error.status], ["ValidationFailed", 422])
    for (const tab of [first, second]) await tab.shows("bad (failed)", "too bad (failed)")
    await first.conversation.discard(worse.id)
    for (const tab of [first, second]) await tab.shows("bad (failed)")
    await second.conversation.resend(bad.id, { content: "better" }).sent
    for (const tab of [first, second]) await tab.shows("better")
    await vi.waitFor(async () => assert.deepStrictEqual(await storage.read("outbox/"), []))
  })

  it("go on in another tab when the one that leads closes, with what it has not sent", async () => {
    const server = new FakeServer()
    const storage = sharedStorage()
    const first = new Tab(server, storage)
    await live(first)
    await using second = new Tab(server, storage)
    await live(second)
    server.fault = (asked) => (isSend(asked) ? "cut" : undefined)
    await first.conversation.send("one").stored
    await second.shows("one (pending)")
    await second.conversation.send("two").stored
    await second.shows("one (pending)", "two (pending)")
    server.fault = () => undefined
    await first[Symbol.asyncDispose]()
    await second.shows("one", "two")
    await live(second)
    server.post("3", "three")
    await second.shows("one", "two", "three")
  })

  it("take the lead when they call `reconnect`", async () => {
    const server = new FakeServer()
    const storage = sharedStorage()
    await using first = new Tab(server, storage)
    await live(first)
    await using second = new Tab(server, storage)
    await live(second)
    const before = streams(server)
    second.client.reconnect()
    await vi.waitFor(() => assert.strictEqual(streams(server), before + 1))
    await second.conversation.send("one").sent
    await first.conversation.send("two").sent
    for (const tab of [first, second]) await tab.shows("one", "two")
    await live(first, second)
  })

  it("forget everything together", async () => {
    const server = new FakeServer()
    const storage = sharedStorage()
    await using first = new Tab(server, storage)
    await live(first)
    await using second = new Tab(server, storage)
    await live(second)
    server.fault = (asked) => (isSend(asked) ? "cut" : undefined)
    await first.conversation.send("one").stored
    await second.shows("one (pending)")
    await second.client.clear()
    for (const tab of [first, second]) await tab.shows()
    assert.deepStrictEqual(await storage.read("outbox/"), [])
  })

  const seeds = Array.from({ length: Number(process.env["SEEDS"] ?? 5) }, (_, index) => index + 1)

  it.each(seeds)("lose and double nothing, whichever opens, closes or leads: seed %i", async (seed) => {
    const random = randomOf(seed)
    const server = new FakeServer()
    server.fault = () => {
      const kind = random()
      return kind < 0.15 ? "cut" : kind < 0.3 ? "lost" : undefined
    }
    const storage = sharedStorage()
    let tabs = [new Tab(server, storage), new Tab(server, storage)]
    const sent = new Map<Tab, Array<string>>()
    for (let count = 0; count < 60; count++) {
      const tab = tabs[Math.floor(random() * tabs.length)]
      const act = random()
      if (tab === undefined || act < 0.1) tabs.push(new Tab(server, storage))
      else if (act < 0.2) {
        tabs = tabs.filter((other) => other !== tab)
        await tab[Symbol.asyncDispose]()
      } else if (act < 0.3) tab.client.reconnect()
      else if (act < 0.4) server.cut()
      else if (act < 0.5) await new Promise((resolve) => setTimeout(resolve, random() * 20))
      else {
        const contents = sent.get(tab) ?? []
        sent.set(tab, contents)
        contents.push(`${sent.size}:${count}`)
        await tab.conversation.send(contents.at(-1) ?? "").stored
      }
    }
    if (tabs.length === 0) tabs.push(new Tab(server, storage))
    server.fault = () => undefined
    for (const tab of tabs) tab.client.reconnect()
    const handedOver = [...sent.values()].flat()
    await vi.waitFor(() => assert.lengthOf(server.messages, handedOver.length), { timeout: 20_000 })
    const stored = server.messages.map(({ content }) => String(content))
    assert.deepStrictEqual(stored.toSorted(), handedOver.toSorted())
    for (const contents of sent.values()) {
      assert.deepStrictEqual(
        stored.filter((content) => contents.includes(content)),
        contents
      )
    }
    for (const tab of tabs) {
      await vi.waitFor(() => assert.deepStrictEqual(tab.shown, stored), { timeout: 20_000 })
    }
    await vi.waitFor(async () => assert.deepStrictEqual(await storage.read("outbox/"), []))
    for (const tab of tabs) await tab[Symbol.asyncDispose]()
  })
})
