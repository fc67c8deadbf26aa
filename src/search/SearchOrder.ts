import type { ConversationId } from "../contract/Conversation.ts"
import type { SearchPosition } from "../contract/SearchPage.ts"

/** Milliseconds later than any message, and earlier. */
export const endOfTime = 253_402_300_799_999
export const beginningOfTime = 0

/** The order of a search's results. Negative if `a` comes before `b`. */
export const newestFirst = (a: SearchPosition, b: SearchPosition): number => {
  if (a.postedAt !== b.postedAt) return b.postedAt - a.postedAt
  if (a.conversationId !== b.conversationId) return a.conversationId > b.conversationId ? -1 : 1
  return b.seq - a.seq
}

/** A {@link SearchPosition}, or the position before all messages of a time. */
export interface Start extends Omit<SearchPosition, "conversationId" | "seq"> {
  readonly conversationId: string
  readonly seq: number
}

/** Starts with messages posted before a time. */
export const startBefore = (postedAt: number): Start => ({
  postedAt,
  conversationId: "00000000-0000-0000-0000-000000000000",
  seq: 0
})

/** The same start, as a position in one conversation. */
export const startIn = (id: ConversationId, { conversationId, postedAt, seq }: Start) => ({
  postedAt,
  seq: id === conversationId ? seq : id < conversationId ? Number.MAX_SAFE_INTEGER : 0
})
