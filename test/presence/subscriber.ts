import { assert } from "@effect/vitest"
import { UpdateParser } from "../../src/braid/UpdateParser.ts"
import { ask, poll, readPieces, type Encoding, type Source } from "../streaming/subscriber.ts"

/** Who is here and who types, as a client reads it. */
export interface Page {
  readonly people: Readonly<Record<string, { readonly status: string }>>
  readonly typing: Readonly<Record<string, ReadonlyArray<string>>>
}

/** What a subscriber is told: the whole anew, or what changed of it. */
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
      const change = { people: {} as Record<string, never>, typing: {} as Record<string, never> }
      for (const { content, contentRange } of event.patches) {
        const [, member, id = ""] = /^json \.(people|typing)\["([0-9a-f-]{36})"\]$/.exec(contentRange) ?? []
        change[member as keyof Page][id] = JSON.parse(decoder.decode(content)) as never
      }
      yield { version, parents, change }
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
export async function* told(
  source: Source,
  encoding: Encoding,
  from?: string,
  signal?: AbortSignal
): AsyncGenerator<Told> {
  if (encoding !== "poll") {
    const { body } = await ask(source, encoding, from, signal)
    assert(body !== null)
    return yield* readers[encoding](body)
  }
  for (let after = from; ;) {
    const { updates, version } = await poll(source, "60s", after, signal)
    assert.strictEqual(version, updates.at(-1)?.version ?? after)
    yield* updates as ReadonlyArray<unknown> as ReadonlyArray<Told>
    after = version
  }
}

/** A subscriber's copy. */
export class Copy {
  version: string | undefined
  private page: Page = { people: {}, typing: {} }

  constructor(version?: string) {
    this.version = version
  }

  take({ change, parents, snapshot, version }: Told): void {
    if (snapshot !== undefined) {
      if (parents !== undefined) assert.deepStrictEqual(parents, [])
      this.page = snapshot
    } else {
      if (parents !== undefined) assert.deepStrictEqual(parents, [String(this.version)])
      assert(change !== undefined)
      this.page = {
        people: { ...this.page.people, ...change.people },
        typing: { ...this.page.typing, ...change.typing }
      }
    }
    assert.notStrictEqual(version, this.version)
    this.version = version
  }

  get online(): ReadonlyArray<string> {
    const { people } = this.page
    return Object.keys(people)
      .filter((id) => people[id]?.status === "online")
      .sort()
  }

  get typing(): Readonly<Record<string, ReadonlyArray<string>>> {
    return Object.fromEntries(Object.entries(this.page.typing).filter(([, typers]) => typers.length > 0))
  }
}
