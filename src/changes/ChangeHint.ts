import type { Option } from "effect"
import { Array as Arrays, Data, Schema } from "effect"
import { UserId } from "../contract/Account.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"

const Log = Schema.TaggedStruct("Log", { conversationId: ConversationId, head: Position })
const Visibility = Schema.TaggedStruct("Visibility", { conversationId: ConversationId, epoch: Schema.Int })
const Person = Schema.TaggedStruct("Person", { userId: UserId })
const Participation = Schema.TaggedStruct("Participation", { conversationId: ConversationId })

/** `isListed`: whether the lists of other participants may show the change. */
const Receipts = Schema.TaggedStruct("Receipts", {
  conversationId: ConversationId,
  userId: UserId,
  isListed: Schema.Boolean
})

/** How long a lease lasts from when it is heard; 0 ends it. */
const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400_000 }))
const Presence = Schema.TaggedStruct("Presence", { userId: UserId, millis: Millis })
const Typing = Schema.TaggedStruct("Typing", { conversationId: ConversationId, userId: UserId, millis: Millis })
const RollCall = Schema.TaggedStruct("RollCall", {})

/** A hint that something was committed. The database is the truth, so a lost hint delays a change and loses nothing. */
export type ChangeHint =
  /** A conversation's log now reaches `head`. */
  | typeof Log.Type
  /** The visible part of a conversation's existing log changed for some participant. */
  | typeof Visibility.Type
  /** A person's friends, requests, blocks or account changed. */
  | typeof Person.Type
  /** The participants of a conversation changed. */
  | typeof Participation.Type
  /** The receipts of a participant moved. */
  | typeof Receipts.Type
  // The others are in no database: leases, which are renewed while they are true, and expire.
  /** Somebody has a stream open. */
  | typeof Presence.Type
  /** Somebody is writing a message. */
  | typeof Typing.Type
  /** A process asks for everybody's presence; each process renews that of its own users. */
  | typeof RollCall.Type

export const ChangeHint = Data.taggedEnum<ChangeHint>()

/** The process that sends. */
const sender = Schema.String

/** A batch of hints of one process. A process ignores a version that it does not know. */
const Payload = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({
      version: Schema.Literal(2),
      sender,
      changes: Schema.Array(Schema.Union([Log, Visibility, Person, Participation, Presence, Typing, RollCall]))
    }),
    Schema.Struct({ version: Schema.Literal(3), sender, changes: Schema.Array(Receipts) })
  ])
)

const encode = Schema.encodeSync(Payload)
const decode = Schema.decodeUnknownOption(Payload)

/** A hint takes at most 160 bytes, and a payload of PostgreSQL must be shorter than 8,000. */
const changesPerPayload = 48

/** Encodes hints in payloads of less than 8,000 bytes each. */
export const encodeHints = (sender: string, changes: Iterable<ChangeHint>): ReadonlyArray<string> => {
  const older: Array<Exclude<ChangeHint, typeof Receipts.Type>> = []
  const receipts: Array<typeof Receipts.Type> = []
  for (const change of changes) {
    if (change._tag === "Receipts") receipts.push(change)
    else older.push(change)
  }
  return [
    ...Arrays.chunksOf(older, changesPerPayload).map((changes) => encode({ version: 2, sender, changes })),
    ...Arrays.chunksOf(receipts, changesPerPayload).map((changes) => encode({ version: 3, sender, changes }))
  ]
}

/** A payload without hints, to measure how long it takes to come back. */
export const encodeProbe = (sender: string) => encode({ version: 2, sender, changes: [] })

/** The hints in a payload, and its sender; none for a malformed payload, or one of an unknown version. */
export const decodeHints = (
  payload: string
): Option.Option<{ readonly sender: string; readonly changes: ReadonlyArray<ChangeHint> }> => decode(payload)

/** The subject of a hint: a later hint on it replaces an earlier one. */
const subjectOf = (change: ChangeHint): string => {
  switch (change._tag) {
    case "Log":
      return change.conversationId
    case "Visibility":
      return `Visibility ${change.conversationId}`
    case "Person":
      return change.userId
    case "Participation":
      return `Participation ${change.conversationId}`
    case "Receipts":
      return `Receipts ${change.conversationId} ${change.userId}`
    case "Presence":
      return `Presence ${change.userId}`
    case "Typing":
      return `Typing ${change.conversationId} ${change.userId}`
    case "RollCall":
      return "RollCall"
  }
}

/** Hints to send, the latest for each subject. */
export class PendingHints {
  private readonly latest = new Map<string, ChangeHint>()

  add(change: ChangeHint): void {
    const key = subjectOf(change)
    const earlier = this.latest.get(key)
    if (earlier?._tag === "Log" && change._tag === "Log" && earlier.head > change.head) return
    this.latest.set(key, change)
  }

  [Symbol.iterator](): IterableIterator<ChangeHint> {
    return this.latest.values()
  }
}
