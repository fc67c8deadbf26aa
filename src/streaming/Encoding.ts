import * as Braid from "../braid/Update.ts"

/** What is new, or replaced, in a resource at a version. */
export interface Item {
  /** What it is: the event's type, or the member that holds it. */
  readonly name: string
  readonly version: string
  /** JSON. */
  readonly body: string
  /** The same for who applies patches: JSON, and the range or selector (RFC 9535) of what it replaces. */
  readonly patches: ReadonlyArray<{ readonly contentRange: string; readonly body: string }>
}

/** An item encoded once, for any number of receivers: the bytes for one who is at `previous`. */
export type EncodedItem = (previous: string) => Uint8Array

/** How a stream is written: the same updates, in one of three ways. */
export interface Encoding {
  readonly contentType: string
  /** The first chunk: without one no head is sent, and the client waits for the head. */
  readonly start: Uint8Array
  /** The whole resource, as JSON, at a version. */
  readonly snapshot: (version: string, body: string) => Uint8Array
  readonly item: (item: Item) => EncodedItem
  readonly heartbeat: Uint8Array
}

const encoder = new TextEncoder()

/** Braid-HTTP (draft-toomim-httpbis-braid-http-04). */
export const braidEncoding: Encoding = {
  contentType: "application/http-history",
  start: Braid.blankLine,
  snapshot: (version, body) =>
    Braid.encodeUpdate({
      _tag: "Snapshot",
      version: [version],
      parents: [],
      contentType: "application/json",
      body: encoder.encode(body)
    }).bytes,
  item: ({ patches, version }) => {
    let frame: Braid.Frame | undefined
    // Most receivers come from the same version: that of the last change.
    let latest: { readonly previous: string; readonly bytes: Uint8Array } | undefined
    return (previous) => {
      if (latest?.previous === previous) return latest.bytes
      frame ??= Braid.encodeUpdate({
        _tag: "Patches",
        version: [version],
        parents: [previous],
        contentType: "application/json",
        patches: patches.map(({ body, contentRange }) => ({ contentRange, content: encoder.encode(body) }))
      })
      latest = { previous, bytes: Braid.withParents(frame, [previous]) }
      return latest.bytes
    }
  },
  heartbeat: Braid.blankLine
}

/** JSON has no line breaks of its own, so one data line is enough. */
const event = (name: string, version: string, body: string) =>
  encoder.encode(`event: ${name}\nid: ${version}\ndata: ${body}\n\n`)

/** Server-sent events (the HTML standard, section 9.2), with comments as heartbeats. */
export const eventEncoding: Encoding = {
  contentType: "text/event-stream",
  start: encoder.encode(": \n\n"),
  snapshot: (version, body) => event("snapshot", version, body),
  item: ({ body, name, version }) => {
    const bytes = event(name, version, body)
    return () => bytes
  },
  heartbeat: encoder.encode(": \n\n")
}

const line = (name: string, version: string, body: string) =>
  encoder.encode(`{"version":"${version}","${name}":${body}}\n`)

/** One JSON value a line: `{version, snapshot}`, `{version, <name>}`, and `{}` as heartbeat. */
export const lineEncoding: Encoding = {
  contentType: "application/x-ndjson",
  start: encoder.encode("{}\n"),
  snapshot: (version, body) => line("snapshot", version, body),
  item: ({ body, name, version }) => {
    const bytes = line(name, version, body)
    return () => bytes
  },
  heartbeat: encoder.encode("{}\n")
}
