import { Effect, Inspectable } from "effect"
import { HttpIncomingMessage, HttpServerRequest, type Headers } from "effect/http"

type Request = HttpServerRequest.HttpServerRequest

/** A request whose body has been read: `text` is at hand, and everything else comes from the request itself. */
export class RequestWithText extends Inspectable.Class implements Request {
  readonly [HttpServerRequest.TypeId]: typeof HttpServerRequest.TypeId = HttpServerRequest.TypeId
  readonly [HttpIncomingMessage.TypeId]: typeof HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly headers: Headers.Headers
  readonly text: Request["text"]
  private readonly request: Request

  constructor(request: Request, text: string, headers = request.headers) {
    super()
    this.request = request
    this.headers = headers
    this.text = Effect.succeed(text)
  }

  get source() {
    return this.request.source
  }
  get method() {
    return this.request.method
  }
  get url() {
    return this.request.url
  }
  get originalUrl() {
    return this.request.originalUrl
  }
  get protocol() {
    return this.request.protocol
  }
  get cookies() {
    return this.request.cookies
  }
  get remoteAddress() {
    return this.request.remoteAddress
  }
  get peerAddress() {
    return this.request.peerAddress
  }
  get json() {
    return this.request.json
  }
  get urlParamsBody() {
    return this.request.urlParamsBody
  }
  get arrayBuffer() {
    return this.request.arrayBuffer
  }
  get stream() {
    return this.request.stream
  }
  get multipart() {
    return this.request.multipart
  }
  get multipartStream() {
    return this.request.multipartStream
  }
  get upgrade() {
    return this.request.upgrade
  }
  get upgradeWith() {
    return this.request.upgradeWith
  }
  modify(...options: Parameters<Request["modify"]>) {
    return this.request.modify(...options)
  }
  toJSON() {
    return this.request.toJSON()
  }
}
