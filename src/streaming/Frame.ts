import { Schema } from "effect"
import * as Braid from "../braid/Update.ts"
import type { Position } from "../messaging/Conversation.ts"
import { Message } from "../messaging/Message.ts"
import type { Change } from "../messaging/Messages.ts"

const encoder = new TextEncoder()
const encodeMessage = Schema.encodeSync(Schema.fromJsonString(Message.json))

/**
 * A place of a conversation's log, encoded once for each encoding that somebody listens in, however many they are.
 */
export class Frame {
  readonly position: Position
  readonly message: Message
  private json: string | undefined
  private braid: Braid.Frame | undefined
  private event: Uint8Array | undefined
  private line: Uint8Array | undefined

  constructor({ message, position }: Change) {
    this.position = position
    this.message = message
  }

  /** The message as JSON. */
  get body(): string {
    return (this.json ??= encodeMessage(this.message))
  }

  /**
   * The update for a Braid-HTTP subscriber who is at `previous`: a message where it was posted is appended, one that
   * changed is replaced, selected by its id (RFC 9535).
   */
  asBraid(previous: Position): Uint8Array {
    this.braid ??= Braid.encodeUpdate({
      _tag: "Patches",
      version: [String(this.position)],
      parents: [String(this.position - 1)],
      contentType: "application/json",
      patches: [
        {
          contentRange:
            this.position === this.message.seq
              ? "json .messages[-0:-0]"
              : `json .messages[?(@.id=="${this.message.id}")]`,
          content: encoder.encode(this.body)
        }
      ]
    })
    return Braid.withParents(this.braid, [String(previous)])
  }

  /** The server-sent event. JSON has no line breaks, so one data line is enough. */
  get asEvent(): Uint8Array {
    return (this.event ??= encoder.encode(`event: message\nid: ${this.position}\ndata: ${this.body}\n\n`))
  }

  /** The line of NDJSON. */
  get asLine(): Uint8Array {
    return (this.line ??= encoder.encode(`{"version":"${this.position}","message":${this.body}}\n`))
  }
}
