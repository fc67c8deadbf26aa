import { Schema } from "effect"
import { blankLine, encodeUpdate } from "../braid/Update.ts"
import type { Position } from "../messaging/Conversation.ts"
import { MessagePage } from "../messaging/Message.ts"
import type { Update } from "./Subscriptions.ts"

const encoder = new TextEncoder()
const encodePage = Schema.encodeSync(Schema.fromJsonString(MessagePage))

/** How a stream is written: the same updates, in one of three ways. */
export interface Encoding {
  readonly contentType: string
  /** The first chunk: without one no head is sent, and the client waits for the head. */
  readonly start: Uint8Array
  readonly snapshot: (version: Position, page: MessagePage) => Uint8Array
  readonly change: (update: Update & { readonly _tag: "Change" }) => Uint8Array
  readonly heartbeat: Uint8Array
}

/** Braid-HTTP (draft-toomim-httpbis-braid-http-04). */
export const braidEncoding: Encoding = {
  contentType: "application/http-history",
  start: blankLine,
  snapshot: (version, page) =>
    encodeUpdate({
      _tag: "Snapshot",
      version: [String(version)],
      parents: [],
      contentType: "application/json",
      body: encoder.encode(encodePage(page))
    }).bytes,
  change: ({ frame, previous }) => frame.asBraid(previous),
  heartbeat: blankLine
}

/** Server-sent events (the HTML standard, section 9.2): `snapshot` and `message`, and comments as heartbeats. */
export const eventEncoding: Encoding = {
  contentType: "text/event-stream",
  start: encoder.encode(": \n\n"),
  snapshot: (version, page) => encoder.encode(`event: snapshot\nid: ${version}\ndata: ${encodePage(page)}\n\n`),
  change: ({ frame }) => frame.asEvent,
  heartbeat: encoder.encode(": \n\n")
}

/** One JSON value a line: `{version, snapshot}`, `{version, message}`, and `{}` as heartbeat. */
export const lineEncoding: Encoding = {
  contentType: "application/x-ndjson",
  start: encoder.encode("{}\n"),
  snapshot: (version, page) => encoder.encode(`{"version":"${version}","snapshot":${encodePage(page)}}\n`),
  change: ({ frame }) => frame.asLine,
  heartbeat: encoder.encode("{}\n")
}

/** The bytes of an update. */
export const encodeWith =
  (encoding: Encoding) =>
  (update: Update): Uint8Array => {
    switch (update._tag) {
      case "Snapshot":
        return encoding.snapshot(update.version, update.page)
      case "Change":
        return encoding.change(update)
      case "Heartbeat":
      case "End":
        return encoding.heartbeat
    }
  }
