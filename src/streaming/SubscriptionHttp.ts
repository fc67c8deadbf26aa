import { Duration, Effect, Schema, Stream } from "effect"
import { HttpServerResponse, type HttpServerRequest } from "effect/http"
import type { UserId } from "../auth/Account.ts"
import { multiresponse } from "../braid/Multiresponse.ts"
import { parseRequest, type BraidRequest } from "../braid/Request.ts"
import { blankLine, encodeUpdate } from "../braid/Update.ts"
import { formatVersion, type Version } from "../braid/Version.ts"
import { Position, type ConversationId } from "../messaging/Conversation.ts"
import { MessagePage } from "../messaging/Message.ts"
import { MalformedRequest } from "../Problem.ts"
import type { Subscriptions, Update } from "./Subscriptions.ts"

/** Unasked, a stream says this often that it lives: common proxies give up a silent one after a minute. */
const defaultHeartbeat = 20

/** Reads the Braid headers of a request. */
export const readBraid = (
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<BraidRequest, MalformedRequest> => {
  const braid = parseRequest(request.headers)
  return braid._tag === "Parsed"
    ? Effect.succeed(braid.value)
    : Effect.fail(new MalformedRequest({ detail: braid.reason }))
}

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

const encoder = new TextEncoder()
const encodePage = Schema.encodeSync(Schema.fromJsonString(MessagePage))

const snapshot = (version: Position, page: MessagePage): Uint8Array =>
  encodeUpdate({
    _tag: "Snapshot",
    version: [String(version)],
    parents: [],
    contentType: "application/json",
    body: encoder.encode(encodePage(page))
  }).bytes

const encode = (update: Update): Uint8Array => {
  switch (update._tag) {
    case "Snapshot":
      return snapshot(update.version, update.page)
    case "Change":
      return update.frame.braid.bytes
    case "Heartbeat":
      return blankLine
  }
}

/** What a conversation held before its first message: who subscribes from the root is given this to add to. */
const root = snapshot(Position.make(0), new MessagePage({ messages: [], before: null, after: null }))

/**
 * Answers a subscription to a conversation's messages as Braid-HTTP 209 (draft-toomim-httpbis-braid-http-04). The first
 * byte is a blank line: the server sends no head before a first chunk, and the client waits for the head.
 */
export const subscribe = Effect.fnUntraced(function* (
  subscriptions: Subscriptions["Service"],
  caller: UserId,
  conversationId: ConversationId,
  { heartbeats, parents }: BraidRequest
) {
  const { head, updates } = yield* subscriptions.open(caller, conversationId, {
    position: parents === undefined ? undefined : positionOf(parents),
    heartbeat: Duration.seconds(heartbeats ?? defaultHeartbeat)
  })
  const start = parents?.length === 0 ? [blankLine, root] : [blankLine]
  const { headers, ...status } = multiresponse({ currentVersion: [String(head)], heartbeats })
  return HttpServerResponse.stream(Stream.concat(Stream.fromArray(start), Stream.map(updates, encode)), {
    ...status,
    headers,
    contentType: headers["Content-Type"]
  })
})
