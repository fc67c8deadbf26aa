import { Cause, Console, Context, Duration, Effect, Layer, ManagedRuntime } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
// Compiles schemas to code when they are first used, where the host allows it: a send costs some 8 % less.
import "effect/schema/SchemaJITCompiler/enable"
import process from "node:process"
import { checkConfiguration } from "./platform/Configuration.ts"
import * as Database from "./database/Database.ts"
import { refuseOn } from "./process/DevAuthBypass.ts"
import { failureLine } from "./process/FailureLine.ts"
import { toFetchHandler, type FetchHandler } from "./process/FetchHandler.ts"
import { ObservabilityLive } from "./process/Observability.ts"
import { withoutServices } from "./http/RequestContext.ts"
import { RoutesLive, ServicesLive, stopTimeout } from "./Server.ts"
import { Draining } from "./live/Draining.ts"

/**
 * XFChat as a fetch handler, for `deno serve` and any other host of such handlers. The whole program is built before the handler
 * exists: with a broken database this module fails to load, and nothing is served.
 */
const runtime = ManagedRuntime.make(
  RoutesLive.pipe(
    Layer.provideMerge(Layer.merge(HttpRouter.layer, HttpServer.layerServices)),
    Layer.provideMerge(ServicesLive),
    Layer.provide(Database.layer),
    // Merged, since requests need it too.
    Layer.provideMerge(ObservabilityLive),
    Layer.provide(Layer.effectDiscard(Effect.andThen(checkConfiguration, refuseOn(undefined))))
  )
)
const context = await Effect.runPromise(
  Effect.tapCause(runtime.contextEffect, (cause) =>
    Effect.andThen(
      Console.error(failureLine(Cause.squash(cause))),
      Effect.sync(() => process.exit(1))
    )
  )
)
const app = Context.get(context, HttpRouter.HttpRouter).asHttpEffect()
const handler = toFetchHandler(withoutServices(context))(app)

/** Requests without an answer yet. */
const unanswered = new Set<Promise<Response>>()

const answer: FetchHandler = (request, info) => {
  const response = handler(request, info)
  unanswered.add(response)
  return response.finally(() => unanswered.delete(response))
}

/** Ends the open streams, finishes the open requests, and closes the database connections. */
export const dispose = async (): Promise<void> => {
  await Effect.runPromise(Context.get(context, Draining).begin)
  await Promise.allSettled(unanswered)
  await runtime.dispose()
}

// The host stops accepting requests on its own, but would wait for ever for streams and connections, and then for clients that
// do not read.
const stop = async () => {
  await dispose()
  setTimeout(() => process.exit(), Duration.toMillis(stopTimeout)).unref()
}
process.once("SIGTERM", stop)
process.once("SIGINT", stop)

export default { fetch: answer }
