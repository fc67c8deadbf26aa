import { Effect, Exit, Scope, type Redacted } from "effect"
import { startServer } from "../serverProcess.ts"

/** A server that can be killed or stopped, and started again on the same port. */
export const mortalServer = Effect.fnUntraced(function* (url: Redacted.Redacted) {
  const start = Effect.fnUntraced(function* (port: string) {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
    const server = yield* Scope.provide(startServer("node", url, { SERVER_PORT: port }), scope)
    // The end of a scope kills what was started in it.
    return { ...server, die: Scope.close(scope, Exit.void) }
  })
  let running = yield* start("0")
  const { baseUrl, port } = running
  return {
    baseUrl,
    port: Number(port),
    die: Effect.suspend(() => running.die),
    /** Sends SIGTERM. */
    stop: Effect.suspend(() => running.kill("SIGTERM")),
    /** The exit code, or the signal that killed it. */
    exit: Effect.suspend(() => running.exit),
    restart: Effect.map(
      Effect.suspend(() => start(port)),
      (server) => void (running = server)
    )
  }
})
