import { Effect } from "effect"
import { isUtf8 } from "node:buffer"
import { ArchiveRefused } from "./Archive.ts"

/** The longest line that is read: no row that XFChat writes comes near it, and a few of them fit into memory. */
export const maxLineBytes = 64 * 1_024 * 1_024

const newline = 0x0a
const decoder = new TextDecoder()

const decode = (bytes: Uint8Array) =>
  isUtf8(bytes)
    ? Effect.succeed(decoder.decode(bytes))
    : Effect.fail(new ArchiveRefused({ reason: "it is not UTF-8: the file is damaged, or is compressed" }))

/** Splits the bytes of a file into lines as they come. It holds one unfinished line at most, of bounded length. */
export class ArchiveLines {
  private pending: Array<Uint8Array> = []
  private pendingBytes = 0

  /** Takes the next bytes, and returns the lines that they complete. */
  push(bytes: Uint8Array): Effect.Effect<ReadonlyArray<string>, ArchiveRefused> {
    const end = bytes.lastIndexOf(newline)
    if (end === -1) return this.hold(bytes)
    const complete = Buffer.concat([...this.pending, bytes.subarray(0, end)])
    this.pending = []
    this.pendingBytes = 0
    return Effect.flatMap(this.hold(bytes.subarray(end + 1)), () =>
      Effect.map(decode(complete), (text) => text.split("\n"))
    )
  }

  /** Returns what follows the last line end, if anything does. */
  end(): Effect.Effect<ReadonlyArray<string>, ArchiveRefused> {
    return this.pendingBytes === 0
      ? Effect.succeed([])
      : Effect.map(decode(Buffer.concat(this.pending)), (line) => [line])
  }

  private hold(bytes: Uint8Array): Effect.Effect<ReadonlyArray<string>, ArchiveRefused> {
    if (bytes.length === 0) return Effect.succeed([])
    this.pending.push(bytes)
    this.pendingBytes += bytes.length
    return this.pendingBytes <= maxLineBytes
      ? Effect.succeed([])
      : Effect.fail(new ArchiveRefused({ reason: `it has a line of more than ${maxLineBytes / 1_024 / 1_024} MiB` }))
  }
}
