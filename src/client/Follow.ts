import { ConnectionError, isRefusal, isSignedOut, ProblemError } from "./Errors.ts"
import type { Call } from "./Http.ts"
import { Backoff, type Network, sleep } from "./Retry.ts"

/**
 * - `connecting`: the first attempt is on its way.
 * - `live`: updates arrive.
 * - `offline`: the last attempt has failed, and the client will try again.
 * - `signedOut`: the session has ended, and the next attempt is that of `client.reconnect()`.
 * - `gone`: the resource does not exist, or this account may not see it. There are no more attempts.
 */
export type StreamState = "connecting" | "live" | "offline" | "signedOut" | "gone"

/**
 * An update of a resource, the same in every encoding: the whole resource as `snapshot`, or a part of it under a name of its
 * own. A part without a version belongs to the version before it.
 */
export interface Update {
  readonly version?: string
  readonly snapshot?: unknown
  readonly [part: string]: unknown
}

/** The encoding of a stream. Long polls are for networks that hold an answer back until it is whole. */
export type Encoding = "lines" | "events" | "poll"

/** The next piece of text of a response; `undefined` at its end. */
type Read = () => Promise<string | undefined>

/** The complete lines of a response. */
async function* linesOf(read: Read): AsyncGenerator<string> {
  let rest = ""
  for (let text = await read(); text !== undefined; text = await read()) {
    const lines = (rest + text).split("\n")
    rest = lines.pop() ?? ""
    yield* lines
  }
}

interface Decoder {
  readonly requestOf: (path: string, version: string | undefined) => Pick<Call, "path" | "headers">
  readonly decode: (read: Read) => AsyncGenerator<Update>
}

const withQuery = (path: string, query: Readonly<Record<string, string | undefined>>) => {
  const values = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  return values.length === 0 ? path : `${path}?${new URLSearchParams(values)}`
}

/** The three encodings that need no parser of their own, as docs/streaming.md describes them. */
export const decoders: Readonly<Record<Encoding, Decoder>> = {
  lines: {
    requestOf: (path, after) => ({ path: withQuery(path, { after }), headers: { accept: "application/x-ndjson" } }),
    decode: async function* (read) {
      for await (const line of linesOf(read)) yield JSON.parse(line) as Update
    }
  },
  events: {
    requestOf: (path, version) => ({
      path,
      headers: { accept: "text/event-stream", ...(version === undefined ? {} : { "last-event-id": version }) }
    }),
    decode: async function* (read) {
      let event: Record<string, string> = {}
      for await (const line of linesOf(read)) {
        const [, field = "", value = ""] = /^(\w*): ?(.*)$/s.exec(line) ?? []
        if (line !== "") event[field] = value
        // A comment is a heartbeat.
        if (line.startsWith(":")) yield {}
        if (line !== "" || event["data"] === undefined) continue
        yield { version: event["id"] ?? "", [event["event"] ?? ""]: JSON.parse(event["data"]) }
        event = {}
      }
    }
  },
  poll: {
    requestOf: (path, after) => ({ path: withQuery(path, { wait: "25s", after }) }),
    decode: async function* (read) {
      let text = ""
      for (let part = await read(); part !== undefined; part = await read()) text += part
      const { updates, ...end } = JSON.parse(text) as Update & { readonly updates: ReadonlyArray<Update> }
      yield* updates
      yield end
    }
  }
}

/** The milliseconds without a byte, more than two heartbeats, after which a connection counts as dead. */
const patience = 45_000

/** The milliseconds without a byte, more than one heartbeat, after which a wake-up ends the connection. */
const doubt = 25_000

export interface Connection {
  readonly request: (call: Call) => Promise<Response>
  readonly network: Network
}

export interface FollowOptions {
  readonly signal: AbortSignal
  /** The version to resume after. */
  readonly version?: string | undefined
  readonly encoding?: Encoding | undefined
  readonly onState?: ((state: StreamState, error?: unknown) => void) | undefined
  /** Called before each request. */
  readonly onConnect?: (() => void) | undefined
}

/**
 * Follows a resource from a version, across broken connections, until the signal is aborted or the resource is gone. An update
 * may come a second time after its connection broke.
 */
export async function* follow(
  { network, request }: Connection,
  path: string,
  { encoding = "lines", onConnect, onState, signal, version }: FollowOptions
): AsyncGenerator<Update, void> {
  const { decode, requestOf } = decoders[encoding]
  const backoff = new Backoff()
  let state: StreamState | undefined
  const enter = (next: StreamState, error?: unknown) => {
    if (next === state) return
    const was = state
    state = next
    onState?.(next, error)
    // Other attempts need not wait either, because the server is back.
    if (next === "live" && (was === "offline" || was === "signedOut")) network.wake()
  }
  enter("connecting")
  while (!signal.aborted) {
    const attempt = new AbortController()
    const abort = () => attempt.abort(new ConnectionError(undefined))
    signal.addEventListener("abort", abort)
    let heardAt = Date.now()
    const { epoch } = network
    const forgetLoss = network.onLoss(abort)
    const forgetWake = network.onWake(() => {
      // A clock that has jumped in either direction gives a reason for doubt, too.
      if (Math.abs(Date.now() - heardAt) > doubt) abort()
    })
    // The timer runs only during a read, because a slow program is no dead connection.
    const watched = async <A>(work: Promise<A>): Promise<A> => {
      const timer = setTimeout(abort, patience)
      try {
        return await work
      } finally {
        clearTimeout(timer)
        heardAt = Date.now()
      }
    }
    try {
      onConnect?.()
      const response = await watched(request({ method: "GET", ...requestOf(path, version), signal: attempt.signal }))
      const reader = response.body?.getReader()
      const decoder = new TextDecoder()
      const read = async () => {
        const chunk = await reader?.read()
        return chunk === undefined || chunk.done ? undefined : decoder.decode(chunk.value, { stream: true })
      }
      let isEarly = true
      for await (const update of decode(() => watched(read()))) {
        enter("live")
        const { version: next, ...parts } = update
        if (next !== undefined || Object.keys(parts).length > 0) {
          backoff.reset()
          isEarly = false
          yield update
        }
        version = next ?? version
      }
      // A server ends a stream at its greatest age, and when it stops.
      if (encoding !== "poll") await sleep(isEarly ? backoff.after(undefined) : Math.random() * 1_000, signal)
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof ProblemError && error.type === "NotFound") return enter("gone", error)
      enter(isSignedOut(error) ? "signedOut" : "offline", error)
      // The server may not know the version. Without one, it sends a snapshot.
      if (isRefusal(error)) version = undefined
      await network.pause(isSignedOut(error) ? Infinity : backoff.after(error), error, signal, epoch)
    } finally {
      signal.removeEventListener("abort", abort)
      forgetLoss()
      forgetWake()
      attempt.abort()
    }
  }
}
