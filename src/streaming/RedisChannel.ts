import { Context, Data, Effect, Layer, Redacted, Result, Stream, type Scope } from "effect"
import { Redis } from "effect/persistence"
import { ChannelLost, channelName, type ChangeChannel } from "./ChangeChannel.ts"

/** REDIS_URL is there but is no Redis URL. The value is not repeated: it may hold a password. */
export class RedisUrlMalformed extends Data.TaggedError("RedisUrlMalformed") {
  override get message() {
    return "REDIS_URL is malformed. It must look like redis://USER:PASSWORD@HOST:6379, or rediss:// for TLS, with special characters in the password percent-encoded."
  }
}

/** Refuses what the client could not read: it would say so with the whole URL. */
export const parseRedisUrl = (url: Redacted.Redacted): Result.Result<Redacted.Redacted, RedisUrlMalformed> =>
  Result.try({
    try: () => {
      const { hostname, password, pathname, protocol, username } = new URL(Redacted.value(url))
      decodeURIComponent(username + password)
      if (!/^rediss?:$/.test(protocol) || hostname === "" || !/^(\/\d*)?$/.test(pathname)) throw new TypeError()
      return url
    },
    catch: () => new RedisUrlMalformed()
  })

const lost = ({ cause }: Redis.RedisError) =>
  new ChannelLost({ reason: cause instanceof Error ? cause.message : "Redis refused a command" })

/**
 * Redis's PUBLISH and SUBSCRIBE, on two connections of their own. They do not reconnect by themselves: nobody would be
 * told what was missed meanwhile.
 */
export const connectRedis = Effect.fn("RedisChannel.connect")(function* (
  url: Redacted.Redacted
): Effect.fn.Return<ChangeChannel, Redis.RedisError, Scope.Scope> {
  // Its client takes long to load: only who uses Redis waits for it.
  // oxlint-disable-next-line eslint/no-restricted-imports -- there is no HTTP in it
  const { layer, NodeRedis } = yield* Effect.promise(() => import("@effect/platform-node/NodeRedis"))
  const services = yield* Layer.build(
    layer({
      url: Redacted.value(url),
      pingInterval: 5_000,
      // Longer without an answer than a ping takes, and the connection is given up.
      socket: { socketTimeout: 15_000, reconnectStrategy: false }
    })
  )
  const redis = Context.get(services, Redis.Redis)
  const { client } = Context.get(services, NodeRedis)
  // By itself it waits for the answers to what it has sent: for ever, when its connection breaks meanwhile.
  yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
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
