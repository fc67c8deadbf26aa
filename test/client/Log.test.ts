import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { decoders, type Encoding } from "../../src/client/Follow.ts"
import { emptyLog, type Log, type MessagesUpdate, putMessage, reduce } from "../../src/client/Log.ts"
import type { Message, MessagePage, Receipt } from "../../src/client/operations.ts"
import { eventEncoding, lineEncoding } from "../../src/live/Encoding.ts"
import { messageOf } from "./fakeServer.ts"
import { randomOf } from "./proxy.ts"

const people = ["ada", "grace"]

const sent = (seq: number, content: string) =>
  messageOf({ id: `message ${seq}`, seq, senderId: people[seq % 2] ?? null, content })

type Event =
  | { readonly version: string; readonly name: "snapshot" | "message"; readonly value: unknown }
  | { readonly name: "receipts"; readonly value: unknown }

/** A server's conversation, as docs/streaming.md describes it. */
class Model {
  head = 0
  messages: Array<Message> = []
  receipts: Array<Receipt> = people.map((userId) => ({ userId, deliveredSeq: 0, readSeq: 0 }))
  changes: Array<Message> = []
  snapshotsFrom = 0

  send() {
    this.put(sent((this.head += 1), `text ${this.head}`))
  }

  change(at: number, change: (version: number) => Partial<Message>) {
    const message = this.messages[at % Math.max(1, this.messages.length)]
    if (message === undefined) return
    const version = (this.head += 1)
    this.put({ ...message, version, ...change(version) })
  }

  put(message: Message) {
    const index = this.messages.findIndex(({ id }) => id === message.id)
    this.messages[index === -1 ? this.messages.length : index] = message
    this.changes.push(message)
  }

  read(who: number, upTo: number) {
    this.receipts = this.receipts.map((receipt, index) =>
      index === who % 2
        ? {
            ...receipt,
            deliveredSeq: Math.max(receipt.deliveredSeq, Math.min(upTo, this.head)),
            readSeq: Math.max(receipt.readSeq, Math.min(upTo, this.head))
          }
        : receipt
    )
  }

  /** The answer to a GET of the newest `limit` messages. */
  page(limit = 50): MessagePage {
    const messages = this.messages.slice(-limit)
    const reached = (cursor: "deliveredSeq" | "readSeq", { senderId, seq }: Message) =>
      this.receipts.every((receipt) => receipt.userId === senderId || receipt[cursor] >= seq)
    return {
      messages: messages.map((message) => ({
        ...message,
        isDelivered: reached("deliveredSeq", message),
        isRead: reached("readSeq", message)
      })),
      receipts: this.receipts,
      before: messages.length < this.messages.length ? String(messages[0]?.seq) : null,
      after: null
    }
  }

  /** The events of a stream that resumes after this version. */
  since(version: string | undefined): ReadonlyArray<Event> {
    const from = Number(version)
    if (version === undefined || from < this.snapshotsFrom) {
      return [{ version: String(this.head), name: "snapshot", value: this.page() }]
    }
    const changes = this.changes.filter((change) => change.version > from)
    return [
      ...changes.map((value) => ({ version: String(value.version), name: "message" as const, value })),
      { name: "receipts", value: this.receipts }
    ]
  }
}

const decoder = new TextDecoder()

/** The events of a response, as the server writes them. */
const encode = (encoding: Encoding, events: ReadonlyArray<Event>, version: string): string => {
  if (encoding === "poll") {
    const updates = events.flatMap((event) =>
      "version" in event ? [{ version: event.version, [event.name]: event.value }] : []
    )
    const receipts = events.find(({ name }) => name === "receipts")?.value
    return JSON.stringify({ updates, version, ...(receipts === undefined ? {} : { receipts }) })
  }
  const writer = encoding === "lines" ? lineEncoding : eventEncoding
  let current = version
  return decoder.decode(
    Buffer.concat([
      writer.start,
      ...events.map((event) => {
        const body = JSON.stringify(event.value)
        if (event.name === "receipts") return writer.member("receipts", current, body)
        current = event.version
        if (event.name === "snapshot") return writer.snapshot(current, body)
        return writer.item({ name: event.name, version: current, body, patches: [] })("")
      })
    ])
  )
}

