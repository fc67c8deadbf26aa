import { HttpApiMiddleware } from "effect/http-api"
import { QuotaExceeded, RateLimited } from "./Problem.ts"

/**
 * Refuses a caller who sends too many requests. Every answer to a request that counts shows its limit: `RateLimit-Limit` (the
 * most at once), `RateLimit-Remaining` (how many are left) and `RateLimit-Reset` (the seconds until all are available again),
 * and the same as draft-ietf-httpapi-ratelimit-headers specifies, in `RateLimit-Policy` and `RateLimit`.
 */
export class Limits extends HttpApiMiddleware.Service<Limits>()("xfchat/contract/Limits", {
  error: [RateLimited, QuotaExceeded]
}) {}
