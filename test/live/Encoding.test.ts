import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { UpdateParser } from "../../src/braid/UpdateParser.ts"
import { braidEncoding, eventEncoding, lineEncoding, type Encoding } from "../../src/live/Encoding.ts"

const decoder = new TextDecoder("utf-8", { fatal: true })

const pythonEnds = String.fromCharCode(0x0a, 0x0b, 0x0c, 0x0d, 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029)

/** The lines of a text as Python's `str.splitlines` ends them. */
const pythonLines = (text: string) => text.split(new RegExp(`\r\n|[${pythonEnds}]`))

interface Event {
  readonly name: string
  readonly id: string
  readonly data: string
}

/**
 * Reads server-sent events. `isStrict` as the HTML standard has it: without data nothing is dispatched. Else as npm's
 * `@microsoft/fetch-event-source` reads them: each blank line dispatches what there is, be it nothing.
 */
const readEvents = (lines: ReadonlyArray<string>, isStrict: boolean): ReadonlyArray<Event> => {
  const events: Array<Event> = []
  let event: { name: string; id: string; data: string | undefined } = { name: "", id: "", data: undefined }
  for (const line of lines) {
    const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? assert.fail(line)
    if (line === "") {
      if (!isStrict || event.data !== undefined) events.push({ ...event, data: event.data ?? "" })
      event = { name: "", id: event.id, data: undefined }
    } else if (field === "event") event.name = value
    else if (field === "id") event.id = value
    else if (field === "data") event.data = event.data === undefined ? value : `${event.data}\n${value}`
    else assert.strictEqual(field, "", `no field of an event: ${line}`)
  }
  return events
}

interface Told {
  readonly version: string
  readonly body: unknown
}

const eventsOf = (isStrict: boolean) => (bytes: Uint8Array) => {
  const lines = pythonLines(decoder.decode(bytes))
  assert.strictEqual(lines.pop(), "")
  return readEvents(lines, isStrict).map(({ data, id }): Told => ({ version: id, body: JSON.parse(data) }))
}

const linesOf = (bytes: Uint8Array): ReadonlyArray<Told> => {
  const lines = pythonLines(decoder.decode(bytes))
  assert.strictEqual(lines.pop(), "")
  return lines.flatMap((line) => {
    const { version, ...rest } = JSON.parse(line) as { readonly version?: string }
    return version === undefined ? [] : [{ version, body: Object.values(rest)[0] }]
  })
}

const braidOf = (bytes: Uint8Array): ReadonlyArray<Told> =>
  new UpdateParser().push(bytes).flatMap((event) => {
    if (event._tag === "Heartbeat") return []
    assert(event._tag === "Snapshot" || event._tag === "Patches")
    const [version = ""] = event.version
    const bodies = event._tag === "Snapshot" ? [event.body] : event.patches.map(({ content }) => content)
    return bodies.map((body) => {
      const text = decoder.decode(body)
      assert.deepStrictEqual(pythonLines(text), [text])
      return { version, body: JSON.parse(text) }
    })
  })

const readers: ReadonlyArray<readonly [string, Encoding, (bytes: Uint8Array) => ReadonlyArray<Told>]> = [
  ["Braid", braidEncoding, braidOf],
  ["server-sent events, by the standard", eventEncoding, eventsOf(true)],
  ["server-sent events, by who dispatches at each blank line", eventEncoding, eventsOf(false)],
  ["lines", lineEncoding, linesOf]
]

/** A stream that tells values, with heartbeats before, between and after them. */
const streamOf = (encoding: Encoding, values: ReadonlyArray<unknown>): Uint8Array =>
  Buffer.concat([
    encoding.start,
    ...values.flatMap((value, index) => {
      const body = JSON.stringify(value)
      const version = String(index)
      const bytes =
        index === 0
          ? encoding.snapshot(version, body)
          : encoding.item({ name: "message", version, body, patches: [{ contentRange: "json .", body }] })("0")
      return [encoding.heartbeat, bytes, encoding.heartbeat]
    })
  ])

const told = (values: ReadonlyArray<unknown>): ReadonlyArray<Told> =>
  // As JSON has them: it knows no -0.
  values.map((value, index) => ({ version: String(index), body: JSON.parse(JSON.stringify(value)) as unknown }))

/** All code points that UTF-8 has bytes for, 4,096 in a text, each between letters. */
const allCodePoints = Array.from({ length: 0x11_0000 / 4_096 }, (_, plane) =>
  Array.from({ length: 4_096 }, (_, index) => plane * 4_096 + index)
    .filter((point) => point < 0xd800 || point > 0xdfff)
    .map((point) => `a${String.fromCodePoint(point)}`)
    .join("")
)

describe.each(readers)("%s", (_, encoding, read) => {
  it("brings every code point there is, in values and in names of members, to who reads lines as Python does", () => {
    for (const text of allCodePoints) {
      const values = [{ content: text }, { [text]: text }]
      assert.deepStrictEqual(read(streamOf(encoding, values)), told(values))
    }
  })

  it.prop(
    "brings any values, and its heartbeats are none",
    { values: Arbitrary.array(Arbitrary.schema(Schema.Json), { maxLength: 5 }) },
    ({ values }) => {
      assert.deepStrictEqual(read(streamOf(encoding, values)), told(values))
    }
  )
})

describe.each([
  ["server-sent events", eventEncoding],
  ["lines", lineEncoding]
] as const)("%s", (_, encoding) => {
  it.each(["", "a b", "1\n", "1\r", "1\u2028", "é", "\u0000"])("have no version, and no name, like %j", (text) => {
    assert.throws(() => encoding.snapshot(text, "{}"), TypeError)
    assert.throws(() => encoding.item({ name: text, version: "1", body: "{}", patches: [] }), TypeError)
  })
})
