import type { Option } from "effect"
import { Array as Arrays, Data, Schema } from "effect"
import { UserId } from "../contract/Account.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"

const Log = Schema.TaggedStruct("Log", { conversationId: ConversationId, head: Position })
const Visibility = Schema.TaggedStruct("Visibility", { conversationId: ConversationId, epoch: Schema.Int })
const Person = Schema.TaggedStruct("Person", { userId: UserId })
const Participation = Schema.TaggedStruct("Participation", { conversationId: ConversationId })

/** `isListed`: lists of the others may show it. */
const Receipts = Schema.TaggedStruct("Receipts", {
  conversationId: ConversationId,
  userId: UserId,
  isListed: Schema.Boolean
})

/** For how long something holds from when it is heard: 0 ends it. */
const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400_000 }))
const Presence = Schema.TaggedStruct("Presence", { userId: UserId, millis: Millis })
const Typing = Schema.TaggedStruct("Typing", { conversationId: ConversationId, userId: UserId, millis: Millis })
const RollCall = Schema.TaggedStruct("RollCall", {})

/** A hint that something was committed. The database is the truth: a lost hint delays, and loses nothing. */
export type ChangeHint =
  /** A conversation's log now reaches `head`. */
  | typeof Log.Type
  /** What some participant sees of a conversation's log that is there already. */
  | typeof Visibility.Type
  /** What a person's own picture shows besides conversations: friends, requests, blocks, the account itself. */
  | typeof Person.Type
  /** Who takes part in a conversation. */
  | typeof Participation.Type
  /** How far a participant has received and read. */
  | typeof Receipts.Type
  // What no database holds: leases, which are renewed while they are true, and run out.
  /** Somebody has a stream open. */
  | typeof Presence.Type
  /** Somebody is writing a message. */
  | typeof Typing.Type
  /** A process knows of nobody's presence: each renews that of its own people. */
  | typeof RollCall.Type

export const ChangeHint = Data.taggedEnum<ChangeHint>()

/** The process that made the changes. */
const sender = Schema.String

/** The changes that one process tells the others at once. A process that does not know a version ignores it. */
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

/** A change takes at most 160 bytes, and PostgreSQL no payload of 8,000. */
const changesPerPayload = 48

/** Says what changed in as many payloads as it takes, of less than 8,000 bytes each. */
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

/** A payload that tells of nothing: its sender asks whether it comes back. */
export const encodeProbe = (sender: string) => encode({ version: 2, sender, changes: [] })

/** The changes that a payload tells of, and who sent it; nothing for what is none, or of a version yet unknown. */
export const decodeHints = (
  payload: string
): Option.Option<{ readonly sender: string; readonly changes: ReadonlyArray<ChangeHint> }> => decode(payload)

/** What a change is about. */
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

/** Changes on their way, one for each thing that changed: what a later one says of it holds for the earlier ones too. */
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
