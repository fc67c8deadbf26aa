import { Effect, Layer, type Context, type Duration } from "effect"
import { HttpServer, HttpServerError } from "effect/http"
import { NetAddress } from "effect/net"
import { toFetchHandler, type FetchHandler } from "./FetchHandler.ts"

/** What is used of Deno's own server: https://docs.deno.com/api/deno/~/Deno.serve */
declare const Deno: {
  serve(
    options: { readonly port: number; readonly hostname: string; readonly onListen: () => void },
    handler: FetchHandler
  ): { readonly addr: { readonly hostname: string; readonly port: number }; shutdown(): Promise<void> }
}

/**
 * An `HttpServer` on `Deno.serve`, which is three times as fast as Deno's `node:http`. It listens at once, and holds what
 * comes until the routes are there. When it stops, requests in flight have `gracefulShutdownTimeout` to finish; those
 * that are left then end with the process.
 */
export const layer = (options: {
  readonly host: string
  readonly port: number
  readonly gracefulShutdownTimeout: Duration.Duration
}) =>
  Layer.effect(
    HttpServer.HttpServer,
    Effect.gen(function* () {
      const routes = Promise.withResolvers<FetchHandler>()
      const server = yield* Effect.acquireRelease(
        Effect.try({
          try: () =>
            Deno.serve({ port: options.port, hostname: options.host, onListen: () => {} }, async (request, info) =>
              (await routes.promise)(request, info)
            ),
          catch: (cause) => new HttpServerError.ServeError({ cause })
        }),
        (server) => Effect.promise(() => server.shutdown()).pipe(Effect.timeoutOption(options.gracefulShutdownTimeout))
      )
      const address = yield* Effect.fromResult(
        NetAddress.inetAddressFromIpString(server.addr.hostname, server.addr.port)
      ).pipe(Effect.mapError((cause) => new HttpServerError.ServeError({ cause })))

      return HttpServer.make({
        address,
        serve: (app, middleware) =>
          Effect.contextWith((context: Context.Context<never>) =>
            Effect.sync(() => routes.resolve(toFetchHandler(context)(app, middleware)))
          )
      })
    })
  )
