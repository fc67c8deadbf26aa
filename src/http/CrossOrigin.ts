import { HttpServerResponse, type HttpServerRequest } from "effect/http"

/** What scripts of another origin may read of an answer, besides what they always may. */
const exposed = [
  "Allow",
  "Content-Range",
  "Current-Version",
  "Heartbeats",
  "Merge-Type",
  "Parents",
  "RateLimit",
  "RateLimit-Limit",
  "RateLimit-Policy",
  "RateLimit-Remaining",
  "RateLimit-Reset",
  "Retry-After",
  "Subscribe",
  "Version",
  "X-Request-Id"
].join(", ")

/** Asked for once in two hours, which is as long as browsers remember it. */
const maxAge = "7200"

/**
 * Cross-origin resource sharing: scripts of the origins that are listed may ask and read, `*` for those of any. Cookies are
 * of no use here, so there is nothing that a script could do in somebody's name without their token.
 */
export const makeCrossOrigin = (origins: ReadonlyArray<string>) => {
  const isListed = (origin: string) => origins.includes("*") || origins.includes(origin)
  const originOf = ({ headers }: HttpServerRequest.HttpServerRequest) => {
    const origin = headers["origin"]
    return origin !== undefined && isListed(origin) ? origin : undefined
  }
  return {
    /** The answer to a browser that asks whether it may ask. */
    preflight: (request: HttpServerRequest.HttpServerRequest): HttpServerResponse.HttpServerResponse | undefined => {
      const { "access-control-request-headers": headers, "access-control-request-method": method } = request.headers
      if (request.method !== "OPTIONS" || method === undefined || originOf(request) === undefined) return undefined
      return HttpServerResponse.empty({
        headers: {
          "access-control-allow-methods": "GET, HEAD, PUT, PATCH, POST, DELETE",
          "access-control-allow-headers": headers ?? "",
          "access-control-max-age": maxAge
        }
      })
    },
    /** What each answer has in its head. */
    headers: (request: HttpServerRequest.HttpServerRequest, vary: string | undefined): Record<string, string> => {
      const origin = originOf(request)
      return {
        vary: vary === undefined ? "Origin" : `${vary}, Origin`,
        ...(origin === undefined
          ? {}
          : { "access-control-allow-origin": origin, "access-control-expose-headers": exposed })
      }
    }
  }
}
