import { HttpApiMiddleware } from "effect/http-api"
import { QuotaExceeded, RateLimited } from "./Problem.ts"

/**
 * What every endpoint may answer who asks too much. Every answer to a request that counts tells its limit: `RateLimit-Limit`
 * (how many at once), `RateLimit-Remaining` (how many of them are left) and `RateLimit-Reset` (seconds until all are there
 * again), and the same as draft-ietf-httpapi-ratelimit-headers has it, in `RateLimit-Policy` and `RateLimit`.
 */
export class Limits extends HttpApiMiddleware.Service<Limits>()("xfchat/contract/Limits", {
  error: [RateLimited, QuotaExceeded]
}) {}
