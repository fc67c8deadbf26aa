import { Effect, identity, Option } from "effect"
import { HttpMiddleware, HttpRouter, HttpServerRequest, type HttpServerResponse } from "effect/http"
import type { IpNetwork } from "effect/net"
import { Configuration } from "../platform/Configuration.ts"

/** An IPv4 address as a socket shows it that takes IPv6, too. */
const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

const asIpv4 = (request: HttpServerRequest.HttpServerRequest) => {
  const [, address] = mapped.exec(Option.getOrElse(request.remoteAddress, () => "")) ?? []
  return address === undefined ? request : request.modify({ remoteAddress: Option.some(address) })
}

/**
 * Has every request show its client as `remoteAddress`: its peer, or whom a trusted peer says that it forwards for. Of the
 * addresses in `X-Forwarded-For` each proxy has added the one that it was called from, so the last that is no trusted
 * proxy is the client; those before it anybody can make up. The other header for this, `Forwarded`, is not believed: a
 * proxy that writes one of them lets the client write the other.
 */
export const showClients = (trustedProxies: ReadonlyArray<IpNetwork.IpNetwork>) => {
  const followProxies = trustedProxies.length === 0 ? identity : HttpMiddleware.xForwardedHeaders({ trustedProxies })
  return <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    followProxies(app).pipe(Effect.updateService(HttpServerRequest.HttpServerRequest, asIpv4))
}

/** {@link showClients} around every route, for the proxies that `TRUSTED_PROXIES` names. */
export const ClientAddressLive = HttpRouter.middleware(
  Effect.map(Configuration.trustedProxies, (proxies) => showClients(Option.getOrElse(proxies, () => []))),
  { global: true }
)
