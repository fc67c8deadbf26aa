import { Effect, Layer, type Context, type Duration, type Scope } from "effect"
import { HttpEffect, HttpServer, HttpServerError, type HttpServerRequest } from "effect/http"
import { NetAddress } from "effect/net"

/** What is used of Deno's own server: https://docs.deno.com/api/deno/~/Deno.serve */
declare const Deno: {
  serve(
    options: { readonly port: number; readonly hostname: string; readonly onListen: () => void },
    handler: (request: Request) => Promise<Response>
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
      const routes = Promise.withResolvers<(request: Request) => Promise<Response>>()
      const server = yield* Effect.acquireRelease(
        Effect.try({
          try: () =>
            Deno.serve({ port: options.port, hostname: options.host, onListen: () => {} }, async (request) =>
              (await routes.promise)(request)
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
            Effect.sync(() =>
              routes.resolve(
                HttpEffect.toWebHandlerWith<never, HttpServerRequest.HttpServerRequest | Scope.Scope>(context)(
                  app,
                  middleware
                )
              )
            )
          )
      })
    })
  )
