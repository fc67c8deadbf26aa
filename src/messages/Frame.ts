import type { Position } from "../contract/Conversation.ts"
import { formatLogVersion, type LogVersion } from "../contract/LogVersion.ts"
import { hide, toJson, type Message } from "../contract/Message.ts"
import { storedContent } from "./MessageRow.ts"
import type { LogEntry } from "./Messages.ts"
import type { EncodedItem, Encoding } from "../live/Encoding.ts"

/** Bytes of a message in memory without what people wrote and did: its ids and dates, and the frame itself. */
const frameBytes = 1_024

/** Copies of an encoded form: without parents, with those of the last receiver, and as a chunk of HTTP/1.1. */
const encodedCopies = 3

/** Bytes of a message in memory, at most: V8 has one or two for each character of a text. */
const bytesOf = ({ content, mentions, reactions }: Message): number =>
  frameBytes +
  2 * storedContent(content).length +
  64 * reactions.reduce((sum, { userIds }) => sum + userIds.length + 1, mentions.length)

/**
 * An entry of a conversation's log, encoded once for each encoding, however many subscribers there are.
 */
export class Frame {
  readonly version: LogVersion
  readonly message: Message
  /** Called with the bytes that the frame gains: an encoded form is made when it is first needed. */
  onGrowth: ((more: number) => void) | undefined
  private held: number
  private hiddenFrame: Frame | undefined
  private readonly encoded = new Map<Encoding, EncodedItem>()

  constructor({ incarnation, message, position }: Pick<LogEntry, "incarnation" | "message" | "position">) {
    this.version = { incarnation, position }
    this.message = message
    this.held = bytesOf(message)
  }

  /** About how many bytes of memory the frame and its encoded forms take. */
  get bytes(): number {
    return this.held
  }

  get position(): Position {
    return this.version.position
  }

  /** Whether the message looks the same to all participants, whatever blocks there are, except to those who block its sender. */
  get isAlikeForAll(): boolean {
    const { isDelivered, isRead, reactions, seq, version } = this.message
    return this.position === seq && version === seq && reactions.length === 0 && !isDelivered && !isRead
  }

  /** The same entry for a subscriber who has blocked the author. */
  get hidden(): Frame {
    if (this.hiddenFrame === undefined) {
      this.hiddenFrame = new Frame({ message: hide(this.message), ...this.version })
      this.hiddenFrame.onGrowth = (more) => this.grow(more)
      this.grow(this.hiddenFrame.bytes)
    }
    return this.hiddenFrame
  }

  /**
   * The bytes for a subscriber who is at `previous`. A new message is appended; a changed one replaces itself, selected by its
   * id.
   */
  encode(encoding: Encoding, previous: Position): Uint8Array {
    const parents = formatLogVersion({ incarnation: this.version.incarnation, position: previous })
    let encoded = this.encoded.get(encoding)
    if (encoded === undefined) {
      const { id, seq } = this.message
      const body = toJson(this.message)
      const contentRange = this.position === seq ? "json .messages[-0:-0]" : `json .messages[?(@.id=="${id}")]`
      encoded = encoding.item({
        name: "message",
        version: formatLogVersion(this.version),
        body,
        patches: [{ contentRange, body }]
      })
      this.encoded.set(encoding, encoded)
      this.grow(encodedCopies * encoded(parents).length)
    }
    return encoded(parents)
  }

  private grow(more: number): void {
    this.held += more
    this.onGrowth?.(more)
  }
}
