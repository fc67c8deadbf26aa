import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Console, Duration, Effect, Exit, Layer, Option, Runtime } from "effect"
import { HttpServer } from "effect/http"
import { Configuration, checkConfiguration } from "../platform/Configuration.ts"
import * as Database from "../database/Database.ts"
import { ServerLive, ServicesLive, stopTimeout } from "../Server.ts"
import { DevAuthBypass, refuseOn } from "./DevAuthBypass.ts"
import { failureLine } from "./FailureLine.ts"
import { createNodeServer } from "./NodeServer.ts"
import { ObservabilityLive } from "./Observability.ts"
import { explainListening } from "./Port.ts"
import { supervised } from "./Supervised.ts"
import { supervise } from "./Supervisor.ts"

const HttpServerLive = Layer.unwrap(
  Effect.gen(function* () {
    const host = yield* Configuration.serverHost
    const port = yield* Configuration.serverPort
    const requestTimeout = yield* Configuration.serverRequestTimeout
    const times = {
      requestTimeout,
      headersTimeout: Duration.min(yield* Configuration.serverHeadersTimeout, requestTimeout),
      keepAliveTimeout: yield* Configuration.serverKeepAliveTimeout,
      answerTimeout: yield* Configuration.serverAnswerTimeout
    }
    const reusePort = Option.isSome(yield* Configuration.serverProcess)
    const listen = { host, port, reusePort, gracefulShutdownTimeout: stopTimeout }
    // Also on Deno: `Deno.serve` is faster, but cannot end requests whose heads never arrive.
    const server = NodeHttpServer.layerServer(() => createNodeServer(times), listen)
    return Layer.catchTag(server, "ServeError", ({ cause }) =>
      Layer.effect(HttpServer.HttpServer, Effect.fail(explainListening(host, port, cause)))
    )
  })
)

const check = Effect.andThen(checkConfiguration, Effect.flatMap(Configuration.serverHost, refuseOn))

/**
 * The server as a process, on Node or Deno. It starts the database first, then the services, then listens; SIGINT and SIGTERM
 * stop it in the opposite order.
 */
export const ServerProcess = supervised(ServerLive).pipe(
  Layer.provideMerge(Layer.mergeAll(HttpServerLive, HttpServer.layerServices)),
  Layer.provide(DevAuthBypass),
  Layer.provideMerge(ServicesLive),
  Layer.provide(Database.layer),
  Layer.provide(ObservabilityLive),
  Layer.provide(Layer.effectDiscard(check))
)

/** Serves the API: in this process, or in several that it supervises. */
export const serveProcesses = Effect.gen(function* () {
  const processes = yield* Configuration.serverProcesses
  const isSupervised = Option.isSome(yield* Configuration.serverProcess)
  if (isSupervised || processes === 1) return yield* Layer.launch(ServerProcess)
  yield* check
  return yield* Effect.provide(supervise(processes), ObservabilityLive)
})

/**
 * Runs a program as this process. A failure prints one plain line on standard error and exits with 1, unless it has already
 * been reported or has an exit code of its own.
 */
export const runMain = <A, E>(program: Effect.Effect<A, E>) =>
  program.pipe(
    Effect.tapCause((cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.void
      const error = Cause.squash(cause)
      return Runtime.getErrorReported(error) ? Console.error(failureLine(error)) : Effect.void
    }),
    NodeRuntime.runMain({
      disableErrorReporting: true,
      // A signal is the normal way to end a server.
      teardown: (exit, onExit) =>
        onExit(
          Exit.isSuccess(exit)
            ? 0
            : Cause.hasInterruptsOnly(exit.cause)
              ? Number(process.exitCode ?? 0)
              : Runtime.getErrorExitCode(Cause.squash(exit.cause))
        )
    })
  )
