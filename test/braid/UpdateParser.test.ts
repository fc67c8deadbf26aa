import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { blankLine, encodeUpdate, type Update } from "../../src/braid/Update.ts"
import { UpdateParser, type Heartbeat, type StreamEvent, type UpdateLimits } from "../../src/braid/UpdateParser.ts"
import { anyUpdate, bytes, conversation } from "./updates.ts"

const heartbeat: Heartbeat = { _tag: "Heartbeat" }

const concatenate = (parts: ReadonlyArray<Uint8Array>) => new Uint8Array(Buffer.concat(parts))

/** The stream's bytes, cut into pieces of these sizes in turn. */
const cut = (stream: Uint8Array, sizes: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let start = 0; start < stream.length;) {
    const end = start + (sizes[chunks.length % sizes.length] ?? stream.length)
    chunks.push(stream.subarray(start, end))
    start = end
  }
  return chunks
}

const readChunks = (chunks: ReadonlyArray<Uint8Array>, limits?: UpdateLimits): ReadonlyArray<StreamEvent> => {
  const parser = new UpdateParser(limits)
  return chunks.flatMap((chunk) => parser.push(chunk))
}

const read = (stream: string, limits?: UpdateLimits) => readChunks([bytes(stream)], limits)

const refusal = (stream: string, limits?: UpdateLimits) => {
  const last = read(stream, limits).at(-1)
  assert(last?._tag === "Malformed", `${JSON.stringify(stream)} was read as ${JSON.stringify(last)}`)
  return last.reason
}

const anySizes = Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 300 }))), {
  maxLength: 10
})
const anyStream = Arbitrary.array(
  Arbitrary.flatMap(Arbitrary.schema(Schema.Boolean), (beat): Arbitrary.Arbitrary<Update | Heartbeat> =>
    beat ? Arbitrary.Constant(heartbeat) : anyUpdate
  ),
  { maxLength: 12 }
)

const encode = (event: Update | Heartbeat): Uint8Array =>
  event._tag === "Heartbeat" ? blankLine : encodeUpdate(event).bytes

