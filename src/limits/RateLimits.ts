import { Context, Duration, Effect, Layer, Option } from "effect"
import { RateLimiter } from "effect/persistence"
import * as Configuration from "../Configuration.ts"
import { layerBucketStore } from "./BucketStore.ts"
import { routeClasses, type RouteClass } from "./RouteClass.ts"
import { layerSharedBucketStore } from "./SharedBucketStore.ts"

/** Every limit is a number of requests in this time: so many at once, and then as many as come back. */
export const window = Duration.minutes(1)

/** What was asked for, and what is left. Times are whole seconds, rounded up. */
export interface Allowance {
  readonly isAllowed: boolean
  readonly limit: number
  readonly remaining: number
  /** Until all of the limit is there again. */
  readonly resetAfter: number
  /** Until there is anything again; 0 if there is. */
  readonly retryAfter: number
}

/** A store that cannot be asked limits nobody. */
const failOpen = ({ message }: RateLimiter.RateLimiterError) =>
  Effect.as(Effect.logWarning("A rate limit cannot be asked for", message), undefined)

const seconds = (millis: number) => Math.ceil(Math.max(0, millis) / 1_000)

/** How much anybody may ask for, by the class of the route. */
export class RateLimits extends Context.Service<
  RateLimits,
  {
    /** The limits that are set, in requests a minute. */
    readonly limits: ReadonlyMap<RouteClass, number>
    /** Takes one request of a class from what `key`, a user or an address, may do; `undefined` where there is no limit. */
    readonly take: (routeClass: RouteClass, key: string) => Effect.Effect<Allowance | undefined>
  }
>()("xfchat/limits/RateLimits") {
  /** On token buckets that are kept anywhere. */
  static readonly layerNoDeps = Layer.effect(
    RateLimits,
    Effect.gen(function* () {
      const store = yield* RateLimiter.RateLimiterStore
      const limits = new Map<RouteClass, number>()
      for (const routeClass of routeClasses) {
        const limit = yield* Configuration.rateLimits[routeClass]
        if (limit !== "none") limits.set(routeClass, limit)
      }
      const asking = new Map(
        [...limits].map(([routeClass, limit]) => {
          const refillRate = Duration.divideUnsafe(window, limit)
          const interval = Duration.toMillis(refillRate)
          const answer = {
            onSuccess: ([left, elapsed]: readonly [left: number, elapsed: number]) =>
              Effect.succeed<Allowance>({
                isAllowed: left >= 0,
                limit,
                remaining: Math.max(0, Math.floor(left)),
                resetAfter: seconds((limit - Math.max(0, left)) * interval - elapsed),
                retryAfter: seconds(-left * interval - elapsed)
              }),
            onFailure: failOpen
          }
          const ask = (key: string) =>
            Effect.matchEffect(
              store.tokenBucket({ key: `${routeClass}:${key}`, tokens: 1, limit, refillRate, allowOverflow: false }),
              answer
            )
          return [routeClass, ask]
        })
      )

      const take = (routeClass: RouteClass, key: string) => asking.get(routeClass)?.(key) ?? Effect.undefined

      return RateLimits.of({ limits, take })
    })
  )

  /** Shared by all processes when `REDIS_URL` is set, else for this process alone. */
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
