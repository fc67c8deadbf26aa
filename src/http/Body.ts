import { ByteSize, Effect, Result } from "effect"
import { Headers, HttpEffect, HttpIncomingMessage, HttpServerRequest, HttpServerResponse } from "effect/http"
import { isUtf8 } from "node:buffer"
import { IncomingMessage } from "node:http"
import { requireRoom, whileWaiting } from "./Capacity.ts"
import type { PayloadBounds } from "./PayloadBounds.ts"
import { RequestWithText } from "./RequestWithText.ts"
import {
  invalid,
  MalformedRequest,
  PayloadTooLarge,
  UnsupportedMediaType,
  type ValidationFailed
} from "../contract/Problem.ts"

const tooLarge = (most: number) =>
  new PayloadTooLarge({ detail: `The body of this request may have at most ${most} bytes.` })
const incomplete = () => new MalformedRequest({ detail: "The body ended before it was complete." })

/** Reads from Node's own request: a fifth of what a stream of Effect costs, and every message that is sent has a body. */
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
      // The rest is discarded, so that the client gets to reading the answer.
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

/** Reads by Effect, which also sends the `100 Continue` that a client may wait for (RFC 9110, 10.1.1). */
const readOf = (request: HttpServerRequest.HttpServerRequest, most: number) =>
  request.arrayBuffer.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(most)),
    Effect.mapBoth({
      onSuccess: (bytes) => new Uint8Array(bytes),
      onFailure: ({ reason }) =>
        reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge" ? tooLarge(most) : incomplete()
    })
  )

const parse = (text: string): Result.Result<unknown, MalformedRequest> =>
  Result.try({
    try: (): unknown => JSON.parse(text),
    catch: () => new MalformedRequest({ detail: "The body is not JSON." })
  })

export const parseBody = (text: string) => Effect.fromResult(parse(text))

/** Whether a request declares a body (RFC 9112, 6.3). Without a length, the body may still be empty. */
const declaresBody = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0

/**
 * Whether a request may have a body without declaring one. A request that a program passes to the fetch handler has no such
 * headers, and Deno gives every request whose method allows a body a stream, which may be empty.
 */
const mayHaveBody = ({ source }: HttpServerRequest.HttpServerRequest) =>
  source instanceof Request && source.body !== null

/** Fails with 415 unless a body is uncompressed and of its endpoint's type. The answer names the encoding to use (RFC 9110, 12.5.3). */
const requireType = Effect.fnUntraced(function* (
  { headers }: HttpServerRequest.HttpServerRequest,
  { mediaType }: PayloadBounds
) {
  const given = (headers["content-type"] ?? "application/json").split(";")[0]?.trim().toLowerCase()
  if (given !== mediaType) {
    return yield* new UnsupportedMediaType({ detail: `Send \`Content-Type: ${mediaType}\`.` })
  }
  const encoding = headers["content-encoding"]?.trim().toLowerCase() ?? "identity"
  if (encoding === "identity" || encoding === "") return
  yield* HttpEffect.appendPreResponseHandler((_, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, "accept-encoding", "identity"))
  )
  return yield* new UnsupportedMediaType({ detail: "Send the body uncompressed, without `Content-Encoding`." })
})

const decoder = new TextDecoder()

/** Reads the text of a body within its bounds. */
const readText = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest, bounds: PayloadBounds) {
  const { headers, source } = request
  const bytes = yield* whileWaiting(
    source instanceof IncomingMessage && headers["expect"] === undefined
      ? readOfNode(source, bounds.maxBytes)
      : readOf(request, bounds.maxBytes)
  )
  yield* requireRoom
  if (!isUtf8(bytes)) return yield* new MalformedRequest({ detail: "The body is not UTF-8." })
  return decoder.decode(bytes)
})

/** Below this length a search for excess is not worth it: it costs as much as decoding. */
const excessFrom = 4_096

/** Parses JSON, and refuses it without a decoder if it is larger than its schema allows. */
export const parseWithin = (
  text: string,
  bounds: PayloadBounds
): Result.Result<unknown, MalformedRequest | ValidationFailed> =>
  Result.flatMap(parse(text), (value) => {
    const excess = text.length < excessFrom ? [] : bounds.excessOf(value)
    return excess.length > 0 ? Result.fail(invalid(excess)) : Result.succeed(value)
  })

/**
 * Reads the body of the current request, and refuses one that is larger than its schema allows. Returns the request with that
 * text. Where all members are optional, a missing body stands for an empty object.
 */
export const readBody = Effect.fnUntraced(function* (bounds: PayloadBounds) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const isDeclared = declaresBody(request)
  if (isDeclared) yield* requireType(request, bounds)
  const text = isDeclared || mayHaveBody(request) || !bounds.isOptional ? yield* readText(request, bounds) : ""
  if (!isDeclared && text === "" && bounds.isOptional) {
    // The type of an empty body does not matter: `curl --data ''` declares a form.
    return new RequestWithText(request, "{}", Headers.remove(request.headers, "content-type"))
  }
  if (!isDeclared && text !== "") yield* requireType(request, bounds)
  if (text.length >= excessFrom && bounds.mediaType === "application/json") {
    yield* Effect.fromResult(parseWithin(text, bounds))
  }
  return new RequestWithText(request, text === "" && bounds.isOptional ? "{}" : text)
})
