import { type Cause, Deferred, Duration, Effect, Exit, Latch, Layer, Random, type Redacted } from "effect"
import { RateLimiter, Redis } from "effect/persistence"
import { logOf } from "../platform/Log.ts"
import { connectToRedis, parseRedisUrl, reasonOf } from "../platform/RedisConnection.ts"
import { layerBucketStore } from "./BucketStore.ts"

const log = logOf("xfchat/limits")

const prefix = "xfchat:limits:"

/** A Redis that takes longer to answer counts as away, because a request waits for it. */
const timeout = Duration.seconds(1)

/** The time between attempts to reach Redis, and up to twice as long, so that processes do not come all together. */
const retryInterval = Duration.seconds(2)

/**
 * Token buckets in Redis, shared by all processes. While Redis is away, each process has buckets of its own. The limit is then
 * multiplied by the number of processes, and no request fails or waits.
 */
export const layerSharedBucketStore = (url: Redacted.Redacted) =>
  Layer.effect(
    RateLimiter.RateLimiterStore,
    Effect.gen(function* () {
      const redisUrl = yield* Effect.fromResult(parseRedisUrl(url))
      const own = yield* RateLimiter.RateLimiterStore
      let shared: RateLimiter.RateLimiterStore["Service"] | undefined
      let isAway = false
      const tried = Latch.makeUnsafe()
      let lost = Deferred.makeUnsafe<never, Redis.RedisError>()

      const share = Effect.gen(function* () {
        const redis = yield* connectToRedis(redisUrl)
        const store = yield* Effect.provideService(RateLimiter.makeStoreRedis({ prefix }), Redis.Redis, redis)
        lost = Deferred.makeUnsafe()
        shared = store
        tried.openUnsafe()
        return yield* Deferred.await(lost)
      }).pipe(Effect.scoped)

      const recover = Effect.fnUntraced(function* ({ cause }: Redis.RedisError) {
        if (!isAway) yield* log.warning("Redis is away: each process limits rates on its own", reasonOf(cause))
        isAway = true
        tried.openUnsafe()
        yield* Effect.sleep(Duration.times(retryInterval, yield* Random.nextBetween(1, 2)))
      })
      yield* share.pipe(Effect.catchTag("RedisError", recover), Effect.forever, Effect.forkScoped)
      yield* tried.await

      const answered = Effect.suspend(() => {
        if (!isAway) return Effect.void
        isAway = false
        return log.info("Rate limits are shared between processes again")
      })

      const giveUp = ({ _tag }: RateLimiter.RateLimiterError | Cause.TimeoutError) => {
        shared = undefined
        const reason = _tag === "TimeoutError" ? "no answer" : "the connection is lost"
        Deferred.doneUnsafe(lost, Exit.fail(new Redis.RedisError({ cause: new Error(reason) })))
      }

      return RateLimiter.RateLimiterStore.of({
        ...own,
        tokenBucket: (options) =>
          Effect.suspend(() =>
            shared === undefined
              ? own.tokenBucket(options)
              : shared.tokenBucket(options).pipe(
                  Effect.timeout(timeout),
                  Effect.tap(answered),
                  Effect.catch((error) => {
                    giveUp(error)
                    return own.tokenBucket(options)
                  })
                )
          )
      })
    })
  ).pipe(Layer.provide(layerBucketStore))
