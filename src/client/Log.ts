import type { Message, MessagePage, Receipt } from "./operations.ts"

/** The newest messages of a conversation, without a gap, at a version. */
export interface Log {
  /** The version of the last complete update, or `undefined` before the first. */
  readonly version: string | undefined
  /** In the order of their `seq`. Their flags follow from `receipts`. */
  readonly messages: ReadonlyArray<Message>
  readonly receipts: ReadonlyArray<Receipt>
  /** The position before which there are older messages, or `null` if there are none. */
  readonly before: string | null
}

/** An update of a conversation's messages. */
export type MessagesUpdate =
  | { readonly version: string; readonly snapshot: MessagePage }
  | { readonly version: string; readonly message: Message }
  | { readonly version?: string; readonly receipts: Log["receipts"] }
  /** The end of a long poll. */
  | { readonly version: string }

export const emptyLog: Log = { version: undefined, messages: [], receipts: [], before: null }

/** Whether the cursors of all participants but the sender have reached a message. Without other participants, none has. */
const haveReached = (receipts: Log["receipts"], cursor: "deliveredSeq" | "readSeq", { senderId, seq }: Message) =>
  receipts.some(({ userId }) => userId !== senderId) &&
  receipts.every((receipt) => receipt.userId === senderId || receipt[cursor] >= seq)

/** Returns a message with the flags that follow from receipts, or the same object if its flags are right. */
const flagged = (message: Message, receipts: Log["receipts"]): Message => {
  const isShown = message.messageType !== "hidden"
  const isDelivered = isShown && haveReached(receipts, "deliveredSeq", message)
  const isRead = isShown && haveReached(receipts, "readSeq", message)
  return isDelivered === message.isDelivered && isRead === message.isRead
    ? message
    : { ...message, isDelivered, isRead }
}

/** The messages with the flags that follow from receipts. */
export const flagAll = (messages: ReadonlyArray<Message>, receipts: Log["receipts"]): ReadonlyArray<Message> =>
  messages.map((message) => flagged(message, receipts))

/**
 * Replaces the message with the same id, unless that is newer. A new message takes its place in the order of `seq`. A message
 * older than all others stays out while there are pages to load, because it comes with its page.
 */
export const putMessage = <L extends Pick<Log, "messages" | "receipts" | "before">>(log: L, message: Message): L => {
  const { before, messages, receipts } = log
  // Most changes concern the newest messages.
  const index = messages.findLastIndex(({ id, seq }) => id === message.id || seq < message.seq)
  const known = messages[index]
  const put = flagged(message, receipts)
  if (known?.id === message.id) {
    return known.version > message.version ? log : { ...log, messages: messages.with(index, put) }
  }
  if (index === -1 && before !== null && messages.length > 0) return log
  return { ...log, messages: messages.toSpliced(index + 1, 0, put) }
}

/** Merges two runs of messages. If both have a message, its newer version counts. */
export const mergeMessages = (left: ReadonlyArray<Message>, right: ReadonlyArray<Message>): ReadonlyArray<Message> => {
  const merged = new Map(left.map((message) => [message.id, message]))
  for (const message of right) {
    const known = merged.get(message.id)
    if (known === undefined || known.version <= message.version) merged.set(message.id, message)
  }
  return [...merged.values()].sort((a, b) => a.seq - b.seq)
}

/** Applies an update. A snapshot replaces the log, a message the one with its id, and receipts the earlier receipts. */
export const reduce = (log: Log, update: MessagesUpdate): Log => {
  if ("snapshot" in update) {
    const { before, messages, receipts } = update.snapshot
    return { version: update.version, messages: flagAll(messages, receipts), receipts, before }
  }
  const next = { ...log, version: update.version ?? log.version }
  if ("message" in update) return putMessage(next, update.message)
  if ("receipts" in update)
    return { ...next, receipts: update.receipts, messages: flagAll(log.messages, update.receipts) }
  return next
}

/** Returns the log with at most `count` messages, the newest. */
export const newest = (log: Log, count: number): Log => {
  const messages = log.messages.slice(-count)
  const [first] = messages
  return messages.length === log.messages.length || first === undefined
    ? log
    : { ...log, messages, before: String(first.seq) }
}
