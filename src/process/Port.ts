import { Data, Effect, Predicate } from "effect"
import { createServer } from "node:net"

/** The address to listen on is taken, or is not this machine's. */
export class CannotListen extends Data.TaggedError("CannotListen")<{
  readonly host: string
  readonly port: number
  readonly reason: string
}> {
  override get message() {
    return `Cannot listen on ${this.host}:${this.port} (${this.reason}): stop what listens there, or set SERVER_PORT to another port.`
  }
}

/** The system does not let processes share a port. */
export class CannotSharePort extends Data.TaggedError("CannotSharePort") {
  override readonly message = "Processes cannot share a port on this system: set SERVER_PROCESSES to 1."
}

/** Explains why a server does not listen. */
export const explainListening = (host: string, port: number, cause: unknown): CannotListen | CannotSharePort => {
  const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : "refused"
  if (code === "ENOTSUP") return new CannotSharePort()
  return new CannotListen({ host, port, reason: code === "EADDRINUSE" ? "the port is taken" : code })
}

/**
 * Finds the port for processes that will share it: `port`, or any free one for 0. Fails while another program listens there,
 * which processes that share a port would not notice.
 */
export const findPort = (host: string, port: number): Effect.Effect<number, CannotListen | CannotSharePort> =>
  Effect.callback((resume) => {
    const server = createServer()
    server.once("error", (cause) => resume(Effect.fail(explainListening(host, port, cause))))
    server.listen({ host, port }, () => {
      const address = server.address()
      server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port)))
    })
  })
