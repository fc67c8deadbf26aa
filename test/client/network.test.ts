import { assert, describe, it, vi } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  type Client,
  type LiveConversation,
  type ConversationSnapshot,
  createClient,
  type Encoding,
  fileStorage,
  type Storage
} from "../../src/client/index.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { type Page, twoPeople, type Person } from "../../src/conformance/Client.ts"
import { mortalServer } from "../faults/server.ts"
import { badNetwork, randomOf } from "./proxy.ts"

/** The seeds of the networks; `SEEDS=100` for more. */
const seeds = Array.from({ length: Number(process.env["SEEDS"] ?? 1) }, (_, index) => index + 1)
const messagesEach = 40

interface DeviceOptions {
  readonly url: string
  readonly token: string
  readonly file: string
  readonly encoding: Encoding
}

/** A client that can crash. After a crash, nothing that it does reaches the storage or the network. */
class Device implements AsyncDisposable {
  readonly #options: DeviceOptions
  readonly #conversationId: string
  client: Client
  conversation: LiveConversation
  #kill = async () => {}
  #leave = () => {}
  readonly faults: Array<string> = []
  readonly errors: Array<unknown> = []
  /** The contents of all calls of `send`, in order. */
  readonly handedOver: Array<string> = []
  crashes = 0

  constructor(options: DeviceOptions, conversationId: string) {
    this.#options = options
    this.#conversationId = conversationId
    ;({ client: this.client, conversation: this.conversation } = this.#start())
  }

  #start() {
    const { encoding, file, token, url } = this.#options
    let isDead = false
    const never = new Promise<never>(() => {})
    const whileAlive = <A>(work: Promise<A>): Promise<A> =>
      isDead ? never : work.then((value) => (isDead ? never : value))
    const kept = fileStorage(file)
    const storage: Storage = {
      read: (prefix) => whileAlive(kept.read(prefix)),
      write: (changes) => (isDead ? never : whileAlive(kept.write(changes))),
      close: async () => kept.close?.()
    }
    const client = createClient({
      url,
      encoding,
      storage,
      token: () => token,
      fetch: (input, init) => (isDead ? never : whileAlive(fetch(input, init))),
      onError: (error) => this.errors.push(error)
    })
    const conversation = client.conversation(this.#conversationId)
    this.#leave = conversation.subscribe(() => {
      if (!isDead) this.#check(conversation.getSnapshot())
    })
    this.#kill = async () => {
      isDead = true
      await kept.close?.()
    }
    return { client, conversation }
  }

  /** Checks the invariants of a snapshot. */
  #check({ messages, outgoing }: ConversationSnapshot): void {
    const ids = [...messages, ...outgoing].map(({ id }) => id)
    if (new Set(ids).size !== ids.length) this.faults.push("a message is shown twice")
    if (messages.some(({ seq }, index) => seq <= (messages[index - 1]?.seq ?? 0)))
      this.faults.push("messages out of order")
    const own = [...messages.map(({ content }) => content), ...outgoing.map(({ draft }) => draft.content)].filter(
      (content) => typeof content === "string" && this.handedOver.includes(content)
    )
    // Snapshots hold the newest 50, so that only the latest of the sender's own must be there, in their order.
    const expected = own.length === 0 ? [] : this.handedOver.slice(-own.length)
    if (own.join() !== expected.join()) this.faults.push(`shown ${own.join()} of ${this.handedOver.join()}`)
  }

  async send(content: string): Promise<void> {
    this.handedOver.push(content)
    const { stored } = this.conversation.send(content)
    this.#check(this.conversation.getSnapshot())
    await stored
  }

  /** Ends without a chance to do anything, and starts again from the file. */
  async crash(): Promise<void> {
    const killed = this.#kill()
    this.#leave()
    // This ends its timers. None of its calls gets an answer.
    void this.client.close()
    await killed
    this.crashes += 1
    ;({ client: this.client, conversation: this.conversation } = this.#start())
    await this.conversation.loaded
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leave()
    await this.client.close()
  }
}

const positionsOf = (messages: ReadonlyArray<{ readonly seq: number }>) => messages.map(({ seq }) => seq)

