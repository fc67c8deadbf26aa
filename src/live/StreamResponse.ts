import { Duration, Effect, Pull, Stream } from "effect"
import { HttpEffect, HttpServerResponse, type HttpServerRequest } from "effect/http"
import { IncomingMessage } from "node:http"
import { multiresponse } from "../braid/Multiresponse.ts"
import { parseRequest, type BraidRequest } from "../braid/Request.ts"
import type { Version } from "../braid/Version.ts"
import { whileWaiting } from "../http/Capacity.ts"
import { CurrentStreamKind } from "../http/StreamKind.ts"
import { pageBytes } from "../contract/Paging.ts"
import { MalformedRequest, type DatabaseUnavailable } from "../contract/Problem.ts"
import { braidEncoding, eventEncoding, lineEncoding, type Encoding } from "./Encoding.ts"
import { heartbeat, type Feed, type Heartbeat } from "./Feed.ts"
import { deliver } from "./NodeDelivery.ts"

/** An answer with a subscription to a resource. */
export interface Answer<A extends object> {
  /** The version of the resource when the subscription was opened: a subscriber that has reached it is caught up. */
  readonly currentVersion: string
  readonly feed: Feed<A>
  /** The snapshot that a Braid-HTTP subscriber gets first when it asks for everything. */
  readonly root: Uint8Array
  /** The version that an update brings its receiver to. */
  readonly versionOf: (update: A) => string
  readonly encode: (update: A, encoding: Encoding) => Uint8Array
  /** Further members of the answer to a long poll, read when it is answered. */
  readonly members?: Effect.Effect<object, DatabaseUnavailable>
}

/** How often a stream sends a heartbeat by default: common proxies close a silent one after a minute. */
const defaultHeartbeat = Duration.seconds(20)

/** Reads the Braid headers of a request. */
export const readBraid = (
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<BraidRequest, MalformedRequest> => {
  const braid = parseRequest(request.headers)
  return braid._tag === "Parsed"
    ? Effect.succeed(braid.value)
    : Effect.fail(new MalformedRequest({ detail: braid.reason }))
}

/** How a request asks to be kept informed. */
export interface Ask {
  readonly encoding: Encoding | "poll"
  /** The version that the subscriber has: `Parents`, `Last-Event-ID` or `?after=`. `undefined` when it has nothing. */
  readonly from: Version | undefined
  readonly heartbeat: Duration.Duration
  readonly braid: BraidRequest
}

const encodings = { braid: braidEncoding, events: eventEncoding, lines: lineEncoding, poll: "poll" } as const

/** Reads how the current request asks for a stream or a long poll; `undefined` if it asks for the current state. */
export const readAsk = (
  { headers }: HttpServerRequest.HttpServerRequest,
  braid: BraidRequest,
  query: { readonly wait?: Duration.Duration | undefined; readonly after?: string | undefined }
): Effect.Effect<Ask | undefined> =>
  Effect.map(CurrentStreamKind, (kind) => {
    if (kind === undefined) return undefined
    const after = headers["last-event-id"] ?? query.after
    return {
      encoding: encodings[kind],
      from: braid.parents ?? (after === undefined ? undefined : [after]),
      heartbeat: query.wait ?? (braid.heartbeats === undefined ? defaultHeartbeat : Duration.seconds(braid.heartbeats)),
      braid
    }
  })

/** Keep caches from storing a stream, and proxies from compressing or buffering it. */
const streamHeaders = {
  "cache-control": "no-cache, no-store, no-transform",
  "x-accel-buffering": "no",
  vary: "Accept, Subscribe, Authorization"
}

const decoder = new TextDecoder()

/** The answer to a long poll: the updates as in NDJSON, within `pageBytes` or a single one, and the version for the next poll. */
const answerPoll = Effect.fnUntraced(function* <A extends object>(
  updates: ReadonlyArray<A | Heartbeat>,
  { encode, members = Effect.succeed({}), versionOf }: Answer<A>,
  from: string | undefined
) {
  const lines: Array<string> = []
  let bytes = 0
  let version = from ?? "0"
  for (const update of updates) {
    if (update === heartbeat) continue
    const line = encode(update, lineEncoding)
    bytes += line.length
    // The next poll has the rest.
    if (bytes > pageBytes && lines.length > 0) break
    lines.push(decoder.decode(line))
    version = versionOf(update)
  }
  const others = JSON.stringify({ version, ...(yield* members) }).slice(1)
  return HttpServerResponse.text(`{"updates":[${lines.join()}],${others}`, {
    headers: streamHeaders,
    contentType: "application/json"
  })
})

/** Answers with a feed in the requested encoding. All encodings have the same updates and resume by the same versions. */
export const answerFeed = Effect.fnUntraced(function* <A extends object>(ask: Ask, answer: Answer<A>) {
  const { braid, encoding, from } = ask
  const { currentVersion, feed, root } = answer
  if (encoding === "poll") {
    const updates = yield* whileWaiting(Pull.catchDone(feed.next(), () => Effect.succeed([])))
    return yield* answerPoll(updates, answer, from?.at(-1))
  }
  const isBraid = encoding === braidEncoding
  const start = isBraid && braid.parents?.length === 0 ? [encoding.start, root] : [encoding.start]
  const encode = (update: A | Heartbeat) =>
    update === heartbeat ? encoding.heartbeat : answer.encode(update, encoding)
  const head = isBraid
    ? multiresponse({ currentVersion: [currentVersion], heartbeats: braid.heartbeats })
    : { status: 200, headers: streamHeaders }
  // Fast path on Node: the same bytes, written without a Stream.
  yield* HttpEffect.appendPreResponseHandler((request, response) =>
    request.source instanceof IncomingMessage && request.method === "GET" && response.body._tag === "Stream"
      ? Effect.as(deliver(request, response, { start, feed, encode }), response)
      : Effect.succeed(response)
  )
  const bytes = Stream.suspend(() => Stream.concat(Stream.fromArray(start), Stream.map(feed.updates, encode)))
  return HttpServerResponse.stream(bytes, { ...head, contentType: encoding.contentType })
})
