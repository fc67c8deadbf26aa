import { Array as Arrays, Duration, Effect, Pull, Stream } from "effect"
import { HttpServerResponse, type HttpServerRequest } from "effect/http"
import { multiresponse } from "../braid/Multiresponse.ts"
import { parseRequest, type BraidRequest } from "../braid/Request.ts"
import type { Version } from "../braid/Version.ts"
import { MalformedRequest, type DatabaseUnavailable } from "../Problem.ts"
import { braidEncoding, eventEncoding, lineEncoding, type Encoding } from "./Encoding.ts"

/** What a subscription tells, to be written in whichever encoding was asked for. */
export type Notice =
  /** Something new, at a version that the receiver has reached with it. */
  | { readonly _tag: "Update"; readonly version: string; readonly encode: (encoding: Encoding) => Uint8Array }
  | { readonly _tag: "Heartbeat" }

/** A subscription to a resource, ready to be answered with. */
export interface Feed {
  /** The version of the resource when it was opened: who has reached it is caught up. */
  readonly currentVersion: string
  /** The notices of the next moment at which there are any. Is done when the subscription has to end. */
  readonly next: Pull.Pull<Arrays.NonEmptyReadonlyArray<Notice>, DatabaseUnavailable>
}

/** Unasked, a stream says this often that it lives: common proxies give up a silent one after a minute. */
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
  /** What the subscriber has: `Parents`, `Last-Event-ID` or `?after=`. `undefined` when it has nothing. */
  readonly from: Version | undefined
  readonly heartbeat: Duration.Duration
  readonly braid: BraidRequest
}

/**
 * Whether and how a request asks for a stream: `Subscribe` for Braid-HTTP, `Accept` for one of the two others, `?wait=` for
 * a long poll. `undefined` when it wants what is there now.
 */
export const readAsk = (
  { headers }: HttpServerRequest.HttpServerRequest,
  braid: BraidRequest,
  query: { readonly wait?: Duration.Duration | undefined; readonly after?: string | undefined }
): Ask | undefined => {
  const accepted = new Set((headers["accept"] ?? "").split(",").map((type) => type.split(";")[0]?.trim()))
  const encoding = braid.subscribe
    ? braidEncoding
    : query.wait !== undefined
      ? "poll"
      : [eventEncoding, lineEncoding].find(({ contentType }) => accepted.has(contentType))
  if (encoding === undefined) return undefined
  const after = headers["last-event-id"] ?? query.after
  return {
    encoding,
    from: braid.parents ?? (after === undefined ? undefined : [after]),
    heartbeat: query.wait ?? (braid.heartbeats === undefined ? defaultHeartbeat : Duration.seconds(braid.heartbeats)),
    braid
  }
}

/** Never stored, never compressed, never held back on its way. */
const streamHeaders = {
  "cache-control": "no-cache, no-store, no-transform",
  "x-accel-buffering": "no",
  vary: "Accept, Subscribe, Authorization"
}

const decoder = new TextDecoder()

/** The answer to a long poll: the updates as NDJSON has them, and the version to come back with. */
const answerPoll = (notices: ReadonlyArray<Notice>, from: string | undefined) => {
  const updates = notices.filter((notice) => notice._tag === "Update")
  const version = updates.at(-1)?.version ?? from ?? "0"
  const lines = updates.map(({ encode }) => decoder.decode(encode(lineEncoding)))
  return HttpServerResponse.text(`{"updates":[${lines.join()}],"version":${JSON.stringify(version)}}`, {
    headers: streamHeaders,
    contentType: "application/json"
  })
}

/**
 * Answers with a feed, as it was asked for. `root` is what a Braid-HTTP subscriber who asks for everything is given to
 * begin with. All encodings are the same notices, and all resume by the same versions.
 */
export const answerFeed = Effect.fnUntraced(function* (
  { braid, encoding, from }: Ask,
  { currentVersion, next }: Feed,
  root: Uint8Array
) {
  if (encoding === "poll") {
    return answerPoll(yield* Pull.catchDone(next, () => Effect.succeed<ReadonlyArray<Notice>>([])), from?.at(-1))
  }
  const isBraid = encoding === braidEncoding
  const encode = (notice: Notice) => (notice._tag === "Update" ? notice.encode(encoding) : encoding.heartbeat)
  let start: Arrays.NonEmptyReadonlyArray<Uint8Array> | undefined =
    isBraid && braid.parents?.length === 0 ? [encoding.start, root] : [encoding.start]
  // One pull for a whole stream: each stage of a Stream would cost as much as a delivery, for each subscriber.
  const bytes = Effect.suspend((): Pull.Pull<Arrays.NonEmptyReadonlyArray<Uint8Array>, DatabaseUnavailable> => {
    if (start === undefined) return Effect.map(next, (notices) => Arrays.map(notices, encode))
    const first = start
    start = undefined
    return Effect.succeed(first)
  })
  const head = isBraid
    ? multiresponse({ currentVersion: [currentVersion], heartbeats: braid.heartbeats })
    : { status: 200, headers: streamHeaders }
  return HttpServerResponse.stream(Stream.fromPull(Effect.succeed(bytes)), {
    ...head,
    contentType: encoding.contentType
  })
})
