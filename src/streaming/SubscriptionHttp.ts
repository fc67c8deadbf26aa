import { Effect } from "effect"
import type { CurrentSession } from "../auth/Session.ts"
import type { Version } from "../braid/Version.ts"
import { Position, type ConversationId } from "../messaging/Conversation.ts"
import { MessagePage, toJson } from "../messaging/Message.ts"
import { braidEncoding, type Encoding } from "./Encoding.ts"
import { answerFeed, type Ask } from "./StreamHttp.ts"
import type { Subscriptions, Update } from "./Subscriptions.ts"

/** The version of a log at a position, as `formatVersion` writes it: digits need no escape. */
export const versionAt = (position: Position): string => `"${position}"`

/**
 * The position that a version stands for: its latest event, since each comes after all before it. `undefined` when one
 * of its events is none of ours. The root, no event at all, is position 0.
 */
export const positionOf = (version: Version): Position | undefined => {
  if (!version.every((id) => /^(0|[1-9]\d{0,14})$/.test(id))) return undefined
  return Position.make(Math.max(0, ...version.map(Number)))
}

/** What a conversation held before its first message: who subscribes from the root is given this to add to. */
const root = braidEncoding.snapshot("0", toJson(new MessagePage({ messages: [], before: null, after: null })))

const versionOf = (update: Update): string =>
  String(update._tag === "Snapshot" ? update.version : update.frame.position)

const encode = (update: Update, encoding: Encoding): Uint8Array =>
  update._tag === "Snapshot"
    ? encoding.snapshot(String(update.version), toJson(update.page))
    : update.frame.encode(encoding, update.previous)

/** Answers with a subscription to a conversation's messages. */
export const subscribe = Effect.fnUntraced(function* (
  subscriptions: Subscriptions["Service"],
  session: CurrentSession["Service"],
  conversationId: ConversationId,
  ask: Ask
) {
  const { feed, head } = yield* subscriptions.open(session, conversationId, {
    position: ask.from === undefined ? undefined : positionOf(ask.from),
    heartbeat: ask.heartbeat
  })
  return yield* answerFeed(ask, { currentVersion: String(head), feed, root, versionOf, encode })
})
