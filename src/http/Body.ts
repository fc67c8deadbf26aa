import { ByteSize, Effect } from "effect"
import { Headers, HttpEffect, HttpIncomingMessage, HttpServerRequest, HttpServerResponse } from "effect/http"
import { isUtf8 } from "node:buffer"
import { IncomingMessage } from "node:http"
import { CurrentSlot } from "./Capacity.ts"
import type { PayloadBounds } from "./PayloadBounds.ts"
import { invalid, MalformedRequest, PayloadTooLarge, ServerBusy, UnsupportedMediaType } from "../contract/Problem.ts"

const tooLarge = (most: number) =>
  new PayloadTooLarge({ detail: `The body of this request has at most ${most} bytes.` })
const incomplete = () => new MalformedRequest({ detail: "The body ended before it was complete." })

/** From Node's own request, at a fifth of what it costs by a stream of Effect's: each message is sent in one. */
const readOfNode = (source: IncomingMessage, most: number) =>
  Effect.callback<Uint8Array, PayloadTooLarge | MalformedRequest>((resume) => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    const stop = () => source.off("data", onData).off("end", onEnd).off("close", onClose)
    const onData = (chunk: Uint8Array) => {
      size += chunk.length
      chunks.push(chunk)
      if (size <= most) return
      stop()
      // What is left is thrown away, so that the client reads the answer.
      source.resume()
      resume(Effect.fail(tooLarge(most)))
    }
    const onEnd = () => {
      stop()
      resume(Effect.succeed(Buffer.concat(chunks)))
    }
    const onClose = () => resume(Effect.fail(incomplete()))
    source.on("data", onData).on("end", onEnd).on("close", onClose)
    return Effect.sync(stop)
  })

/** As Effect reads it, which also tells a client to go on that waits for that (RFC 9110, 10.1.1). */
const readOf = (request: HttpServerRequest.HttpServerRequest, most: number) =>
  request.arrayBuffer.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(most)),
    Effect.mapBoth({
      onSuccess: (bytes) => new Uint8Array(bytes),
      onFailure: ({ reason }) =>
        reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge" ? tooLarge(most) : incomplete()
    })
  )

export const parseBody = (text: string) =>
  Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: () => new MalformedRequest({ detail: "The body is not JSON." })
  })

/** Whether a request says that it has a body (RFC 9112, 6.3), which may still be empty where its length is not given. */
const declaresBody = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0

/**
 * Whether a request may have a body without saying so. A request that a program hands to the fetch handler has no headers
 * that declare one, and Deno gives every request with a method that may have a body a stream, which may be empty.
 */
const mayHaveBody = ({ source }: HttpServerRequest.HttpServerRequest) =>
  source instanceof Request && source.body !== null

/** Fails with 415 unless a body is JSON, and is sent as it is. The answer names the encoding to use (RFC 9110, 12.5.3). */
const requireJson = Effect.fnUntraced(function* ({ headers }: HttpServerRequest.HttpServerRequest) {
  const mediaType = (headers["content-type"] ?? "application/json").split(";")[0]?.trim().toLowerCase()
  if (mediaType !== "application/json") {
    return yield* new UnsupportedMediaType({ detail: "Send `Content-Type: application/json`." })
  }
  const encoding = headers["content-encoding"]?.trim().toLowerCase() ?? "identity"
  if (encoding === "identity" || encoding === "") return
  yield* HttpEffect.appendPreResponseHandler((_, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, "accept-encoding", "identity"))
  )
  return yield* new UnsupportedMediaType({ detail: "Send the body uncompressed, without `Content-Encoding`." })
})

const decoder = new TextDecoder()

/** The text of a body, read as JSON takes it and within its bounds. */
const readText = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest, bounds: PayloadBounds) {
  const { headers, source } = request
  const place = yield* CurrentSlot
  place.leave()
  const bytes = yield* source instanceof IncomingMessage && headers["expect"] === undefined
    ? readOfNode(source, bounds.maxBytes)
    : readOf(request, bounds.maxBytes)
  if (!place.take()) return yield* new ServerBusy({ detail: "Try again in a moment." })
  if (!isUtf8(bytes)) return yield* new MalformedRequest({ detail: "The body is not UTF-8." })
  return decoder.decode(bytes)
})

/** In a shorter body there is not enough to be worth the look: it costs as much as to decode it. */
const excessFrom = 4_096

const setText = (request: HttpServerRequest.HttpServerRequest, text: string) =>
  Object.defineProperty(request, "text", { value: Effect.succeed(text) })

/**
 * Reads the body of the current request, and refuses one that is larger than its schema takes. It is the request's `text`
 * from then on. Where all members are optional, no body is an empty object.
 */
export const readBody = Effect.fnUntraced(function* (bounds: PayloadBounds) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const isDeclared = declaresBody(request)
  if (isDeclared) yield* requireJson(request)
  const text = isDeclared || mayHaveBody(request) || !bounds.isOptional ? yield* readText(request, bounds) : ""
  if (!isDeclared && text === "" && bounds.isOptional) {
    // The type of an empty body does not matter: `curl --data ''` says that it is a form.
    const headers = Headers.remove(request.headers, "content-type")
    return void Object.defineProperty(setText(request, "{}"), "headers", { value: headers })
  }
  if (!isDeclared && text !== "") yield* requireJson(request)
  if (text.length >= excessFrom) {
    const excess = bounds.excessOf(yield* parseBody(text))
    if (excess.length > 0) return yield* invalid(excess)
  }
  setText(request, text === "" && bounds.isOptional ? "{}" : text)
})
