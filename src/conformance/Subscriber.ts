import { UpdateParser } from "../braid/UpdateParser.ts"
import { assert } from "./Assert.ts"
import type { Person } from "./Client.ts"
import { ask as askServer, shorten } from "./Server.ts"

/** A message as a client reads it. */
export interface Message {
  readonly id: string
  readonly seq: number
  readonly version: number
  readonly senderId: string | null
  readonly messageType: string
  readonly content: unknown
  readonly reactions: ReadonlyArray<{
    readonly emoji: string
    readonly count: number
    readonly userIds: ReadonlyArray<string>
  }>
  readonly editedAt: string | null
  readonly deletedAt: string | null
  readonly isDelivered: boolean
  readonly isRead: boolean
}

export type ReceiptList = ReadonlyArray<{
  readonly userId: string
  readonly deliveredSeq: number
  readonly readSeq: number
}>

export interface Page {
  readonly messages: ReadonlyArray<Message>
  readonly receipts: ReceiptList
  readonly before: string | null
  readonly after: string | null
}

/** The four ways to be kept informed. */
export const encodings = ["braid", "events", "lines", "poll"] as const
export type Encoding = (typeof encodings)[number]

/**
 * An update of a subscriber: a whole page, a message to append, to replace where it is, or whichever fits, or receipts, whose
 * version is the last one again where they have one.
 */
export type Told =
  | { readonly version: string; readonly parents?: ReadonlyArray<string>; readonly page: Page }
  | {
      readonly version: string
      readonly parents?: ReadonlyArray<string>
      readonly message: Message
      readonly place?: "append" | { readonly id: string }
    }
  | ToldReceipts
interface ToldReceipts {
  readonly version?: string
  readonly parents?: ReadonlyArray<string>
  readonly receipts: ReceiptList
}

/** The server and the user of a request. */
export interface Source {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  /** Of the messages of a conversation. */
  readonly url: string
  readonly token: string
  /** Gets a line for each update. */
  readonly trace?: (line: string) => void
}

/** The messages of a conversation, as a person reads them. */
export const sourceOf = ({ server, token = "" }: Person, messages: string): Source => ({
  fetch: (url, init) => askServer(server, url.slice(server.url.length), init),
  url: server.url + messages,
  token,
  ...(server.trace === undefined ? {} : { trace: server.trace })
})

/** The subscription was refused. */
export class Refused extends Error {
  readonly status: number
  constructor(status: number) {
    super(`refused: ${status}`)
    this.status = status
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true })
const parseJson = <A>(bytes: Uint8Array) => JSON.parse(decoder.decode(bytes)) as A

async function* readBraid(body: AsyncIterable<Uint8Array>): AsyncGenerator<Told> {
  const parser = new UpdateParser()
  for await (const chunk of body) {
    for (const event of parser.push(chunk)) {
      if (event._tag === "Heartbeat") continue
      assert(event._tag === "Snapshot" || event._tag === "Patches", JSON.stringify(event))
      const [version = ""] = event.version
      const { parents } = event
      if (event._tag === "Snapshot") {
        yield { version, parents, page: parseJson<Page>(event.body) }
        continue
      }
      for (const { content, contentRange } of event.patches) {
        if (contentRange === "json .receipts") {
          yield { version, parents, receipts: parseJson<ReceiptList>(content) }
          continue
        }
        const selector = /^json \.messages\[(?:-0:-0|\?\(@\.id=="([0-9a-f-]{36})"\))\]$/.exec(contentRange)
        assert(selector !== null, contentRange)
        const [, id] = selector
        yield { version, parents, message: parseJson<Message>(content), place: id === undefined ? "append" : { id } }
      }
    }
  }
}

/** Pieces of a text, each of which ends with `end`. */
export async function* readPieces(body: AsyncIterable<Uint8Array>, end: string): AsyncGenerator<string> {
  const text = new TextDecoder("utf-8", { fatal: true })
  let rest = ""
  for await (const chunk of body) {
    const pieces = (rest + text.decode(chunk, { stream: true })).split(end)
    rest = pieces.pop() ?? ""
    yield* pieces
  }
  assert.strictEqual(rest, "", "the stream was cut inside of an update")
}