const chat = async (
  port: number,
  people: Awaited<ReturnType<typeof twoPeople>>,
  seed: number,
  restart: () => Promise<void>
) => {
  const { ada, conversation: path, grace, messages } = people
  const random = randomOf(seed)
  const folder = await mkdtemp(join(tmpdir(), "xfchat-"))
  const conversationId = path.replace(/.*\//, "")
  await using network = await badNetwork(port, seed)
  const deviceOf = (person: Person, name: string, encoding: Encoding) =>
    new Device({ url: network.url, token: person.token ?? "", file: join(folder, name), encoding }, conversationId)
  try {
    await using adas = deviceOf(ada, "ada", "lines")
    await using graces = deviceOf(grace, "grace", "events")
    await using other = deviceOf(grace, "other", "poll")
    const devices = [adas, graces, other]
    const pause = () => new Promise((resolve) => setTimeout(resolve, random() * 30))

    const sending = [adas, graces].map(async (device, index) => {
      const crashAt = 1 + Math.floor(random() * messagesEach)
      for (let count = 1; count <= messagesEach; count++) {
        await device.send(`${index}:${count}`)
        await pause()
        if (count === crashAt || random() < 0.04) await device.crash()
        if (random() < 0.1) void device.conversation.markRead().catch(() => {})
        if (random() < 0.1) device.client.reconnect()
      }
    })
    // Changes of existing messages, on a good network.
    const changing = (async () => {
      for (let count = 0; count < 20; count++) {
        const { body } = await ada.get<Page>(messages).catch(() => ({ body: undefined }))
        const own = body?.messages?.filter(({ senderId }) => senderId === ada.id) ?? []
        const message = own[Math.floor(random() * own.length)]
        if (message !== undefined) {
          const url = `${messages}/${message.id}`
          const kind = random()
          const emoji = encodeURIComponent("👍")
          if (kind < 0.6) await ada.put(`${url}/reactions/${emoji}`).catch(() => {})
          else await ada.request("DELETE", `${url}/reactions/${emoji}`).catch(() => {})
        }
        await pause()
      }
    })()
    const restarting = (async () => {
      await vi.waitUntil(() => adas.handedOver.length > messagesEach / 2, { timeout: 60_000 })
      await restart()
    })()
    await Promise.all([...sending, changing, restarting])
    // A run with few requests goes on until the network has dealt every fate.
    while (Object.values(network.counts).includes(0)) await adas.conversation.markRead().catch(() => {})
    network.heal()

    for (const [index, device] of devices.entries()) {
      device.client.reconnect()
      await vi.waitFor(
        async () => {
          const { body } = await ada.get<Page>(`${messages}?limit=200`)
          const { messages: shown, outgoing, receipts, state } = device.conversation.getSnapshot()
          assert.deepStrictEqual(outgoing, [])
          assert.strictEqual(state, "live")
          assert.isAtLeast(shown.length, 50)
          const newest = body.messages.slice(-shown.length)
          assert.deepStrictEqual(positionsOf(shown), positionsOf(newest), `on device ${index}`)
          assert.deepStrictEqual(shown, newest as unknown as typeof shown)
          assert.deepStrictEqual(receipts, body.receipts)
        },
        { timeout: 90_000, interval: 200 }
      )
      while (device.conversation.getSnapshot().hasEarlier) await device.conversation.loadEarlier()
      const { body } = await ada.get<Page>(`${messages}?limit=200`)
      assert.deepStrictEqual(
        device.conversation.getSnapshot().messages,
        body.messages as unknown as ConversationSnapshot["messages"]
      )
      assert.deepStrictEqual(device.faults, [])
      assert.deepStrictEqual(device.errors, [])
    }

    const { body } = await ada.get<Page>(`${messages}?limit=200`)
    const contents = body.messages.map(({ content }) => content)
    assert.lengthOf(contents, 2 * messagesEach)
    for (const [index, device] of [adas, graces].entries()) {
      assert.deepStrictEqual(
        contents.filter((content) => content.startsWith(`${index}:`)),
        device.handedOver
      )
    }
    return { ...network.counts, crashes: adas.crashes + graces.crashes }
  } finally {
    await rm(folder, { recursive: true })
  }
}

describe("clients on a bad network, whose server is killed and who crash themselves", () => {
  it.live(
    "lose no message, double none, and show and store all in the order in which each was sent",
    () =>
      Effect.gen(function* () {
        const { baseUrl, die, port, restart } = yield* mortalServer((yield* TestDatabase).url)
        const context = yield* Effect.context<never>()
        const run = Effect.runPromiseWith(context)
        const total = { connections: 0, cuts: 0, repeats: 0, lostAnswers: 0, crashes: 0 }
        for (const seed of seeds) {
          const people = yield* Effect.promise(() => twoPeople({ url: baseUrl }))
          const counts = yield* Effect.promise(() =>
            chat(port, people, seed, () => run(Effect.andThen(die, restart) as Effect.Effect<void>))
          )
          for (const kind of Object.keys(total) as Array<keyof typeof total>) total[kind] += counts[kind]
        }
        for (const count of Object.values(total)) assert.isAbove(count, 0)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer)),
    60_000 + seeds.length * 240_000
  )
})
