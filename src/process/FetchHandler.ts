import { Context, Effect, Option, type Scope } from "effect"
import { HttpEffect, HttpServerRequest, type HttpMiddleware, type HttpServerResponse } from "effect/http"

/** The second argument that Deno passes to a handler: https://docs.deno.com/api/deno/~/Deno.ServeHandlerInfo */
export interface ConnectionInfo {
  readonly remoteAddr?: { readonly hostname?: string }
}

export type FetchHandler = (request: Request, info?: ConnectionInfo) => Promise<Response>

/** The address that a request came from, if the host passes it on. */
const Peer = Context.Reference<Option.Option<string>>("xfchat/process/Peer", { defaultValue: Option.none })

/** Turns an app into a fetch handler whose requests have a peer address, like those of Node's server. */
export const toFetchHandler =
  <Services>(context: Context.Context<Services>) =>
  <E>(
    app: Effect.Effect<
      HttpServerResponse.HttpServerResponse,
      E,
      Services | HttpServerRequest.HttpServerRequest | Scope.Scope
    >,
    middleware?: HttpMiddleware.HttpMiddleware
  ): FetchHandler => {
    const handler = HttpEffect.toWebHandlerWith<Services, Services | HttpServerRequest.HttpServerRequest | Scope.Scope>(
      context
    )(
      Effect.flatMap(Peer, (remoteAddress) =>
        Effect.updateService(app, HttpServerRequest.HttpServerRequest, (request) => request.modify({ remoteAddress }))
      ),
      middleware
    )
    return (request, info) => handler(request, Context.make(Peer, Option.fromUndefinedOr(info?.remoteAddr?.hostname)))
  }
