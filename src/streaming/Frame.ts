import { Schema } from "effect"
import * as Update from "../braid/Update.ts"
import type { Position } from "../messaging/Conversation.ts"
import { Message } from "../messaging/Message.ts"

const encoder = new TextEncoder()
const encodeMessage = Schema.encodeSync(Schema.fromJsonString(Message.json))

/** A change of a conversation's log, encoded once, however many sockets it goes to. */
export interface Frame {
  readonly position: Position
  /** The update as Braid-HTTP has it, after the position before. */
  readonly braid: Update.Frame
}

/** A message appended to the log. */
export const appended = (message: Message): Frame => ({
  position: message.seq,
  braid: Update.encodeUpdate({
    _tag: "Patches",
    version: [String(message.seq)],
    parents: [String(message.seq - 1)],
    contentType: "application/json",
    patches: [{ contentRange: "json .messages[-0:-0]", content: encoder.encode(encodeMessage(message)) }]
  })
})
