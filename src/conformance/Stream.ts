import { request as httpRequest, type IncomingMessage } from "node:http"
import { request as httpsRequest } from "node:https"
import { UpdateParser, type StreamEvent } from "../braid/UpdateParser.ts"
import type { Patches, Snapshot, Update } from "../braid/Update.ts"
import { assert } from "./Assert.ts"
import type { Message, Page, Person } from "./Client.ts"
import { describeRequest, limitedFor, type Server, shorten, waitFor } from "./Server.ts"

const decoder = new TextDecoder("utf-8", { fatal: true })

/** The page that a snapshot carries. */
export const pageOf = (update: Snapshot): Page => JSON.parse(decoder.decode(update.body)) as Page

/** The message that an append carries. */
export const messageOf = (update: Patches): Message => {
  const [patch] = update.patches
  assert(patch !== undefined && update.patches.length === 1)
  assert.strictEqual(patch.contentRange, "json .messages[-0:-0]")
  return JSON.parse(decoder.decode(patch.content)) as Message
}

const isOfReceipts = (event: StreamEvent): boolean =>
  event._tag === "Patches" && event.patches[0]?.contentRange === "json .receipts"

/**
 * The response to a subscription, on a connection of its own, read no faster than the test asks. Receipts, which may come at any
 * time, are left out.
 */
export class Stream implements AsyncDisposable {
  readonly head: IncomingMessage
  private readonly server: Server
  private readonly path: string
  private readonly parser = new UpdateParser()
  private readonly chunks: AsyncIterator<Buffer>
  private readonly read: Array<Buffer> = []
  private events: Array<StreamEvent> = []

  constructor(head: IncomingMessage, server: Server, path: string) {
    this.head = head
    this.server = server
    this.path = path
    this.chunks = head.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>
  }

  /** All bytes read so far. */
  get bytes(): Buffer {
    return Buffer.concat(this.read)
  }

  /** The next event; `undefined` when the stream has ended properly. Fails when it was cut off. */
  async next(): Promise<StreamEvent | undefined> {
    for (;;) {
      const event = this.events.shift()
      if (event !== undefined) return event
      const { done, value } = await this.chunks.next()
      if (done === true) return undefined
      this.read.push(value)
      this.server.trace?.(`  ${this.path} sent: ${shorten(value.toString())}`)
      this.events.push(...this.parser.push(value).filter((event) => !isOfReceipts(event)))
    }
  }

  /** The next updates, without the heartbeats between them. */
  async updates(count: number): Promise<ReadonlyArray<Update>> {
    const updates: Array<Update> = []
    while (updates.length < count) {
      const event = await this.next()
      assert(event !== undefined, `the stream ended after ${updates.length} updates of ${count}`)
      if (event._tag === "Heartbeat") continue
      assert(event._tag === "Snapshot" || event._tag === "Patches", JSON.stringify(event))
      updates.push(event)
    }
    return updates
  }

  /** The next update, which must be a snapshot. */
  async snapshot(): Promise<Snapshot> {
    const [update] = await this.updates(1)
    assert(update?._tag === "Snapshot", `expected a snapshot, not ${update?._tag}`)
    return update
  }

  /** The next updates, which must be appended messages, one after the other from the one after `position`. */
  async appendsAfter(position: number, count: number): Promise<ReadonlyArray<Message>> {
    const messages: Array<Message> = []
    // Each is checked when it comes: after a lost one, the last would not come.
    while (messages.length < count) {
      const [update] = await this.updates(1)
      assert(update?._tag === "Patches", `expected an append, not ${update?._tag}`)
      const message = messageOf(update)
      assert.strictEqual(
        message.seq,
        position + messages.length + 1,
        "the next message is not the next in its conversation"
      )
      assert.deepStrictEqual(update.version, [String(message.seq)])
      assert.deepStrictEqual(update.parents, [String(message.seq - 1)])
      messages.push(message)
    }
    return messages
  }

  /** The next event, which must be a heartbeat. */
  async heartbeat(): Promise<void> {
    assert.deepStrictEqual(await this.next(), { _tag: "Heartbeat" })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.head.destroy()
  }
}

/** Sends a request on a connection of its own, and returns the response once its head is there. */
export const open = async (
  person: Person,
  path: string,
  headers: Readonly<Record<string, string>>,
  method = "GET"
): Promise<Stream> => {
  const { authorization, server } = person
  const url = server.url + path
  const request = url.startsWith("https:") ? httpsRequest : httpRequest
  for (;;) {
    server.trace?.(describeRequest(method, path, headers))
    const head = await new Promise<IncomingMessage>((resolve, reject) => {
      request(url, { method, agent: false, headers: { ...authorization, ...headers } })
        .on("response", resolve)
        .on("error", reject)
        .end()
    })
    const seconds = limitedFor(head.statusCode ?? 0, (name) => head.headers[name]?.toString())
    if (seconds === undefined) {
      server.trace?.(`  → ${head.statusCode}`)
      return new Stream(head, server, path)
    }
    head.destroy()
    await waitFor(server, seconds)
  }
}

/** Subscribes, and waits for the head. */
export const subscribe = async (person: Person, path: string, headers: Readonly<Record<string, string>> = {}) => {
  const stream = await open(person, path, { subscribe: "true", ...headers })
  assert.strictEqual(stream.head.statusCode, 209)
  return stream
}
