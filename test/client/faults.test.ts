import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createClient, fileStorage, memoryStorage, type Storage } from "../../src/client/index.ts"
import { FakeServer, problem } from "./fakeServer.ts"
import { randomOf } from "./proxy.ts"

afterEach(() => {
  vi.useRealTimers()
})

const clientOf = (server: FakeServer, storage: Storage, errors: Array<unknown> = []) => {
  const onError = (error: unknown) => errors.push(error)
  const client = createClient({ url: "http://fake.test", token: () => "token", fetch: server.fetch, storage, onError })
  return { client, conversation: client.conversation("conversation") }
}

const isSend = ({ method }: { readonly method: string }) => method === "PUT"

const inFolder = async (test: (path: string) => Promise<void>) => {
  const folder = await mkdtemp(join(tmpdir(), "xfchat-"))
  try {
    await test(join(folder, "client"))
  } finally {
    await rm(folder, { recursive: true })
  }
}

const hours = 3_600_000

describe("a clock that jumps", () => {
  for (const jump of [-5 * hours, 5 * hours]) {
    it(`by ${jump / hours} hours changes neither the order, nor the stream, nor the signal of typing`, async () => {
      const server = new FakeServer()
      const storage = memoryStorage()
      const { client, conversation } = clientOf(server, storage)
      await using _ = client
      conversation.subscribe(() => {})
      await vi.waitFor(() => assert.strictEqual(conversation.getSnapshot().state, "live"))
      server.fault = (asked) => (isSend(asked) ? "cut" : undefined)
      const one = conversation.send("one")
      await conversation.typing()
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + jump })
      await conversation.typing()
      const two = conversation.send("two")
      await two.stored
      server.fault = () => undefined
      // As the browser does when a machine wakes up.
      client.reconnect()
      await Promise.all([one.sent, two.sent])
      server.post("three", "three")
      await vi.waitFor(() =>
        assert.deepStrictEqual(
          conversation.getSnapshot().messages.map(({ content }) => content),
          ["one", "two", "three"]
        )
      )
      assert.lengthOf(
        server.asked.filter(({ path }) => path.endsWith("/typing")),
        2
      )
    })
  }

  it("does not lengthen a pause that the server asks for by a date", async () => {
    const server = new FakeServer()
    const now = Date.now()
    const headers = { date: new Date(now).toUTCString(), "retry-after": new Date(now + 2_000).toUTCString() }
    server.fault = () => problem(503, "ServerBusy", headers)
    vi.useFakeTimers({ toFake: ["Date"], now: now - 5 * hours })
    const { client } = clientOf(server, memoryStorage())
    await using _ = client
    const error = await client.api.auth.me().catch((error: { readonly retryAfter?: number }) => error)
    assert.propertyVal(error, "retryAfter", 2)
  })
})

