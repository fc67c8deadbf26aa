import { Duration, Effect } from "effect"
import { HttpServerRespondable } from "effect/http"
import { createServer, type Server, type ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import { HeadersTooLarge, MalformedRequest, RequestTimeout } from "../contract/Problem.ts"
import { maxHeaderSize } from "../http/Requests.ts"
import { isDeno } from "../platform/Runtime.ts"

/** Milliseconds between Node's checks for late requests. */
const checkInterval = 2_000

/** The answer to what Node cannot parse as a request, as text for the socket. */
const refusal = (error: Parameters<typeof HttpServerRespondable.toResponse>[0], reason: string): string => {
  const { body, headers, status } = Effect.runSync(HttpServerRespondable.toResponse(error))
  const text = body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""
  return [
    `HTTP/1.1 ${status} ${reason}`,
    `content-type: ${headers["content-type"]}`,
    `content-length: ${Buffer.byteLength(text)}`,
    `x-request-id: ${crypto.randomUUID()}`,
    "connection: close",
    "",
    text
  ].join("\r\n")
}

const refusalOf = (error: Error): string | undefined => {
  switch ("code" in error ? error.code : undefined) {
    case "ECONNRESET":
      return undefined
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return refusal(new RequestTimeout({ detail: "The request took too long to arrive." }), "Request Timeout")
    case "HPE_HEADER_OVERFLOW":
      return refusal(
        new HeadersTooLarge({
          detail: `All header fields and the path together may have at most ${maxHeaderSize} bytes.`
        }),
        "Request Header Fields Too Large"
      )
    default:
      return refusal(new MalformedRequest({ detail: "This is not an HTTP/1.1 request." }), "Bad Request")
  }
}

/** Emits `close` on every response of a closed connection: Deno does so only for the first of several pipelined ones. */
const closePipelined = (server: Server) => {
  const open = new WeakMap<Duplex, Set<ServerResponse>>()
  server.on("request", ({ socket }, response) => {
    let responses = open.get(socket)
    if (responses === undefined) {
      const all = new Set<ServerResponse>()
      open.set(socket, (responses = all))
      socket.once("close", () => all.forEach((other) => other.emit("close")))
    }
    const ofSocket = responses.add(response)
    response.once("close", () => ofSocket.delete(response))
  })
}

/** Refuses a request whose client has closed its sending side in the middle of it: Deno would wait for the rest. */
const refuseCutOff = (server: Server) => {
  server.on("request", (request) => {
    const { socket } = request
    const refuse = () => {
      if (!request.complete) server.emit("clientError", new Error("The request ends in its middle."), socket)
    }
    socket.once("end", refuse)
    request.once("close", () => socket.off("end", refuse))
  })
}

/**
 * The server of Node and of Deno's `node:http`, with bounds on the time and the headers of a request. A client may close its
 * sending side after its request (TCP half-close) and still gets its answer.
 *
 * `answerTimeout` ends a connection whose client accepts nothing of a pending answer for that long. It does not apply while the
 * answer is not ready, or a stream is silent.
 *
 * A stopping server closes idle connections on its own, but not one whose last answer ends later: its client might keep the
 * process alive for seconds. So each connection is closed after its answer then.
 */
export const createNodeServer = (options: {
  readonly headersTimeout: Duration.Duration
  readonly requestTimeout: Duration.Duration
  readonly keepAliveTimeout: Duration.Duration
  readonly answerTimeout: Duration.Duration
}): Server => {
  const answering = new WeakMap<Duplex, ServerResponse>()
  const server = createServer({
    maxHeaderSize,
    headersTimeout: Duration.toMillis(options.headersTimeout),
    requestTimeout: Duration.toMillis(options.requestTimeout),
    keepAliveTimeout: Duration.toMillis(options.keepAliveTimeout),
    connectionsCheckingInterval: checkInterval,
    // The operating system detects peers that vanished while nothing was being written.
    keepAlive: true,
    keepAliveInitialDelay: Duration.toMillis(options.answerTimeout)
  })
  // A property of Node's server that its types omit.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.on("request", ({ socket }, response) => {
    answering.set(socket, response)
    response.once("close", () => {
      if (!server.listening) socket.destroySoon()
    })
  })
  if (isDeno) {
    closePipelined(server)
    refuseCutOff(server)
  }
  // Fires when a connection made no progress for that long. A partial write counts as progress.
  server.setTimeout(Duration.toMillis(options.answerTimeout), (socket) => {
    const response = answering.get(socket)
    const isIdle = response === undefined || response.writableFinished
    if (isIdle || socket.writableLength > 0) socket.destroy()
  })
  return server.on("clientError", (error, socket) => {
    const refused = refusalOf(error)
    const response = answering.get(socket)
    // In the middle of another answer, the client would take it for a part of that.
    const isAnswering = response !== undefined && response.headersSent && !response.writableFinished
    if (refused !== undefined && socket.writable && !isAnswering) socket.end(refused)
    else socket.destroy()
  })
}
