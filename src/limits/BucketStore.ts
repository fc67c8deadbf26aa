import { Duration, Effect, Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import { elapsedMillisOf } from "../platform/Clock.ts"
import { Buckets } from "./Buckets.ts"

/** `effect`'s store in memory, but for its token buckets, of which it forgets none. */
export const layerBucketStore = Layer.effect(
  RateLimiter.RateLimiterStore,
  Effect.map(RateLimiter.RateLimiterStore, (store) => {
    const buckets = new Buckets()
    return RateLimiter.RateLimiterStore.of({
      ...store,
      tokenBucket: ({ allowOverflow, key, limit, refillRate, tokens }) =>
        Effect.clockWith((clock) =>
          Effect.succeed(
            buckets.take(
              key,
              tokens,
              { limit, interval: Duration.toMillis(refillRate) },
              elapsedMillisOf(clock),
              allowOverflow
            )
          )
        )
    })
  })
).pipe(Layer.provide(RateLimiter.layerStoreMemory))