describe("a storage that fails", () => {
  const seeds = Array.from({ length: Number(process.env["SEEDS"] ?? 5) }, (_, index) => index + 1)

  it.each(seeds)("loses no message that it has kept, and doubles none: seed %i", async (seed) => {
    const random = randomOf(seed)
    const server = new FakeServer()
    server.fault = () => (random() < 0.2 ? "cut" : random() < 0.2 ? "lost" : undefined)
    const memory = memoryStorage()
    const kept: Array<string> = []
    const errors: Array<unknown> = []
    const never = new Promise<never>(() => {})
    const start = () => {
      let isDead = false
      const storage: Storage = {
        read: async (prefix) => (isDead ? never : memory.read(prefix)),
        write: async (changes) => {
          if (isDead) return never
          if (random() < 0.3 && changes[0]?.[0] !== "account") throw new Error("The disk is full.")
          return memory.write(changes)
        }
      }
      const fetch = server.fetch
      const client = createClient({
        url: "http://fake.test",
        token: () => "token",
        fetch: (url, init) => (isDead ? never : fetch(url, init)),
        storage,
        onError: (error) => errors.push(error)
      })
      const kill = () => {
        isDead = true
        void client.close()
      }
      return { client, kill, conversation: client.conversation("conversation") }
    }
    let { client, conversation, kill } = start()
    for (let count = 1; count <= 40; count++) {
      const { stored } = conversation.send(`${count}`)
      const isKept = await stored.then(
        () => true,
        () => false
      )
      if (isKept) kept.push(`${count}`)
      if (random() < 0.2) {
        kill()
        ;({ client, conversation, kill } = start())
      }
    }
    await using _ = client
    server.fault = () => undefined
    client.reconnect()
    const contents = () => server.messages.map(({ content }) => String(content))
    await vi.waitFor(
      () =>
        assert.deepStrictEqual(
          contents().filter((content) => kept.includes(content)),
          kept
        ),
      { timeout: 10_000 }
    )
    await vi.waitFor(() => assert.deepStrictEqual(conversation.getSnapshot().outgoing, []))
    assert.deepStrictEqual([...new Set(contents())], contents())
    assert.isNotEmpty(errors)
  })

  it("sends what an earlier run has left as soon as it can be read", async () => {
    const server = new FakeServer()
    const memory = memoryStorage()
    server.fault = (asked) => (isSend(asked) ? "cut" : undefined)
    const before = clientOf(server, memory)
    await before.conversation.send("one").stored
    await before.client.close()
    server.fault = () => undefined
    let fails = 2
    const storage: Storage = {
      ...memory,
      read: (prefix) =>
        prefix === "outbox/" && fails-- > 0 ? Promise.reject(new Error("The disk is busy.")) : memory.read(prefix)
    }
    const errors: Array<unknown> = []
    const { client, conversation } = clientOf(server, storage, errors)
    await using _ = client
    await vi.waitFor(() => assert.deepStrictEqual(server.sends.slice(-1), ["one"]), { timeout: 10_000 })
    await vi.waitFor(() => assert.deepStrictEqual(conversation.getSnapshot().outgoing, []))
    assert.lengthOf(errors, 2)
  })

  it("begins with the server's snapshot if its entries are damaged, and says so", async () => {
    for (const damage of [null, {}, "", { messages: 1 }, { outgoing: {} }]) {
      const server = new FakeServer()
      server.post("1", "one")
      const storage = memoryStorage()
      await storage.write([
        ["account", "ada"],
        ["copy/conversation", damage],
        ["copy/inbox", damage],
        ["outbox/conversation/1", damage]
      ])
      const errors: Array<unknown> = []
      const { client, conversation } = clientOf(server, storage, errors)
      await using _ = client
      conversation.subscribe(() => {})
      await conversation.send("two").sent
      await vi.waitFor(() => assert.lengthOf(conversation.getSnapshot().messages, 2))
      await client.inbox.loaded
      assert.isAtLeast(errors.length, 3, JSON.stringify(damage))
    }
  })
})

describe("fileStorage", () => {
  it("keeps all lines but those that are damaged, sets the file aside, and says so once", () =>
    inFolder(async (path) => {
      const storage = fileStorage(path)
      await storage.write([["one", 1]])
      await storage.write([["two", 2]])
      await storage.write([["three", 3]])
      await storage.close?.()
      const damaged = (await readFile(path, "utf8")).replace(`[["two",2]]`, `[["two",\u0000`)
      await writeFile(path, damaged)
      const again = fileStorage(path)
      assert.match(
        await again.read("").then(String, (error: Error) => error.message),
        /^1 writes in \S+ are lost\. The old file is \S+\.damaged\.$/
      )
      assert.deepStrictEqual(Object.fromEntries(await again.read("")), { one: 1, three: 3 })
      assert.strictEqual(await readFile(`${path}.damaged`, "utf8"), damaged)
      await again.close?.()
      assert.deepStrictEqual(Object.fromEntries(await fileStorage(path).read("")), { one: 1, three: 3 })
    }))

  it("has every write that it has confirmed, though the disk is full now and then", () =>
    inFolder(async (path) => {
      const before = fileStorage(path)
      await before.write([["one", 1]])
      await before.close?.()
      // A compaction, such as that of the start, writes to a full disk.
      await symlink("/dev/full", `${path}.new`)
      const storage = fileStorage(path)
      const attempts = await Promise.allSettled([storage.read(""), storage.write([["two", 2]])])
      assert.deepStrictEqual(
        attempts.map(({ status }) => status),
        ["rejected", "rejected"]
      )
      await rm(`${path}.new`)
      await storage.write([["three", 3]])
      assert.deepStrictEqual(Object.fromEntries(await storage.read("")), { one: 1, three: 3 })
      await storage.close?.()
      assert.deepStrictEqual(Object.fromEntries(await fileStorage(path).read("")), { one: 1, three: 3 })
    }))
})
