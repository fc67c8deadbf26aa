import { Effect } from "effect"
import type { Caller } from "../contract/Session.ts"
import type { ConversationId } from "../contract/Conversation.ts"
import { formatLogVersion, parseLogVersion } from "../contract/LogVersion.ts"
import { MessagePage, toJson } from "../contract/Message.ts"
import { braidEncoding, type Encoding } from "../live/Encoding.ts"
import { answerFeed, type Ask } from "../live/StreamResponse.ts"
import type { Subscriptions, SubscriptionUpdate } from "./Subscriptions.ts"

/** A conversation before its first message: the first update of a subscriber from the root. */
const root = braidEncoding.snapshot(
  "0",
  toJson(new MessagePage({ messages: [], receipts: [], before: null, after: null }))
)

const versionOf = (update: SubscriptionUpdate): string =>
  formatLogVersion(update._tag === "Change" ? update.frame.version : update.version)

const encode = (update: SubscriptionUpdate, encoding: Encoding): Uint8Array => {
  switch (update._tag) {
    case "Snapshot":
      return encoding.snapshot(formatLogVersion(update.version), toJson(update.page))
    case "Change":
      return update.frame.encode(encoding, update.previous)
    case "Receipts":
      return update.frame.encode(encoding, formatLogVersion(update.version))
  }
}

/** Answers with a subscription to a conversation's messages. */
export const subscribe = Effect.fnUntraced(function* (
  subscriptions: Subscriptions["Service"],
  session: Caller,
  conversationId: ConversationId,
  ask: Ask
) {
  const { feed, receipts, version } = yield* subscriptions.open(session, conversationId, {
    from: ask.from === undefined ? undefined : parseLogVersion(ask.from),
    heartbeat: ask.heartbeat,
    // Each answer to a long poll has the receipts, so only messages end its wait.
    sendsReceipts: ask.encoding !== "poll"
  })
  return yield* answerFeed(ask, {
    currentVersion: formatLogVersion(version),
    feed,
    root,
    versionOf,
    encode,
    members: Effect.map(receipts, (receipts) => ({ receipts }))
  })
})
