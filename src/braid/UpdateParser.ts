import { Input, lineFeed } from "./Input.ts"
import { malformed, parsed, type Malformed, type Parsed } from "./Parsed.ts"
import type { Patch, Update, Versioned } from "./Update.ts"
import { parseVersion } from "./Version.ts"

/** A blank line between updates: the server is alive, and nothing has changed. */
export interface Heartbeat {
  readonly _tag: "Heartbeat"
}

/** The resource is gone at `version`. XFChat never sends this; other Braid servers do. */
export interface Deletion extends Versioned {
  readonly _tag: "Deletion"
}

/** An event in the body of a 209 response. `Malformed` is the last one: nothing after it can be understood. */
export type StreamEvent = Update | Deletion | Heartbeat | Malformed

/** The most that is held of one update; a stream that exceeds it is malformed. */
export interface UpdateLimits {
  /** Bytes of the headers of an update or of a patch. */
  readonly headers: number
  /** Bytes of a body, or of all patches of an update with their headers. */
  readonly content: number
}

/** Room for the longest versions in `Version` and `Parents`, and for a body of 16 MiB. */
export const defaultUpdateLimits: UpdateLimits = { headers: 256 * 1024, content: 16 * 1024 * 1024 }

const carriageReturn = 13

/** A parse that goes on as bytes arrive: each `yield` waits for more of them. */
type Reading<A> = Generator<undefined, A, undefined>

interface Head {
  readonly status: number
  /** By lower-case name. */
  readonly fields: ReadonlyMap<string, string>
  /** How many bytes it took. */
  readonly size: number
}

const decoder = new TextDecoder()

const startLine = /^HTTP(?:\/\d(?:\.\d)?)? (\d{3})(?: .*)?$/

