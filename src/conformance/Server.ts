import type { People } from "./People.ts"
import { setTimeout as sleep } from "node:timers/promises"

/** The server under test. */
export interface Server {
  /** Without a slash at the end. */
  readonly url: string
  /** Gets a line for each request and its answer, and for each update of a stream. */
  readonly trace?: (line: string) => void
  /** Those whom the tests of a run share. */
  readonly people?: People
  /** Gets the length of a wait for a rate limit before it begins, and a promise of its end. */
  readonly onWait?: (seconds: number, ended: Promise<void>) => void
}

const longest = 400

/** A text as one short line. */
export const shorten = (text: string): string => {
  const line = text.replaceAll(/\s+/g, " ").trim()
  return line.length > longest ? `${line.slice(0, longest)} … (${text.length} characters)` : line
}

/** Headers whose values would not help a reader, or must not be shown. */
const unshown = new Set(["authorization", "content-type"])

/** A request as a line of the trace. */
export const describeRequest = (method: string, path: string, headers: HeadersInit = {}, body?: unknown): string => {
  const shown = [...new Headers(headers)].flatMap(([name, value]) => (unshown.has(name) ? [] : [`${name}: ${value}`]))
  const withHeaders = shown.length === 0 ? "" : ` (${shorten(shown.join(", "))})`
  const text = typeof body === "string" ? body : body instanceof Uint8Array ? `${body.length} bytes` : ""
  // Passwords stay out of reports.
  const withBody = text === "" ? "" : ` ${shorten(text.replaceAll(/("\w*[pP]assword":)"[^"]*"/g, '$1"…"'))}`
  return `${method} ${path}${withHeaders}${withBody}`
}

/**
 * The seconds until a request that exceeded a rate limit can be repeated. `undefined` for other answers: a login that has to wait
 * is a promise of its own, and its limit of requests is not used up.
 */
export const limitedFor = (status: number, header: (name: string) => string | null | undefined): number | undefined =>
  status === 429 && header("ratelimit-remaining") === "0" ? Number(header("retry-after") ?? 1) : undefined

/** Waits until the server takes requests again. */
export const waitFor = async ({ onWait }: Server, seconds: number): Promise<void> => {
  const ended = sleep(seconds * 1_000)
  onWait?.(seconds, ended)
  await ended
}

/** Asks a server as `fetch` does, again after a wait if a rate limit is used up. */
export const ask = async (server: Server, path: string, init: RequestInit = {}): Promise<Response> => {
  const { body, headers = {}, method = "GET" } = init
  const asked = describeRequest(method, path, headers, body)
  for (;;) {
    server.trace?.(asked)
    const response = await fetch(server.url + path, init)
    const seconds = limitedFor(response.status, (name) => response.headers.get(name))
    // A stream of bytes cannot be sent twice.
    if (seconds === undefined || body instanceof ReadableStream) {
      server.trace?.(`  → ${response.status}`)
      return response
    }
    await response.body?.cancel()
    await waitFor(server, seconds)
  }
}
