import { Array as Arrays, Option, Schema } from "effect"
import { ConversationId, Position } from "../messaging/Conversation.ts"

/** A hint that a conversation's log now reaches `head`. The log is the truth: a lost hint delays, and loses nothing. */
export interface Change {
  readonly conversationId: ConversationId
  readonly head: Position
}

/** What one process tells the others at once. A later version is for other processes: who does not know it ignores it. */
const Payload = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Literal(1),
    /** The process that made the changes. */
    sender: Schema.String,
    changes: Schema.Array(Schema.Tuple([ConversationId, Position]))
  })
)

const encode = Schema.encodeSync(Payload)
const decode = Schema.decodeUnknownOption(Payload)

/** A change takes at most 58 bytes, and PostgreSQL no payload of 8,000. */
const changesPerPayload = 128

/** Says what changed in as many payloads as it takes, of less than 8,000 bytes each. */
export const encodeChanges = (sender: string, changes: Iterable<readonly [ConversationId, Position]>) =>
  Arrays.chunksOf(changes, changesPerPayload).map((changes) => encode({ version: 1, sender, changes }))

/** The changes that a payload tells of, and who sent it; nothing for what is none, or of a version yet unknown. */
export const decodeChanges = (
  payload: string
): Option.Option<{ readonly sender: string; readonly changes: ReadonlyArray<Change> }> =>
  Option.map(decode(payload), ({ changes, sender }) => ({
    sender,
    changes: changes.map(([conversationId, head]) => ({ conversationId, head }))
  }))
