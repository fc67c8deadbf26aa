import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Cause, Effect, Exit, type Context, type Fiber } from "effect"
import type { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Writable } from "node:stream"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { heartbeat, type Feed, type Heartbeat } from "./Feed.ts"

/** A delivery: its first bytes, then the updates of a feed. */
export interface Delivery<A extends object> {
  readonly start: ReadonlyArray<Uint8Array>
  readonly feed: Feed<A>
  readonly encode: (update: A | Heartbeat) => Uint8Array
}

const nothing: ReadonlyArray<never> = []

const chunks = new WeakMap<Uint8Array, Uint8Array>()

/** Bytes as a chunk of a chunked body (RFC 9112, 7.1): made once for all receivers of the same bytes. */
const chunkOf = (bytes: Uint8Array): Uint8Array => {
  let chunk = chunks.get(bytes)
  if (chunk === undefined) {
    chunk = Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")])
    chunks.set(bytes, chunk)
  }
  return chunk
}

/**
 * The socket of a response with a chunked body, unless another response still has it (pipelining). A chunk written to the
 * socket in one piece costs half as much as in the three pieces in which the response would write it.
 */
const socketOf = ({ chunkedEncoding, socket }: ServerResponse): Socket | undefined =>
  chunkedEncoding && socket !== null ? socket : undefined

/** Milliseconds between the first two heartbeats to a client that has closed its sending side; doubled up to the last. */
const firstProbe = 50
const lastProbe = 10_000

/**
 * Delivers a feed to a response of Node's. An update is written in the same turn that woke the stream: pulling a Stream would
 * cost as much again as the write itself. While the response's buffer is full, everything stays in the feed.
 */
class Deliverer<A extends object> {
  private readonly delivery: Delivery<A>
  private readonly response: ServerResponse
  private readonly context: Context.Context<never>
  private readonly finish: (exit: Exit.Exit<void>) => void
  private readonly socket: Socket | undefined
  private readonly connection: Socket | null
  private probing: NodeJS.Timeout | undefined
  private untilProbe = firstProbe
  private reading: Fiber.Fiber<unknown, unknown> | undefined
  /** Updates that were taken from the feed and found the socket full. */
  private pending: ReadonlyArray<A | Heartbeat> = nothing
  private isOver = false

  constructor(
    delivery: Delivery<A>,
    response: ServerResponse,
    context: Context.Context<never>,
    finish: (exit: Exit.Exit<void>) => void
  ) {
    this.delivery = delivery
    this.response = response
    this.context = context
    this.finish = finish
    for (const chunk of delivery.start) response.write(chunk)
    this.socket = socketOf(response)
    this.connection = response.socket
    this.sink.on("drain", this.deliver)
    if (this.connection?.readableEnded === true) this.probe()
    else this.connection?.once("end", this.probe)
    this.deliver()
  }

  stop(): void {
    this.isOver = true
    this.sink.off("drain", this.deliver)
    this.connection?.off("end", this.probe)
    clearTimeout(this.probing)
    this.delivery.feed.stream.cancelSleep()
    this.reading?.interruptUnsafe()
  }

  /**
   * A client that has closed its sending side may still listen, or may be gone. TCP shows no difference until something is
   * written: if the client is gone, the second write fails, which ends the stream.
   */
  private readonly probe = (): void => {
    if (this.isOver) return
    if (!this.sink.writableNeedDrain) this.write([heartbeat])
    this.probing = setTimeout(this.probe, this.untilProbe)
    this.untilProbe = Math.min(2 * this.untilProbe, lastProbe)
  }

  private end(exit: Exit.Exit<void>): void {
    this.stop()
    this.finish(exit)
  }

  private readonly deliver = (): void => {
    const { feed } = this.delivery
    while (!this.isOver && this.reading === undefined && !this.sink.writableNeedDrain) {
      if (this.pending.length > 0) {
        this.write(this.pending)
        continue
      }
      const taken = feed.poll()
      if (taken === undefined) return this.end(Exit.void)
      if (Effect.isEffect(taken)) return this.read(taken)
      if (taken.length === 0) return feed.stream.onWake(this.deliver)
      this.write(taken)
    }
  }

  /** The response that updates are written to. */
  private get sink(): Writable {
    return this.socket ?? this.response
  }

  /** Encodes and writes only as much as the sink takes: the rest waits for the drain. */
  private write(updates: ReadonlyArray<A | Heartbeat>): void {
    let written = 0
    for (const update of updates) {
      if (this.sink.writableNeedDrain) break
      const bytes = this.delivery.encode(update)
      this.sink.write(this.socket === undefined ? bytes : chunkOf(bytes))
      written++
    }
    this.pending = written === updates.length ? nothing : updates.slice(written)
  }

  private read(updates: Effect.Effect<ReadonlyArray<A | Heartbeat>, DatabaseUnavailable>): void {
    const reading = Effect.runForkWith(this.context)(updates)
    this.reading = reading
    reading.addObserver((exit) => {
      this.reading = undefined
      if (this.isOver) return
      if (Exit.isSuccess(exit)) {
        this.write(exit.value)
        this.deliver()
      }
      // Without the database a stream ends like any other, and the client reconnects and resumes.
      else this.end(Cause.hasDies(exit.cause) ? Exit.die(Cause.squash(exit.cause)) : Exit.void)
    })
  }
}

/** Answers a request of Node's with a response's head and a feed, until the feed ends or the client goes. */
export const deliver = <A extends object>(
  request: HttpServerRequest.HttpServerRequest,
  { headers, status, statusText }: HttpServerResponse.HttpServerResponse,
  delivery: Delivery<A>
): Effect.Effect<void> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.callback<void>((resume) => {
      const response = NodeHttpServerRequest.toServerResponse(request) as ServerResponse
      response.writeHead(status, statusText ?? "", headers)
      const deliverer = new Deliverer(delivery, response, context, (exit) => {
        if (Exit.isSuccess(exit)) response.end()
        else response.destroy()
        resume(exit)
      })
      return Effect.sync(() => deliverer.stop())
    })
  ).pipe(Effect.interruptible)
