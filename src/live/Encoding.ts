import * as Braid from "../braid/Update.ts"

/** A new or replaced item in a resource at a version. */
export interface Item {
  /** Its kind: the event's type, or the member that holds it. */
  readonly name: string
  readonly version: string
  /** JSON. */
  readonly body: string
  /** The same as patches: JSON, and the range or selector (RFC 9535) of the part that it replaces. */
  readonly patches: ReadonlyArray<{ readonly contentRange: string; readonly body: string }>
}

/** An item encoded once, for any number of receivers: its bytes for a receiver at `previous`. */
export type EncodedItem = (previous: string) => Uint8Array

/** How a stream is written: the same updates, in one of three ways. */
export interface Encoding {
  /** The media type in `Accept` that asks for it. */
  readonly mediaType: string
  readonly contentType: string
  /** The first chunk: without one no head is sent, and the client waits for the head. */
  readonly start: Uint8Array
  /** The whole resource, as JSON, at a version. */
  readonly snapshot: (version: string, body: string) => Uint8Array
  readonly item: (item: Item) => EncodedItem
  /** A member of the resource, as JSON, that changed without a new version. `version` is the one that the receiver has. */
  readonly member: (name: string, version: string, body: string) => Uint8Array
  readonly heartbeat: Uint8Array
}

const encoder = new TextEncoder()

/**
 * JSON without anything that a reader may take for the end of a line. JSON escapes the control characters of ASCII; the
 * `splitlines` of Python, among others, also ends a line at the three that Unicode adds. They stand in strings alone, where
 * an escape means the same.
 */
const onOneLine = (json: string): string =>
  json.replace(/[\u0085\u2028\u2029]/g, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** Checks a name or a version, for a format without escapes. Our own code makes both, so one that could end a line is a defect. */
const word = (text: string): string => {
  if (!/^[\x21-\x7e]+$/.test(text)) throw new TypeError(`${JSON.stringify(text)} is not a word of printable ASCII`)
  return text
}

/** Braid-HTTP (draft-toomim-httpbis-braid-http-04). */
export const braidEncoding: Encoding = {
  mediaType: "application/http-history",
  contentType: "application/http-history",
  start: Braid.blankLine,
  snapshot: (version, body) =>
    Braid.encodeUpdate({
      _tag: "Snapshot",
      version: [version],
      parents: [],
      contentType: "application/json",
      body: encoder.encode(onOneLine(body))
    }).bytes,
  item: ({ patches, version }) => {
    // Encoded at once, so that the strings are not kept: nearly every item has a receiver.
    const frame = Braid.encodeUpdate({
      _tag: "Patches",
      version: [version],
      parents: [],
      contentType: "application/json",
      patches: patches.map(({ body, contentRange }) => ({ contentRange, content: encoder.encode(onOneLine(body)) }))
    })
    // Most receivers are at the same version, that of the last change.
    let latest: { readonly previous: string; readonly bytes: Uint8Array } | undefined
    return (previous) => {
      if (latest?.previous === previous) return latest.bytes
      latest = { previous, bytes: Braid.withParents(frame, [previous]) }
      return latest.bytes
    }
  },
  member: (name, version, body) =>
    Braid.encodeUpdate({
      _tag: "Patches",
      version: [version],
      parents: [version],
      contentType: "application/json",
      patches: [{ contentRange: `json .${name}`, content: encoder.encode(onOneLine(body)) }]
    }).bytes,
  heartbeat: Braid.blankLine
}

const event = (name: string, version: string, body: string) =>
  encoder.encode(`event: ${word(name)}\nid: ${word(version)}\ndata: ${onOneLine(body)}\n\n`)

/**
 * A comment alone. A blank line behind it would end an event: the HTML standard drops one without data, but common readers,
 * npm's `@microsoft/fetch-event-source` among them, hand it to the program.
 */
const comment = encoder.encode(":\n")

/** Server-sent events (the HTML standard, section 9.2), with comments as heartbeats. */
export const eventEncoding: Encoding = {
  mediaType: "text/event-stream",
  // The standard knows no other charset, but general HTTP libraries take text without one for Latin-1.
  contentType: "text/event-stream; charset=utf-8",
  start: comment,
  snapshot: (version, body) => event("snapshot", version, body),
  item: ({ body, name, version }) => {
    const bytes = event(name, version, body)
    return () => bytes
  },
  member: event,
  heartbeat: comment
}

const line = (name: string, version: string, body: string) =>
  encoder.encode(`{"version":${JSON.stringify(word(version))},${JSON.stringify(word(name))}:${onOneLine(body)}}\n`)

/**
 * One JSON value a line: `{version, snapshot}`, `{version, <name>}`, and `{}` as heartbeat. A {@link Encoding.member} comes
 * without the version: to a client that does not know the member, the line is a heartbeat.
 */
export const lineEncoding: Encoding = {
  mediaType: "application/x-ndjson",
  contentType: "application/x-ndjson",
  start: encoder.encode("{}\n"),
  snapshot: (version, body) => line("snapshot", version, body),
  item: ({ body, name, version }) => {
    const bytes = line(name, version, body)
    return () => bytes
  },
  member: (name, _, body) => encoder.encode(`{${JSON.stringify(word(name))}:${onOneLine(body)}}\n`),
  heartbeat: encoder.encode("{}\n")
}
