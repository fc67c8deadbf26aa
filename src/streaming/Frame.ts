import type { Position } from "../messaging/Conversation.ts"
import { formatLogVersion, type LogVersion } from "../messaging/LogVersion.ts"
import { hide, toJson, type Message } from "../messaging/Message.ts"
import type { Change } from "../messaging/Messages.ts"
import type { EncodedItem, Encoding } from "./Encoding.ts"

/**
 * A place of a conversation's log, encoded once for each encoding that somebody listens in, however many they are.
 */
export class Frame {
  readonly version: LogVersion
  readonly message: Message
  private hiddenFrame: Frame | undefined
  private body: string | undefined
  private readonly encoded = new Map<Encoding, EncodedItem>()

  constructor({ incarnation, message, position }: Pick<Change, "incarnation" | "message" | "position">) {
    this.version = { incarnation, position }
    this.message = message
  }

  get position(): Position {
    return this.version.position
  }

  /** Whether all see the message like this, however blocks stand between them: but for those who block its sender. */
  get isAlikeForAll(): boolean {
    const { isDelivered, isRead, reactions, seq, version } = this.message
    return this.position === seq && version === seq && reactions.length === 0 && !isDelivered && !isRead
  }

  /** The same place for who has blocked the author. */
  get hidden(): Frame {
    return (this.hiddenFrame ??= new Frame({ message: hide(this.message), ...this.version }))
  }

  /**
   * The bytes for a subscriber who is at `previous`. A message where it was posted is appended, one that changed is
   * replaced, selected by its id.
   */
  encode(encoding: Encoding, previous: Position): Uint8Array {
    let encoded = this.encoded.get(encoding)
    if (encoded === undefined) {
      const { id, seq } = this.message
      const body = (this.body ??= toJson(this.message))
      const contentRange = this.position === seq ? "json .messages[-0:-0]" : `json .messages[?(@.id=="${id}")]`
      encoded = encoding.item({
        name: "message",
        version: formatLogVersion(this.version),
        body,
        patches: [{ contentRange, body }]
      })
      this.encoded.set(encoding, encoded)
    }
    return encoded(formatLogVersion({ incarnation: this.version.incarnation, position: previous }))
  }
}
