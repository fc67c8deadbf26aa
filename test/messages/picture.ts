import { assert } from "@effect/vitest"
import { UpdateParser } from "../../src/braid/UpdateParser.ts"
import {
  ask,
  poll,
  readPieces,
  readServerSentEvents,
  type Encoding,
  type Source
} from "../../src/conformance/Subscriber.ts"

// A picture is a state that is replaced part by part, as an inbox and presence are: each encoding tells the whole of it, or
// what changed.

/** An update that a subscriber to a picture gets. */
export interface Told<Page> {
  readonly version: string
  readonly parents?: ReadonlyArray<string>
  readonly snapshot?: Page
  readonly change?: Page
}

/** A part that a Braid patch replaces: its place and its new value. */
export interface Part {
  readonly contentRange: string
  readonly value: unknown
}

const decoder = new TextDecoder("utf-8", { fatal: true })

async function* readBraid<Page>(
  body: AsyncIterable<Uint8Array>,
  changeOf: (parts: ReadonlyArray<Part>) => Page
): AsyncGenerator<Told<Page>> {
  const parser = new UpdateParser()
  for await (const chunk of body) {
    for (const event of parser.push(chunk)) {
      if (event._tag === "Heartbeat") continue
      assert(event._tag === "Snapshot" || event._tag === "Patches", JSON.stringify(event))
      const { parents } = event
      const [version = ""] = event.version
      if (event._tag === "Snapshot") {
        yield { version, parents, snapshot: JSON.parse(decoder.decode(event.body)) as Page }
        continue
      }
      const parts = event.patches.map(({ content, contentRange }): Part => ({
        contentRange,
        value: JSON.parse(decoder.decode(content))
      }))
      yield { version, parents, change: changeOf(parts) }
    }
  }
}

async function* readEvents<Page>(body: AsyncIterable<Uint8Array>): AsyncGenerator<Told<Page>> {
  for await (const { data, name, version } of readServerSentEvents(body, "change")) {
    yield { version, [name]: JSON.parse(data) }
  }
}

async function* readLines<Page>(body: AsyncIterable<Uint8Array>): AsyncGenerator<Told<Page>> {
  for await (const line of readPieces(body, "\n")) if (line !== "{}") yield JSON.parse(line) as Told<Page>
}

/** Reads the updates of a subscriber, from a version on or from the start. `changeOf` makes one change of Braid's parts. */
export const teller = <Page>(changeOf: (parts: ReadonlyArray<Part>) => Page) =>
  async function* told(
    source: Source,
    encoding: Encoding,
    from?: string,
    signal?: AbortSignal
  ): AsyncGenerator<Told<Page>> {
    if (encoding !== "poll") {
      const { body } = await ask(source, encoding, from, signal)
      assert(body !== null)
      return yield* encoding === "braid"
        ? readBraid(body, changeOf)
        : encoding === "events"
          ? readEvents<Page>(body)
          : readLines<Page>(body)
    }
    for (let after = from; ;) {
      const { updates, version } = await poll(source, "60s", after, signal)
      const told = updates as ReadonlyArray<unknown> as ReadonlyArray<Told<Page>>
      assert.strictEqual(version, told.at(-1)?.version ?? after)
      yield* told
      after = version
    }
  }
