import { Effect, identity, Option } from "effect"
import { HttpMiddleware, HttpRouter, HttpServerRequest, type HttpServerResponse } from "effect/http"
import type { IpNetwork } from "effect/net"
import { Configuration } from "../platform/Configuration.ts"

/** An IPv4 address as an IPv6 socket shows it. */
const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

const asIpv4 = (request: HttpServerRequest.HttpServerRequest) => {
  const [, address] = mapped.exec(Option.getOrElse(request.remoteAddress, () => "")) ?? []
  return address === undefined ? request : request.modify({ remoteAddress: Option.some(address) })
}

/**
 * Sets `remoteAddress` to the client's address: the peer's, or the one that a trusted proxy forwards for. Each proxy appends to
 * `X-Forwarded-For` the address that called it, so the last one that is not a trusted proxy is the client; anybody can make up
 * those before it. The other header for this, `Forwarded`, is ignored: a proxy that writes one of them passes on whatever the
 * client wrote into the other.
 */
export const setClientAddress = (trustedProxies: ReadonlyArray<IpNetwork.IpNetwork>) => {
  const followProxies = trustedProxies.length === 0 ? identity : HttpMiddleware.xForwardedHeaders({ trustedProxies })
  return <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    followProxies(app).pipe(Effect.updateService(HttpServerRequest.HttpServerRequest, asIpv4))
}

/** {@link setClientAddress} around every route, for the proxies of `TRUSTED_PROXIES`. */
export const ClientAddressLive = HttpRouter.middleware(
  Effect.map(Configuration.trustedProxies, (proxies) => setClientAddress(Option.getOrElse(proxies, () => []))),
  { global: true }
)
