import { afterEach, assert, beforeEach, describe, it, vi } from "@effect/vitest"
import { fetch as braidFetch } from "braid-http"
import { atOnce, twoPeople, type Message, type Page, type Person } from "../../src/conformance/Client.ts"
import { conformance, processConformance } from "./server.ts"

const oneTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

/** The state that a program builds from the updates of the reference client, which reconnects on its own. */
class Subscriber implements Disposable {
  /** The current messages: those of the snapshot and the appended ones. */
  messages: ReadonlyArray<Message> = []
  receipts: Page["receipts"] = []
  /** The updates of the log, in order: "snapshot", or the position of a message. */
  readonly received: Array<"snapshot" | number> = []
  /** The number of connections so far. */
  connections = 0
  private version: ReadonlyArray<string> | undefined
  private readonly stopped = new AbortController()
  private cut = new AbortController()
  private changed: () => void = () => {}
  private failure: unknown

  /**
   * @param most The number of bytes after which each connection is cut.
   */
  static async subscribe(person: Person, path: string, most = Number.POSITIVE_INFINITY): Promise<Subscriber> {
    const subscriber = new Subscriber()
    braidFetch.set_fetch((url, init) => subscriber.connect(url, init, most))
    const response = await braidFetch(person.server.url + path, {
      subscribe: true,
      retry: true,
      heartbeats: 5,
      parents: () => subscriber.version,
      headers: person.authorization,
      signal: subscriber.stopped.signal
    })
    assert.strictEqual(response.status, 209)
    response.subscribe(
      (update) => subscriber.receive(update),
      (error) => {
        subscriber.failure = error
        subscriber.changed()
      }
    )
    return subscriber
  }

  private async connect(url: string, init: RequestInit, most: number): Promise<Response> {
    this.cut = new AbortController()
    const { cut } = this
    const signal = AbortSignal.any([cut.signal, ...(init.signal ? [init.signal] : [])])
    const response = await fetch(url, { ...init, signal })
    this.connections += 1
    let left = most
    const counted = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        controller.enqueue(chunk.subarray(0, left))
        left -= chunk.length
        if (left <= 0) cut.abort(new Error("cut off"))
      }
    })
    return new Response(response.body!.pipeThrough(counted), response)
  }

  private receive(update: Parameters<Parameters<Awaited<ReturnType<typeof braidFetch>>["subscribe"]>[0]>[0]) {
    if (update.patches === undefined) {
      const page = JSON.parse(update.body_text ?? "") as Page
      this.messages = page.messages
      this.receipts = page.receipts
      this.received.push("snapshot")
    } else {
      assert.deepStrictEqual(update.parents, this.version)
      for (const { content_text, range } of update.patches) {
        if (range === ".receipts") {
          assert.deepStrictEqual(update.version, this.version)
          this.receipts = JSON.parse(content_text) as Page["receipts"]
          continue
        }
        assert.strictEqual(range, ".messages[-0:-0]")
        const message = JSON.parse(content_text) as Message
        this.messages = [...this.messages, message]
        this.received.push(message.seq)
      }
    }
    this.version = update.version
    this.changed()
  }

  /** Waits for a number of messages. */
  has(count: number): Promise<void> {
    return this.until(() => this.messages.length >= count)
  }

  /** Waits for a condition. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      // The client connects again after every failure, except one of `receive`.
      if (this.failure !== undefined) throw this.failure
      await new Promise<void>((resolve) => (this.changed = resolve))
    }
  }

  /** Cuts the connection. */
  cutOff(): void {
    this.cut.abort(new Error("cut off"))
  }

  [Symbol.dispose](): void {
    this.stopped.abort()
  }
}

// It writes to the console whenever it connects again.
beforeEach(() => {
  for (const method of ["log", "debug"] as const) vi.spyOn(console, method).mockImplementation(() => {})
})
afterEach(() => {
  vi.restoreAllMocks()
})