/** Server-sent events: a snapshot, and changes by the names that they have there. */
export async function* readServerSentEvents(body: AsyncIterable<Uint8Array>, ...changes: ReadonlyArray<string>) {
  const pattern = new RegExp(`^event: (${["snapshot", ...changes].join("|")})\\nid: (\\S+)\\ndata: (.*)$`)
  let lines: Array<string> = []
  for await (const line of readPieces(body, "\n")) {
    if (line.startsWith(":")) continue
    if (line !== "") {
      lines.push(line)
      continue
    }
    const event = lines.join("\n")
    lines = []
    const [, name = "", version = "", data = ""] = pattern.exec(event) ?? assert.fail(`no event: ${event}`)
    yield { name, version, data }
  }
}

async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<Told> {
  for await (const { data, name, version } of readServerSentEvents(body, "message", "receipts")) {
    if (name === "snapshot") yield { version, page: JSON.parse(data) as Page }
    else if (name === "message") yield { version, message: JSON.parse(data) as Message }
    else yield { version, receipts: JSON.parse(data) as ReceiptList }
  }
}

interface Line {
  readonly version?: string
  readonly snapshot?: Page
  readonly message?: Message
  readonly receipts?: ReceiptList
}

/** A line, also of those in the answer to a long poll; nothing for a heartbeat. */
const toldBy = ({ message, receipts, snapshot, version }: Line): ReadonlyArray<Told> => {
  if (version === undefined) return receipts === undefined ? [] : [{ receipts }]
  if (snapshot !== undefined) return [{ version, page: snapshot }]
  assert(message !== undefined)
  return [{ version, message }]
}

async function* readLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<Told> {
  for await (const line of readPieces(body, "\n")) yield* toldBy(JSON.parse(line) as Line)
}

const readers = { braid: readBraid, events: readEvents, lines: readLines }

/** The head of the answer to a subscription from a version on, or from nothing. */
export const ask = async (
  { fetch, token, url }: Source,
  encoding: Exclude<Encoding, "poll">,
  from: string | undefined,
  signal?: AbortSignal
): Promise<Response> => {
  const after = from === undefined ? "" : `?after=${from}`
  const [path, headers] = {
    braid: [url, { subscribe: "true", ...(from === undefined ? {} : { parents: from === "" ? "" : `"${from}"` }) }],
    events: [url, { accept: "text/event-stream", ...(from === undefined ? {} : { "last-event-id": from }) }],
    lines: [url + after, { accept: "application/x-ndjson" }]
  }[encoding] as [string, Record<string, string>]
  const response = await fetch(path, {
    headers: { authorization: `Bearer ${token}`, ...headers },
    ...(signal === undefined ? {} : { signal })
  })
  if (response.status !== (encoding === "braid" ? 209 : 200)) throw new Refused(response.status)
  return response
}

export interface Polled {
  readonly updates: ReadonlyArray<Line>
  readonly version: string
  readonly receipts?: ReceiptList
}

/** One long poll. */
export const poll = async (
  { fetch, token, url }: Source,
  wait: string,
  after: string | undefined,
  signal?: AbortSignal
): Promise<Polled> => {
  const query = `?wait=${wait}${after === undefined ? "" : `&after=${after}`}`
  const response = await fetch(url + query, {
    headers: { authorization: `Bearer ${token}` },
    ...(signal === undefined ? {} : { signal })
  })
  if (response.status !== 200) throw new Refused(response.status)
  return (await response.json()) as Polled
}

async function* readPolls(source: Source, from: string | undefined, signal?: AbortSignal): AsyncGenerator<Told> {
  let after = from
  for (;;) {
    const { receipts, updates, version } = await poll(source, "60s", after, signal)
    // A first poll that a server ends while it stops may have no updates and say where the log begins.
    assert.strictEqual(version, updates.at(-1)?.version ?? after ?? version)
    yield* updates.flatMap(toldBy)
    if (receipts !== undefined) yield { receipts }
    after = version
  }
}

