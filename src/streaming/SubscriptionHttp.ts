import { Duration, Effect, Stream } from "effect"
import { HttpServerResponse, type HttpServerRequest } from "effect/http"
import type { CurrentSession } from "../auth/Session.ts"
import { multiresponse } from "../braid/Multiresponse.ts"
import { parseRequest, type BraidRequest } from "../braid/Request.ts"
import { formatVersion, type Version } from "../braid/Version.ts"
import { Position, type ConversationId } from "../messaging/Conversation.ts"
import { MessagePage } from "../messaging/Message.ts"
import { MalformedRequest } from "../Problem.ts"
import { braidEncoding, encodeWith, eventEncoding, lineEncoding, type Encoding } from "./Encoding.ts"
import type { Subscription, Subscriptions, Update } from "./Subscriptions.ts"

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

/** How a request asks to be kept informed, if it does. */
export type Asked = "braid" | "events" | "lines" | "poll"

/** `Subscribe` asks for Braid-HTTP, `Accept` for one of the two other streams, `?wait=` for a long poll. */
export const askedStream = (
  request: HttpServerRequest.HttpServerRequest,
  braid: BraidRequest,
  wait: Duration.Duration | undefined
): Asked | undefined => {
  if (braid.subscribe) return "braid"
  if (wait !== undefined) return "poll"
  const accepted = new Set((request.headers["accept"] ?? "").split(",").map((type) => type.split(";")[0]?.trim()))
  if (accepted.has(eventEncoding.contentType)) return "events"
  return accepted.has(lineEncoding.contentType) ? "lines" : undefined
}

/** Never stored, never compressed, never held back on its way. */
const streamHeaders = {
  "cache-control": "no-cache, no-store, no-transform",
  "x-accel-buffering": "no",
  vary: "Accept, Subscribe, Authorization"
}

/** What a conversation held before its first message: who subscribes from the root is given this to add to. */
const root = braidEncoding.snapshot(Position.make(0), new MessagePage({ messages: [], before: null, after: null }))

const bytes = (encoding: Encoding, { updates }: Subscription, start: ReadonlyArray<Uint8Array> = []) =>
  Stream.concat(Stream.fromArray([encoding.start, ...start]), Stream.map(updates, encodeWith(encoding)))

const decoder = new TextDecoder()
const encodeLine = encodeWith(lineEncoding)

const versionOf = (update: Update | undefined): string | undefined =>
  update?._tag === "Snapshot"
    ? String(update.version)
    : update?._tag === "Change"
      ? String(update.frame.position)
      : undefined

/** The answer to a long poll: the updates as NDJSON has them, and the version to come back with. */
const polled = (updates: ReadonlyArray<Update>, position: Position | undefined): string => {
  const told = updates.filter((update) => versionOf(update) !== undefined)
  const version = versionOf(told.at(-1)) ?? String(position ?? 0)
  return `{"updates":[${told.map((update) => decoder.decode(encodeLine(update))).join()}],"version":"${version}"}`
}

/** Where a subscriber says that it stands: `Parents`, `Last-Event-ID` or `?after=`, each with a version of ours. */
const resumesFrom = (
  request: HttpServerRequest.HttpServerRequest,
  { parents }: BraidRequest,
  after: Position | undefined
): Position | undefined => {
  if (parents !== undefined) return positionOf(parents)
  const lastEventId = request.headers["last-event-id"]
  return lastEventId === undefined ? after : positionOf([lastEventId])
}

/**
 * Answers with a subscription to a conversation's messages, in the encoding that was asked for. All resume by the same
 * version, and all are the same updates.
 */
export const subscribe = Effect.fnUntraced(function* (
  subscriptions: Subscriptions["Service"],
  session: CurrentSession["Service"],
  conversationId: ConversationId,
  asked: Asked,
  options: {
    readonly request: HttpServerRequest.HttpServerRequest
    readonly braid: BraidRequest
    readonly after: Position | undefined
    readonly wait: Duration.Duration | undefined
  }
) {
  const { after, braid, request, wait } = options
  const position = resumesFrom(request, braid, after)
  const heartbeat = wait ?? Duration.seconds(braid.heartbeats ?? defaultHeartbeat)
  const subscription = yield* subscriptions.open(session, conversationId, { position, heartbeat })
  switch (asked) {
    case "braid": {
      const { headers, ...status } = multiresponse({
        currentVersion: [String(subscription.head)],
        heartbeats: braid.heartbeats
      })
      const start = braid.parents?.length === 0 ? [root] : []
      return HttpServerResponse.stream(bytes(braidEncoding, subscription, start), {
        ...status,
        headers,
        contentType: braidEncoding.contentType
      })
    }
    case "events":
    case "lines": {
      const encoding = asked === "events" ? eventEncoding : lineEncoding
      return HttpServerResponse.stream(bytes(encoding, subscription), {
        headers: streamHeaders,
        contentType: encoding.contentType
      })
    }
    case "poll": {
      const updates = yield* subscription.next
      return HttpServerResponse.text(polled(updates, position), {
        headers: streamHeaders,
        contentType: "application/json"
      })
    }
  }
})