describe("The reference client, braid-http 1.3.80,", () => {
  conformance("against a running server", (server) => {
    it("receives the snapshot, and then each message", async () => {
      const { ada, grace, conversation, messages } = await twoPeople(server)
      await atOnce(3, (index) => ada.send(conversation, `number ${index}`))
      using subscriber = await Subscriber.subscribe(grace, messages)
      await subscriber.has(3)
      await ada.send(conversation, "héllo\r\n\r\n😀")
      await subscriber.has(4)
      assert.deepStrictEqual(subscriber.messages, (await grace.get<Page>(messages)).body.messages)
      assert.deepStrictEqual(subscriber.received, ["snapshot", 4])
    })

    it("receives receipts, under the version that it has", async () => {
      const { ada, grace, conversation, messages } = await twoPeople(server)
      using subscriber = await Subscriber.subscribe(ada, messages)
      const { seq } = await ada.send(conversation, "one")
      await grace.put(`${conversation}/receipt`, { readSeq: seq })
      await subscriber.until(() => subscriber.receipts.every(({ readSeq }) => readSeq === seq))
      assert.deepStrictEqual(subscriber.receipts, (await ada.get<Page>(messages)).body.receipts)
    })

    it("resumes after a cut, without loss or repetition", async () => {
      const { ada, grace, conversation, messages } = await twoPeople(server)
      using subscriber = await Subscriber.subscribe(grace, messages)
      let sent = 0
      for (let cuts = 0; cuts < 2; cuts++) {
        await ada.send(conversation, `before cut ${cuts}`)
        await subscriber.has((sent += 1))
        subscriber.cutOff()
        await atOnce(5, (index) => ada.send(conversation, `after cut ${cuts}: ${index}`))
        await subscriber.has((sent += 5))
      }
      assert.strictEqual(subscriber.connections, 3)
      assert.deepStrictEqual(subscriber.received, ["snapshot", ...oneTo(12)])
      assert.deepStrictEqual(subscriber.messages, (await grace.get<Page>(messages)).body.messages)
    })

    it("resumes after a cut inside an update, without loss or repetition", async () => {
      const { ada, grace, conversation, messages } = await twoPeople(server)
      const content = "x".repeat(5_000)
      using subscriber = await Subscriber.subscribe(grace, messages, 22_222)
      await atOnce(10, () => ada.send(conversation, content))
      await subscriber.has(10)
      assert.isAtLeast(subscriber.connections, 3)
      assert.deepStrictEqual(subscriber.received, ["snapshot", ...oneTo(10)])
      assert.deepStrictEqual(subscriber.messages, (await grace.get<Page>(messages)).body.messages)
    })
  })

  processConformance("against a server that is killed", (start) => {
    it("resumes at the next process, without loss or repetition", async () => {
      const server = await start()
      const { ada, grace, conversation, messages } = await twoPeople(server)
      using subscriber = await Subscriber.subscribe(grace, messages)
      await atOnce(20, (index) => ada.send(conversation, `before: ${index}`))
      await subscriber.has(20)

      // Some of them are acknowledged and some are not. The acknowledged ones must arrive.
      const sending = Promise.allSettled(
        Array.from({ length: 40 }, (_, index) => ada.send(conversation, `meanwhile: ${index}`))
      )
      await subscriber.has(21)
      await server.kill("SIGKILL")
      assert.strictEqual(await server.exit, "SIGKILL")
      const answered = (await sending).flatMap((result) => (result.status === "fulfilled" ? [result.value] : []))

      const next = await server.startAgain()
      assert.strictEqual(next.url, server.url)
      await ada.send(conversation, "after")
      const { body } = await grace.get<Page>(`${messages}?limit=200`)
      await subscriber.has(body.messages.length)
      assert.deepStrictEqual(subscriber.received, ["snapshot", ...oneTo(body.messages.length)])
      assert.deepStrictEqual(subscriber.messages, body.messages)
      assert.includeDeepMembers([...body.messages], answered)
    })
  })
})