/** The updates of a text that comes in pieces and is cut off after `length` characters. */
const decode = async (encoding: Encoding, text: string, length: number, random: () => number) => {
  let at = 0
  const updates: Array<MessagesUpdate> = []
  const read = async () => {
    if (at >= length) return undefined
    const end = Math.min(length, at + 1 + Math.floor(random() * 200))
    const piece = text.slice(at, end)
    at = end
    return piece
  }
  try {
    for await (const { version, ...parts } of decoders[encoding].decode(read)) {
      const update = version === undefined ? parts : { version, ...parts }
      if (Object.keys(update).length > 0) updates.push(update as MessagesUpdate)
    }
  } catch (error) {
    // A poll that is cut off is not JSON.
    assert.instanceOf(error, SyntaxError)
  }
  return updates
}

const Step = Schema.Struct({
  kind: Schema.Literals(["send", "send", "edit", "erase", "react", "read", "connect", "connect", "repeat", "block"]),
  seed: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))
})

describe("the copy of a conversation", () => {
  for (const encoding of ["lines", "events", "poll"] as const) {
    it.effect.prop(
      `equals a fresh GET after any history, cuts and repeats: ${encoding}`,
      [Schema.Array(Step).check(Schema.isMinLength(20), Schema.isMaxLength(120))],
      ([steps]) =>
        Effect.promise(async () => {
          const model = new Model()
          let log: Log = emptyLog
          let last: ReadonlyArray<MessagesUpdate> = []
          const connect = async (share: number, random: () => number) => {
            const text = encode(encoding, model.since(log.version), String(model.head))
            last = await decode(encoding, text, Math.ceil(text.length * share), random)
            for (const update of last) log = reduce(log, update)
          }
          for (const { kind, seed } of steps) {
            const random = randomOf(seed)
            if (kind === "send") for (let count = 1 + Math.floor(random() * 20); count > 0; count--) model.send()
            if (kind === "edit") model.change(seed, (version) => ({ content: `edit ${version}`, editedAt: "now" }))
            if (kind === "erase") model.change(seed, () => ({ content: null, deletedAt: "now" }))
            if (kind === "react") {
              model.change(seed, () => ({ reactions: [{ emoji: "👍", count: 1, userIds: ["ada"] }] }))
            }
            if (kind === "read") model.read(seed, seed % (model.head + 1))
            if (kind === "block") model.snapshotsFrom = model.head
            // A snapshot is one line: half of the connections last to their end.
            if (kind === "connect") await connect(Math.min(1, 2 * random()), random)
            // The answer to a send or an edit, which may come later than a newer version of the message.
            if (kind === "repeat" && log.version !== undefined) {
              const message = model.changes[seed % Math.max(1, model.changes.length)]
              if (message !== undefined) log = putMessage(log, message)
            }
          }
          await connect(1, Math.random)
          const page = model.page(Math.max(50, log.messages.length))
          const count = log.messages.length
          assert.isTrue(count >= Math.min(50, model.messages.length))
          assert.deepStrictEqual(log.messages, page.messages.slice(-count))
          assert.deepStrictEqual(log.receipts, page.receipts)
          assert.strictEqual(log.before === null, count === model.messages.length)
        })
    )
  }

  it("keeps the objects of the messages that an update leaves alone, so that a view draws one message", () => {
    const model = new Model()
    for (let count = 0; count < 3; count++) model.send()
    const before = reduce(emptyLog, { version: "3", snapshot: model.page() })
    const [first, second, third] = before.messages
    assert(second !== undefined)
    const after = reduce(before, { version: "4", message: { ...second, version: 4, content: "edited" } })
    assert.strictEqual(after.messages[0], first)
    assert.strictEqual(after.messages[2], third)
    assert.strictEqual(after.messages[1]?.content, "edited")
  })
})
