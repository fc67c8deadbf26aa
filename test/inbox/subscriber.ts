import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { UpdateParser } from "../../src/braid/UpdateParser.ts"
import { TestServer, type TestUser } from "../../src/testing/index.ts"
import { isDeepStrictEqual } from "node:util"
import { call } from "../friends/caller.ts"
import { ask, poll, readPieces, type Encoding, type Source } from "../streaming/subscriber.ts"

/** An inbox as a client reads it, or the part of it that changed. */
export interface Page {
  readonly conversationIds: ReadonlyArray<string>
  readonly conversations: Readonly<Record<string, unknown>>
  readonly friends?: ReadonlyArray<unknown>
  readonly requests?: ReadonlyArray<unknown>
  readonly blocks?: ReadonlyArray<unknown>
}

/** What a subscriber is told. */
export interface Told {
  readonly version: string
  readonly parents?: ReadonlyArray<string>
  readonly snapshot?: Page
  readonly change?: Page
}

const decoder = new TextDecoder("utf-8", { fatal: true })

async function* readBraid(body: AsyncIterable<Uint8Array>): AsyncGenerator<Told> {
  const parser = new UpdateParser()
  for await (const chunk of body) {
    for (const event of parser.push(chunk)) {
      if (event._tag === "Heartbeat") continue
      assert(event._tag === "Snapshot" || event._tag === "Patches", JSON.stringify(event))
      const { parents } = event
      const [version = ""] = event.version
      if (event._tag === "Snapshot") {
        yield { version, parents, snapshot: JSON.parse(decoder.decode(event.body)) }
        continue
      }
      const conversations: Record<string, unknown> = {}
      const lists: Record<string, unknown> = {}
      for (const { content, contentRange } of event.patches) {
        const [, list = "", id] =
          /^json \.(conversations|conversationIds|friends|requests|blocks)(?:\["([0-9a-f-]{36})"\])?$/.exec(
            contentRange
          ) ?? assert.fail(contentRange)
        const value: unknown = JSON.parse(decoder.decode(content))
        if (id === undefined) lists[list] = value
        else conversations[id] = value
      }
      yield { version, parents, change: { conversationIds: [], conversations, ...lists } }
    }
  }
}

async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<Told> {
  for await (const event of readPieces(body, "\n\n")) {
    if (event.startsWith(":")) continue
    const [, name = "", version = "", data = ""] =
      /^event: (snapshot|change)\nid: (\S+)\ndata: (.*)$/.exec(event) ?? assert.fail(`no event: ${event}`)
    yield { version, [name]: JSON.parse(data) }
  }
}

async function* readLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<Told> {
  for await (const line of readPieces(body, "\n")) if (line !== "{}") yield JSON.parse(line) as Told
}

const readers = { braid: readBraid, events: readEvents, lines: readLines }

/** What a subscriber is told from a version on, or from nothing. */
async function* told(source: Source, encoding: Encoding, from?: string, signal?: AbortSignal): AsyncGenerator<Told> {
  if (encoding !== "poll") {
    const { body } = await ask(source, encoding, from, signal)
    assert(body !== null)
    return yield* readers[encoding](body)
  }
  for (let after = from; ;) {
    const { updates, version } = await poll(source, "60s", after, signal)
    yield* updates as ReadonlyArray<unknown> as ReadonlyArray<Told>
    after = version
  }
}

/** A subscriber and their copy. */
export class Subscriber {
  version: string | undefined
  page: Page | undefined
  private readonly leaving = new AbortController()
  private readonly source: AsyncGenerator<Told>

  constructor(source: Source, encoding: Encoding, from?: Pick<Subscriber, "version" | "page">) {
    this.version = from?.version
    this.page = from?.page
    this.source = told(source, encoding, this.version, this.leaving.signal)
  }

  /** Takes the next update. */
  async next(): Promise<Page> {
    const { done, value } = await this.source.next()
    assert(done !== true, "the stream ended")
    const { change, parents, snapshot, version } = value
    assert.notStrictEqual(version, this.version)
    if (snapshot !== undefined) {
      this.page = snapshot
    } else {
      if (parents !== undefined) assert.deepStrictEqual(parents, [`${this.version}`])
      assert(change !== undefined && this.page !== undefined)
      const known: Readonly<Record<string, unknown>> = { ...this.page.conversations, ...change.conversations }
      const conversations = Object.fromEntries(change.conversationIds.map((id) => [id, known[id]]))
      this.page = { ...this.page, ...change, conversations }
    }
    this.version = version
    return this.page
  }

  /** Takes updates until the copy is this. */
  async reach(page: Page): Promise<void> {
    while (!isDeepStrictEqual(this.page, page)) await this.next()
  }

  async leave(): Promise<void> {
    this.leaving.abort()
    await this.source.return(undefined)
  }
}

/** Subscribes until the scope closes. */
export const subscribe = Effect.fnUntraced(function* (
  { token }: TestUser,
  encoding: Encoding,
  from?: Pick<Subscriber, "version" | "page">
) {
  const { baseUrl, fetch } = yield* TestServer
  return yield* Effect.acquireRelease(
    Effect.sync(() => new Subscriber({ fetch, url: `${baseUrl}/api/inbox`, token }, encoding, from)),
    (subscriber) => Effect.promise(() => subscriber.leave())
  )
})

/** What a plain GET answers. */
export const inboxOf = (user: TestUser) => Effect.map(call(user, "GET", "/inbox"), ({ body }) => body as Page)
