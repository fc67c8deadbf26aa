import type { NodeRedis } from "@effect/platform-node/NodeRedis"
import { Context, Data, Effect, Layer, Redacted, References, Result, type Scope } from "effect"
import { Redis } from "effect/persistence"

/** REDIS_URL is not a Redis URL. The value is not shown, since it may contain a password. */
export class RedisUrlMalformed extends Data.TaggedError("RedisUrlMalformed") {
  override get message() {
    return "REDIS_URL is malformed. It must look like redis://USER:PASSWORD@HOST:6379, or rediss:// for TLS, with special characters in the password percent-encoded."
  }
}

/** Refuses a URL that the Redis client could not parse: its error would show the whole URL. */
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

/** Why Redis is unavailable, without any secret. */
export const reasonOf = (cause: unknown): string =>
  cause instanceof Error && cause.message !== "" ? cause.message : "Redis refused a command"

/** A connection that does not reconnect: its owner learns that it is lost, and opens another one. */
export const connectToRedis = Effect.fn("RedisConnection.connect")(function* (
  url: Redacted.Redacted
): Effect.fn.Return<Redis.Redis["Service"], Redis.RedisError, Scope.Scope> {
  // The client takes long to load: only processes that use Redis wait for it.
  const { layer, NodeRedis } = yield* Effect.promise(() => import("@effect/platform-node/NodeRedis"))
  const services: Context.Context<Redis.Redis | NodeRedis> = yield* Layer.build(
    layer({
      url: Redacted.value(url),
      pingInterval: 5_000,
      // After this long without an answer, pings included, the connection is closed.
      socket: { socketTimeout: 15_000, reconnectStrategy: false }
    })
  ).pipe(
    // It would log each failure with its stack. Callers report it in one line.
    Effect.provideService(References.MinimumLogLevel, "None")
  )
  const { client } = Context.get(services, NodeRedis)
  // Its own way to close waits for outstanding answers: for ever, if the connection breaks meanwhile.
  yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
  return Context.get(services, Redis.Redis)
})
