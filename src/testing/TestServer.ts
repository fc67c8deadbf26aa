import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Layer, type Scope } from "effect"
import { HttpEffect, HttpRouter, HttpServer, type HttpServerRequest } from "effect/http"
import { createServer } from "node:http"
import { RoutesLive, ServerLive, ServicesLive } from "../Server.ts"
import { TestDatabase } from "./TestDatabase.ts"

/** The server under test, as a client sees it. */
export class TestServer extends Context.Service<
  TestServer,
  {
    /** The base of all URLs, without a slash at the end. */
    readonly baseUrl: string
    /** Like the global `fetch`, for URLs below {@link baseUrl}. */
    readonly fetch: (url: string | URL, init?: RequestInit) => Promise<Response>
  }
>()("xfchat/testing/TestServer") {
  /** All routes, without a socket, on services that the test provides, with stubs among them where it needs some. */
  static readonly layerRoutes = Layer.effect(
    TestServer,
    Effect.gen(function* () {
      const context = yield* Effect.context<HttpRouter.HttpRouter>()
      const app = Context.get(context, HttpRouter.HttpRouter).asHttpEffect()
      const handler = HttpEffect.toWebHandlerWith<
        HttpRouter.HttpRouter,
        HttpServerRequest.HttpServerRequest | Scope.Scope
      >(context)(app)
      return TestServer.of({
        baseUrl: "http://xfchat.test",
        fetch: (url, init) => handler(new Request(url, init))
      })
    })
  ).pipe(Layer.provide(RoutesLive), Layer.provide([HttpRouter.layer, HttpServer.layerServices]))

  /** The whole server on a new database, without a socket. The test has the services and the `SqlClient`, too. */
  static readonly layer = this.layerRoutes.pipe(
    Layer.provideMerge(ServicesLive),
    Layer.provideMerge(TestDatabase.layer)
  )

  /** The whole server on a new database, listening on a free port of 127.0.0.1. */
  static readonly layerSocket = Layer.effect(
    TestServer,
    Effect.map(HttpServer.HttpServer, ({ address }) =>
      TestServer.of({ baseUrl: HttpServer.formatAddress(address), fetch: globalThis.fetch })
    )
  ).pipe(
    Layer.provide(ServerLive),
    Layer.provide([NodeHttpServer.layerServer(createServer, { host: "127.0.0.1", port: 0 }), HttpServer.layerServices]),
    Layer.provideMerge(ServicesLive),
    Layer.provideMerge(TestDatabase.layer)
  )
}
