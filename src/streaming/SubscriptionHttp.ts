import { Array as Arrays, Effect, Schema } from "effect"
import type { CurrentSession } from "../auth/Session.ts"
import { formatVersion, type Version } from "../braid/Version.ts"
import { Position, type ConversationId } from "../messaging/Conversation.ts"
import { MessagePage } from "../messaging/Message.ts"
import { braidEncoding } from "./Encoding.ts"
import { answerFeed, type Ask, type Notice } from "./StreamHttp.ts"
import type { Subscriptions, Update } from "./Subscriptions.ts"

/** The version of a log at a position. */
export const versionAt = (position: Position): string => formatVersion([String(position)])

/**
 * The position that a version stands for: its latest event, since each comes after all before it. `undefined` when one
 * of its events is none of ours. The root, no event at all, is position 0.
 */
export const positionOf = (version: Version): Position | undefined => {
  if (!version.every((id) => /^(0|[1-9]\d{0,14})$/.test(id))) return undefined
  return Position.make(Math.max(0, ...version.map(Number)))
}

const encodePage = Schema.encodeSync(Schema.fromJsonString(MessagePage))

/** What a conversation held before its first message: who subscribes from the root is given this to add to. */
const root = braidEncoding.snapshot("0", encodePage(new MessagePage({ messages: [], before: null, after: null })))

const notice = (update: Update): Notice => {
  switch (update._tag) {
    case "Snapshot": {
      const version = String(update.version)
      return { _tag: "Update", version, encode: (encoding) => encoding.snapshot(version, encodePage(update.page)) }
    }
    case "Change": {
      const { frame, previous } = update
      return {
        _tag: "Update",
        version: String(frame.position),
        encode: (encoding) => frame.encode(encoding, previous)
      }
    }
    case "Heartbeat":
      return update
  }
}

/** Answers with a subscription to a conversation's messages. */
export const subscribe = Effect.fnUntraced(function* (
  subscriptions: Subscriptions["Service"],
  session: CurrentSession["Service"],
  conversationId: ConversationId,
  ask: Ask
) {
  const { head, next } = yield* subscriptions.open(session, conversationId, {
    position: ask.from === undefined ? undefined : positionOf(ask.from),
    heartbeat: ask.heartbeat
  })
  return yield* answerFeed(
    ask,
    { currentVersion: String(head), next: Effect.map(next, (updates) => Arrays.map(updates, notice)) },
    root
  )
})