async function* readUpdates(...[source, encoding, from, signal]: Parameters<typeof told>): AsyncGenerator<Told> {
  if (encoding === "poll") return yield* readPolls(source, from, signal)
  const { body } = await ask(source, encoding, from, signal)
  assert(body !== null)
  yield* readers[encoding](body)
}

/**
 * The updates of a subscriber, from a version on or from the start, until the subscription ends or the subscriber leaves. With
 * long polls, the end is known when the next poll is refused.
 */
export async function* told(
  source: Source,
  encoding: Encoding,
  from?: string,
  signal?: AbortSignal
): AsyncGenerator<Told> {
  for await (const update of readUpdates(source, encoding, from, signal)) {
    source.trace?.(`  ${encoding}: ${shorten(JSON.stringify(update))}`)
    yield update
  }
}

/** The same without receipts. */
export async function* toldOfLog(...of: Parameters<typeof told>): AsyncGenerator<Exclude<Told, ToldReceipts>> {
  for await (const update of told(...of)) if (!("receipts" in update)) yield update
}

/** A subscriber's copy of a conversation: its first state and all updates since. */
export class Copy {
  readonly version: string | undefined
  readonly messages: ReadonlyArray<Message>
  readonly receipts: ReceiptList

  constructor(version: string | undefined, messages: ReadonlyArray<Message>, receipts: ReceiptList = []) {
    this.version = version
    this.messages = messages
    this.receipts = receipts
  }

  /** This copy after an update, which must fit: later than all before it, each message once and in the order of `seq`. */
  with(update: Told): Copy {
    const { parents, version } = update
    if ("page" in update) {
      if (parents !== undefined) assert.deepStrictEqual(parents, [])
      return new Copy(version, update.page.messages, update.page.receipts)
    }
    if ("receipts" in update) {
      if (version !== undefined) assert.strictEqual(version, this.version)
      if (parents !== undefined) assert.deepStrictEqual(parents, [String(this.version)])
      return new Copy(this.version, this.messages, update.receipts)
    }
    assert.isAbove(Number(version), Number(this.version ?? assert.fail("a change of nothing")))
    if (parents !== undefined) assert.deepStrictEqual(parents, [String(this.version)])
    const { message, place } = update
    const index = this.messages.findIndex(({ id }) => id === message.id)
    const isPosted = Number(version) === message.seq
    if (place !== undefined) assert.deepStrictEqual(place, isPosted ? "append" : { id: message.id })
    if (!isPosted) return this.at(version, index < 0 ? this.messages : this.messages.with(index, message))
    assert.isBelow(index, 0, `message ${message.seq} was appended twice`)
    assert.isAbove(message.seq, this.messages.at(-1)?.seq ?? 0)
    return this.at(version, [...this.messages, message])
  }

  private at(version: string | undefined, messages: ReadonlyArray<Message>): Copy {
    return new Copy(version, messages, this.receipts)
  }

  /** The messages with the flags that follow from the receipts, by the rule for clients. */
  get current(): ReadonlyArray<Message> {
    return this.messages.map((message) => {
      const others = this.receipts.filter(({ userId }) => userId !== message.senderId)
      const isVisible = message.messageType !== "hidden" && others.length > 0
      return {
        ...message,
        isDelivered: isVisible && others.every(({ deliveredSeq }) => deliveredSeq >= message.seq),
        isRead: isVisible && others.every(({ readSeq }) => readSeq >= message.seq)
      }
    })
  }

  /** All that the log says: receipts are not part of it. */
  get log(): ReadonlyArray<Message> {
    return this.messages.map((message) => ({ ...message, isDelivered: false, isRead: false }))
  }
}

/** The copy that a plain GET gives. */
export const get = async ({ fetch, token, url }: Source): Promise<Copy> => {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  if (response.status !== 200) throw new Refused(response.status)
  const { messages, receipts } = (await response.json()) as Page
  return new Copy(response.headers.get("version")?.replaceAll('"', ""), messages, receipts)
}
