import { Duration, Effect, Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import { elapsedMillisOf } from "../platform/Clock.ts"
import { Buckets } from "./Buckets.ts"

/** Effect's store in memory, with token buckets of our own, because Effect's never forgets one (effect 4.1.0). */
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