describe("The body of a subscription", () => {
  it.prop("gives the updates that were sent, wherever the bytes are cut", [anyStream, anySizes], ([events, sizes]) => {
    const sent = events.map((event) =>
      // A version is a set, and written sorted.
      event._tag === "Heartbeat" ? event : { ...event, version: event.version.toSorted() }
    )
    assert.deepStrictEqual(readChunks(cut(concatenate(events.map(encode)), sizes)), sent)
  })

  it("gives each update at its last byte", () => {
    const parser = new UpdateParser()
    for (const update of conversation) {
      // All but the two line ends that follow the content.
      const stream = encodeUpdate(update).bytes
      const seen = cut(stream, [1]).map((byte) => parser.push(byte))
      assert.deepStrictEqual(seen[stream.length - 5], [update])
      assert.deepStrictEqual(seen.flat(), [update])
    }
  })

  it("opens with a blank line, a heartbeat like those between updates", () => {
    const events = [heartbeat, conversation[0]!, heartbeat, heartbeat, conversation[1]!]
    assert.deepStrictEqual(readChunks(events.map(encode)), events)
  })

  it("may be written as other servers do: bare line feeds, other start lines, any case, more headers", () => {
    const update: Update = {
      _tag: "Snapshot",
      version: ["2", "3"],
      parents: ["1"],
      contentType: "text/plain",
      body: bytes("hi")
    }
    const headers = `vErSiOn:"2","3"\nPARENTS: "1"\nMerge-Type: sync9\ncontent-type:  text/plain \ncontent-length: 2\n\nhi\n\n`
    for (const start of ["", "HTTP 200 OK\n", "HTTP/1.1 200 OK\n", "HTTP/2 200\n"]) {
      assert.deepStrictEqual(read(start + headers), [update])
    }
  })

  it("may repeat a header instead of listing its values", () => {
    const [update] = read(`HTTP 200 OK\r\nVersion: "2"\r\nVersion: "3"\r\nContent-Length: 0\r\n\r\n`)
    assert.deepStrictEqual(update, { _tag: "Snapshot", version: ["2", "3"], parents: [], body: bytes("") })
  })

  it("may have one patch in the form of many, with the length of all", () => {
    const stream = `Version: "2"\r\nParents: "1"\r\nContent-Length: 45\r\nPatches: 1\r\n\r\nContent-Length: 4\r\nContent-Range: json [0]\r\n\r\ntrue\r\n\r\n`
    assert.deepStrictEqual(read(stream), [
      {
        _tag: "Patches",
        version: ["2"],
        parents: ["1"],
        patches: [{ contentRange: "json [0]", content: bytes("true") }]
      }
    ])
  })

  it("may report a deletion, whose body is skipped", () => {
    assert.deepStrictEqual(read(`HTTP 404 Not Found\r\nVersion: "2"\r\nContent-Length: 4\r\n\r\ngone\r\n\r\n\r\n`), [
      { _tag: "Deletion", version: ["2"], parents: [] },
      heartbeat
    ])
  })

  it("is malformed from the first thing that cannot be understood, with one sentence", () => {
    const head = `HTTP 200 OK\r\nVersion: "1"\r\n`
    assert.match(refusal("nonsense\r\n\r\n"), /header line/)
    assert.match(refusal(`HTTP 200 OK\r\n: "1"\r\n\r\n`), /header line/)
    assert.match(refusal(`HTTP 200 OK\r\nContent-Length: 0\r\n\r\n`), /no Version/)
    assert.match(refusal(`HTTP 200 OK\r\nVersion: 1\r\nContent-Length: 0\r\n\r\n`), /^Version must be/)
    assert.match(refusal(`${head}Parents: 1\r\nContent-Length: 0\r\n\r\n`), /^Parents must be/)
    assert.match(refusal(`HTTP 104 Multiresponse\r\nVersion: "1"\r\nContent-Length: 0\r\n\r\n`), /status 104/)
    assert.match(refusal(`${head}\r\n`), /no Content-Length/)
    for (const length of ["", "-1", "1.5", "1e3", "0x10", "2\r\nContent-Length: 2"]) {
      assert.match(refusal(`${head}Content-Length: ${length}\r\n\r\n`), /Content-Length must be a number/)
    }
    assert.match(refusal(`${head}Patches: many\r\n\r\n`), /Patches must be a number/)
    assert.match(refusal(`${head}Patches: 1\r\n\r\nContent-Length: 0\r\n\r\n`), /no Content-Range/)
    assert.match(refusal(`${head}Patches: 1\r\n\r\nContent-Range: json [0]\r\n\r\n`), /no Content-Length/)
  })

  it("gives the updates before a malformed one, and nothing after it", () => {
    const parser = new UpdateParser()
    const [first] = conversation.map((update) => encodeUpdate(update).bytes)
    assert.deepStrictEqual(
      parser.push(concatenate([first!, bytes("nonsense\r\n\r\n")])).map((event) => event._tag),
      ["Snapshot", "Malformed"]
    )
    assert.deepStrictEqual(parser.push(first!), [])
  })

  it("is malformed once an update exceeds the limits of memory", () => {
    const limits: UpdateLimits = { headers: 100, content: 100 }
    const head = `HTTP 200 OK\r\nVersion: "1"\r\n`
    assert.match(refusal("x".repeat(101), limits), /more than 100 bytes/)
    assert.match(refusal("x: y\r\n".repeat(20), limits), /more than 100 bytes/)
    assert.match(refusal(`${head}Content-Length: 101\r\n\r\n`, limits), /larger than 100/)
    assert.strictEqual(read(`${head}Content-Length: 100\r\n\r\n${"x".repeat(100)}`, limits)[0]?._tag, "Snapshot")
    const patch = `Content-Length: 10\r\nContent-Range: a\r\n\r\n${"x".repeat(10)}\r\n\r\n`
    assert.strictEqual(read(`${head}Patches: 2\r\n\r\n${patch.repeat(2)}`, limits)[0]?._tag, "Patches")
    assert.match(refusal(`${head}Patches: 3\r\n\r\n${patch.repeat(3)}`, limits), /more than|larger than/)
  })

  it.prop("is read or malformed, whatever it holds, and never throws", [anyStream, anySizes, anySizes], (values) => {
    const [events, sizes, damage] = values
    const stream = concatenate(events.map(encode))
    let at = 0
    for (const step of damage) {
      at += step
      if (at < stream.length) stream[at] = step
    }
    const seen = readChunks(cut(stream, sizes)).map((event) => event._tag)
    assert.isTrue(seen.indexOf("Malformed") === -1 || seen.indexOf("Malformed") === seen.length - 1)
  })
})
