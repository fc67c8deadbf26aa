import { formatVersion, type Version } from "./Version.ts"

export interface Versioned {
  /** The version the resource has after this update. */
  readonly version: Version
  /** The version it had before, which the receiver must have to apply the update. */
  readonly parents: Version
}

/** The whole resource as it is at `version`. */
export interface Snapshot extends Versioned {
  readonly _tag: "Snapshot"
  readonly contentType?: string | undefined
  readonly body: Uint8Array
}

/** One replaced range of a resource. */
export interface Patch {
  /** The unit and the range, as `Content-Range` has them: `json .messages[-0:-0]`. Printable ASCII. */
  readonly contentRange: string
  readonly content: Uint8Array
}

/** The ranges that changed since `parents`, to be applied in order and together. */
export interface Patches extends Versioned {
  readonly _tag: "Patches"
  readonly contentType?: string | undefined
  readonly patches: ReadonlyArray<Patch>
}

/** One change of a resource in a subscription (braid-http-04, section 3). */
export type Update = Snapshot | Patches

/** An encoded update, shared by its receivers. Treat the bytes as immutable. */
export interface EncodedUpdate {
  /** The whole update, with the parents it was encoded with. */
  readonly bytes: Uint8Array
  /** The value of its `Parents` header. */
  readonly parents: string
  /** The offset of that value in `bytes`. */
  readonly parentsStart: number
}

const encoder = new TextEncoder()

/**
 * An empty line, which is allowed only between updates. Sent first, it makes servers send the head at once; sent later,
 * it is a heartbeat (braid-http-04, section 4.2).
 */
export const blankLine: Uint8Array = encoder.encode("\r\n")

// Ends the line of the content, and leaves one line blank.
const separator = "\r\n\r\n"

/** A header line. Values come from our own code, so one that could end the line is a defect, and throws. */
const line = (name: string, value: string): string => {
  if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)) {
    throw new TypeError(`${name} must be printable ASCII, and is ${JSON.stringify(value)}`)
  }
  return `${name}: ${value}\r\n`
}

const contentTypeLine = (contentType: string | undefined): string =>
  contentType === undefined ? "" : line("Content-Type", contentType)

const patchHead = (patch: Patch): string =>
  `${line("Content-Range", patch.contentRange)}Content-Length: ${patch.content.byteLength}\r\n\r\n`

/** The lines after the `Parents` header. The strings are ASCII. */
const tail = (update: Update): ReadonlyArray<string | Uint8Array> => {
  switch (update._tag) {
    case "Snapshot": {
      const head = `${contentTypeLine(update.contentType)}Content-Length: ${update.body.byteLength}\r\n\r\n`
      return [head, update.body, separator]
    }
    case "Patches": {
      const type = contentTypeLine(update.contentType)
      const [first] = update.patches
      if (first !== undefined && update.patches.length === 1) return [type + patchHead(first), first.content, separator]
      const patches = update.patches.flatMap((patch, index) => [
        index === 0 ? patchHead(patch) : separator + patchHead(patch),
        patch.content
      ])
      return [`${type}Patches: ${update.patches.length}\r\n\r\n`, ...patches, separator]
    }
  }
}

/** Joins parts in one allocation. The strings are ASCII, so their length is their size. */
const concatenate = (parts: ReadonlyArray<string | Uint8Array>): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let offset = 0
  for (const part of parts) {
    if (typeof part === "string") encoder.encodeInto(part, bytes.subarray(offset))
    else bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}

/**
 * Encodes an update, once for all receivers. Content goes only into bodies; ids are escaped.
 *
 * @throws TypeError when a content type or content range is not printable ASCII.
 */
export const encodeUpdate = (update: Update): EncodedUpdate => {
  const start = `HTTP 200 OK\r\nVersion: ${formatVersion(update.version)}\r\nParents: `
  const parents = formatVersion(update.parents)
  return {
    bytes: concatenate([start, parents, "\r\n", ...tail(update)]),
    parents,
    parentsStart: start.length
  }
}

/**
 * The bytes of an update for a receiver that has `parents`: the shared bytes if it was encoded with them, otherwise a copy
 * that differs only in this header. In a stream where each update names the one before, a client sees that none is missing.
 */
export const withParents = (frame: EncodedUpdate, parents: Version): Uint8Array => {
  const value = formatVersion(parents)
  if (value === frame.parents) return frame.bytes
  return concatenate([
    frame.bytes.subarray(0, frame.parentsStart),
    value,
    frame.bytes.subarray(frame.parentsStart + frame.parents.length)
  ])
}
