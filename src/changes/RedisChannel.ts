import { Effect, Stream, type Redacted, type Scope } from "effect"
import type { Redis } from "effect/persistence"
import { connectToRedis, reasonOf } from "../platform/RedisConnection.ts"
import { ChannelLost, channelName, type ChangeChannel } from "./ChangeChannel.ts"

const lost = ({ cause }: Redis.RedisError) => new ChannelLost({ reason: reasonOf(cause) })

/**
 * PUBLISH and SUBSCRIBE of Redis, on two connections of their own. These do not reconnect on their own, since the bus would
 * not learn that it may have missed something.
 */
export const connectRedis = Effect.fn("RedisChannel.connect")(function* (
  url: Redacted.Redacted
): Effect.fn.Return<ChangeChannel, Redis.RedisError, Scope.Scope> {
  const redis = yield* connectToRedis(url)
  const messages = yield* redis.subscribe(channelName)
  return {
    send: (payloads) =>
      Effect.forEach(payloads, (payload) => redis.send("PUBLISH", channelName, payload), { discard: true }).pipe(
        Effect.mapError(lost)
      ),
    received: Stream.fromQueue(messages).pipe(
      Stream.map(({ message }) => message),
      Stream.mapError(lost)
    )
  }
}, Effect.mapError(lost))
