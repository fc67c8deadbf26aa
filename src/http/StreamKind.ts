import { Context } from "effect"
import type { HttpServerRequest } from "effect/http"
import { asksToSubscribe } from "../braid/Request.ts"

/** How a request asks to be kept informed: by Braid-HTTP, by server-sent events, by lines of JSON, or by a long poll. */
export type StreamKind = "braid" | "events" | "lines" | "poll"

const mediaTypesOf = (accept: string) => accept.split(",").map((type) => type.split(";", 1)[0]?.trim().toLowerCase())

const hasWait = (url: string) =>
  url.includes("wait=") && new URLSearchParams(url.slice(url.indexOf("?") + 1)).has("wait")

/**
 * Reads from the head of a request how it asks to be kept informed; `undefined` if it asks for the current state. Only
 * routes that have a stream act on it.
 */
export const streamKindOf = ({
  headers,
  url
}: Pick<HttpServerRequest.HttpServerRequest, "headers" | "url">): StreamKind | undefined => {
  if (asksToSubscribe(headers["subscribe"])) return "braid"
  if (hasWait(url)) return "poll"
  const accept = headers["accept"]
  if (accept === undefined) return undefined
  const mediaTypes = mediaTypesOf(accept)
  if (mediaTypes.includes("text/event-stream")) return "events"
  return mediaTypes.includes("application/x-ndjson") ? "lines" : undefined
}

/** {@link streamKindOf} the current request. Rate limits, metrics and handlers all go by it. */
export const CurrentStreamKind = Context.Reference<StreamKind | undefined>("xfchat/http/CurrentStreamKind", {
  defaultValue: () => undefined
})