const parseHead = (lines: ReadonlyArray<string>, size: number): Parsed<Head> => {
  // An update without a start line is of a draft before 04. Patches have none.
  const start = startLine.exec(lines[0] ?? "")
  const fields = new Map<string, string>()
  for (const line of start === null ? lines : lines.slice(1)) {
    const colon = line.indexOf(":")
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase()
    if (!/^[\w-]+$/.test(name)) return malformed("An update has a header line that is not `name: value`.")
    const value = line.slice(colon + 1).trim()
    const before = fields.get(name)
    fields.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return parsed({ status: start === null ? 200 : Number(start[1]), fields, size })
}

const parseCount = (header: string, fields: Head["fields"], maximum: number): Parsed<number> => {
  const value = fields.get(header.toLowerCase())
  if (value === undefined) return malformed(`An update or a patch has no ${header}.`)
  if (!/^\d+$/.test(value)) return malformed(`${header} must be a number.`)
  return Number(value) > maximum ? malformed(`${header} is larger than ${maximum}.`) : parsed(Number(value))
}

function* readHead(input: Input, limit: number): Reading<Parsed<Head>> {
  const lines: Array<string> = []
  let left = limit
  for (;;) {
    const length = input.lineLength()
    if ((length ?? input.length) > left) return malformed(`The headers of an update have more than ${limit} bytes.`)
    if (length === undefined) {
      yield
      continue
    }
    left -= length
    const line = decoder.decode(input.take(length)).replace(/\r?\n$/, "")
    if (line === "") return parseHead(lines, limit - left)
    lines.push(line)
  }
}

function* readBytes(input: Input, length: number): Reading<Uint8Array> {
  while (input.length < length) yield
  // A copy, so that a small body does not keep the whole buffer alive.
  return input.take(length).slice()
}

/** Skips empty lines up to the first byte of something else. */
function* skipBlankLines(input: Input, onLine: () => void): Reading<void> {
  for (;;) {
    const byte = input.peek()
    if (byte === undefined) {
      yield
      continue
    }
    if (byte === lineFeed) onLine()
    else if (byte !== carriageReturn) return
    input.skip()
  }
}

function* readPatches(input: Input, count: number, limits: UpdateLimits): Reading<Parsed<ReadonlyArray<Patch>>> {
  const patches: Array<Patch> = []
  let left = limits.content
  while (patches.length < count) {
    yield* skipBlankLines(input, () => {})
    const head = yield* readHead(input, Math.min(limits.headers, left))
    if (head._tag === "Malformed") return head
    const contentRange = head.value.fields.get("content-range")
    if (contentRange === undefined) return malformed("A patch has no Content-Range.")
    left -= head.value.size
    const length = parseCount("Content-Length", head.value.fields, left)
    if (length._tag === "Malformed") return length
    left -= length.value
    patches.push({ contentRange, content: yield* readBytes(input, length.value) })
  }
  return parsed(patches)
}

function* readUpdate(input: Input, limits: UpdateLimits): Reading<Parsed<Update | Deletion>> {
  const head = yield* readHead(input, limits.headers)
  if (head._tag === "Malformed") return head
  const { status, fields } = head.value
  if (status !== 200 && status !== 404)
    return malformed(`An update has the status ${status}, which has no meaning here.`)

  const versionField = fields.get("version")
  // Legal for a resource without versions, but such a subscription could not be resumed.
  if (versionField === undefined) return malformed("An update has no Version.")
  const version = parseVersion("Version", versionField)
  if (version._tag === "Malformed") return version
  const parents = parseVersion("Parents", fields.get("parents") ?? "")
  if (parents._tag === "Malformed") return parents
  const versions = { version: version.value, parents: parents.value }

  const contentType = fields.get("content-type")
  const type = contentType === undefined ? {} : { contentType }
  const contentRange = fields.get("content-range")

  // Where an update has both, Content-Length is that of all patches together (braid-http-04, section 3.3), each of
  // which has its own.
  if (fields.has("patches")) {
    const count = parseCount("Patches", fields, limits.content)
    if (count._tag === "Malformed") return count
    const patches = yield* readPatches(input, count.value, limits)
    if (patches._tag === "Malformed") return patches
    if (status === 404) return parsed({ _tag: "Deletion", ...versions })
    return parsed({ _tag: "Patches", ...versions, ...type, patches: patches.value })
  }
  const length = parseCount("Content-Length", fields, limits.content)
  if (length._tag === "Malformed") return length
  const body = yield* readBytes(input, length.value)
  if (status === 404) return parsed({ _tag: "Deletion", ...versions })
  return parsed(
    contentRange === undefined
      ? { _tag: "Snapshot", ...versions, ...type, body }
      : { _tag: "Patches", ...versions, ...type, patches: [{ contentRange, content: body }] }
  )
}

function* readStream(input: Input, limits: UpdateLimits, emit: (event: StreamEvent) => void): Reading<void> {
  // An update is followed by two line ends, which end the line of its content and leave one blank.
  let lineEnds = 0
  for (;;) {
    yield* skipBlankLines(input, () => {
      if (lineEnds > 0) lineEnds -= 1
      else emit({ _tag: "Heartbeat" })
    })
    const update = yield* readUpdate(input, limits)
    emit(update._tag === "Parsed" ? update.value : update)
    if (update._tag === "Malformed") return
    lineEnds = 2
  }
}

/**
 * Reads the body of a 209 response in whatever pieces it arrives.
 *
 * - An update without `Parents` is read as one whose parents are the root.
 * - Unknown headers, and the body of a deletion, are skipped.
 * - After an update that a server ends with fewer than two line ends, the first heartbeats count as the missing ones. To tell
 *   a dead connection from a quiet one, take any bytes for life, as the reference client does.
 */
export class UpdateParser {
  private readonly input = new Input()
  private readonly reading: Reading<void>
  private events: Array<StreamEvent> = []
  private ended = false

  constructor(limits: UpdateLimits = defaultUpdateLimits) {
    this.reading = readStream(this.input, limits, (event) => this.events.push(event))
  }

  /** Takes the next bytes, cut anywhere, and returns the events that they complete; none after `Malformed`. */
  push(chunk: Uint8Array): ReadonlyArray<StreamEvent> {
    if (this.ended) return []
    this.input.push(chunk)
    this.ended = this.reading.next().done === true
    const events = this.events
    this.events = []
    return events
  }
}
