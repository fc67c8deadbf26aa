import { HttpServerResponse, type HttpServerRequest } from "effect/http"

/** The headers of an answer that scripts of other origins may read, besides those that they always may. */
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

/** Seconds that browsers remember a preflight: two hours, the longest that they accept. */
const maxAge = "7200"

/**
 * Cross-origin resource sharing: scripts of the listed origins may use the API, `*` for any origin. The API has no cookies, so a
 * script can do nothing in a user's name without their token.
 *
 * `HttpMiddleware.cors` does not fit: it answers every OPTIONS request with 204, whatever the origin and whether or not the
 * route exists, and with a single listed origin it names that one to every caller.
 */
export const makeCrossOrigin = (origins: ReadonlyArray<string>) => {
  const isListed = (origin: string) => origins.includes("*") || origins.includes(origin)
  const originOf = ({ headers }: HttpServerRequest.HttpServerRequest) => {
    const origin = headers["origin"]
    return origin !== undefined && isListed(origin) ? origin : undefined
  }
  return {
    /** The answer to a preflight request; `undefined` if it is not one, or its origin is not listed. */
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
    /** The headers of each answer. */
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
