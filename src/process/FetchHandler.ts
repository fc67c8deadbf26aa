import { Context, Effect, Option, type Scope } from "effect"
import { HttpEffect, HttpServerRequest, type HttpMiddleware, type HttpServerResponse } from "effect/http"

/** What Deno tells a handler beside the request: https://docs.deno.com/api/deno/~/Deno.ServeHandlerInfo */
export interface ConnectionInfo {
  readonly remoteAddr?: { readonly hostname?: string }
}

export type FetchHandler = (request: Request, info?: ConnectionInfo) => Promise<Response>

/** The address that a request came from, where the host tells it. */
const Peer = Context.Reference<Option.Option<string>>("xfchat/process/Peer", { defaultValue: Option.none })

/** An app as a fetch handler, whose requests know their peer as those of Node's server do. */
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
