import { Context, Duration, Effect, Layer, Option, Record } from "effect"
import { RateLimiter } from "effect/persistence"
import { Configuration } from "../platform/Configuration.ts"
import { logOf } from "../platform/Log.ts"
import { layerBucketStore } from "./BucketStore.ts"
import type { RouteClass } from "../contract/RouteClass.ts"
import { layerSharedBucketStore } from "./SharedBucketStore.ts"

const log = logOf("xfchat/limits")

/** Every limit is a number of requests in this time: a bucket of so many tokens, refilled evenly. */
export const window = Duration.minutes(1)

/** Whether a request is admitted, and how many are left. Times are whole seconds, rounded up. */
export interface Allowance {
  readonly isAllowed: boolean
  readonly limit: number
  readonly remaining: number
  /** Until the whole limit is available again. */
  readonly resetAfter: number
  /** Until a request is admitted again; 0 if one is now. */
  readonly retryAfter: number
}

/** A store that fails limits nobody. */
const failOpen = ({ message }: RateLimiter.RateLimiterError) =>
  Effect.as(log.warning("A rate limit cannot be checked", message), undefined)

const seconds = (millis: number) => Math.ceil(Math.max(0, millis) / 1_000)

/** The part of several messages or requests that is admitted. */
export interface PartialAllowance extends Allowance {
  readonly admitted: number
}

/** Takes from the buckets of a class. Everything that does not depend on the request is made once. */
const takerOf = (store: RateLimiter.RateLimiterStore["Service"], routeClass: RouteClass, limit: number) => {
  const refillRate = Duration.divideUnsafe(window, limit)
  const interval = Duration.toMillis(refillRate)
  const takeTokens = (key: string, tokens: number) =>
    store.tokenBucket({ key: `${routeClass}:${key}`, tokens, limit, refillRate, allowOverflow: false })
  const allowanceOf = (left: number, elapsed: number): Allowance => ({
    isAllowed: left >= 0,
    limit,
    remaining: Math.max(0, Math.floor(left)),
    resetAfter: seconds((limit - Math.max(0, left)) * interval - elapsed),
    retryAfter: seconds(-left * interval - elapsed)
  })
  const answer = {
    onSuccess: ([left, elapsed]: readonly [left: number, elapsed: number]) =>
      Effect.succeed(allowanceOf(left, elapsed)),
    onFailure: failOpen
  }
  const takeSome = (key: string, count: number): Effect.Effect<PartialAllowance | undefined> =>
    Effect.matchEffect(takeTokens(key, count), {
      onSuccess: ([left, elapsed]) => {
        if (left >= 0) return Effect.succeed({ ...allowanceOf(left, elapsed), admitted: count })
        const none = { ...allowanceOf(-1, elapsed), admitted: 0 }
        const most = Math.floor(count + left)
        return most <= 0
          ? Effect.succeed(none)
          : Effect.map(takeSome(key, most), (some) => some && { ...none, admitted: some.admitted })
      },
      onFailure: failOpen
    })
  return { take: (key: string) => Effect.matchEffect(takeTokens(key, 1), answer), takeSome }
}

const unlimited = { take: () => Effect.undefined, takeSome: () => Effect.undefined }

/** Rate limits, by the class of the route. */
export class RateLimits extends Context.Service<
  RateLimits,
  {
    /** How many requests a minute; `null` for no limit. */
    readonly limits: Readonly<Record<RouteClass, number | null>>
    /** Counts a request of a class against the limit of `key`, a user or an address; `undefined` if there is no limit. */
    readonly take: (routeClass: RouteClass, key: string) => Effect.Effect<Allowance | undefined>
    /** As `take`, for several at once: admits the first of them, as many as the limit has room for. */
    readonly takeSome: (
      routeClass: RouteClass,
      key: string,
      count: number
    ) => Effect.Effect<PartialAllowance | undefined>
  }
>()("xfchat/limits/RateLimits") {
  /** On token buckets in any store. */
  static readonly layerNoDeps = Layer.effect(
    RateLimits,
    Effect.gen(function* () {
      const store = yield* RateLimiter.RateLimiterStore
      const limits = Record.map(yield* Effect.all(Configuration.rateLimits), (limit) =>
        limit === "none" ? null : limit
      )
      const takers = Record.map(limits, (limit, routeClass) =>
        limit === null ? unlimited : takerOf(store, routeClass, limit)
      )

      return RateLimits.of({
        limits,
        take: (routeClass, key) => takers[routeClass].take(key),
        takeSome: (routeClass, key, count) => takers[routeClass].takeSome(key, count)
      })
    })
  )

  /** No limits, for programs that have them elsewhere. */
  static readonly layerUnlimited = Layer.succeed(RateLimits, {
    limits: Record.map(Configuration.rateLimits, () => null),
    ...unlimited
  })

  /** Shared by all processes if `REDIS_URL` is set; otherwise each process has its own. */
  static readonly layer = this.layerNoDeps.pipe(
    Layer.provide(
      Layer.unwrap(
        Effect.map(
          Configuration.redisUrl,
          Option.match({ onNone: () => layerBucketStore, onSome: layerSharedBucketStore })
        )
      )
    )
  )
}
