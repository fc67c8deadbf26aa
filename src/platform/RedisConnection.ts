import type { NodeRedis } from "@effect/platform-node/NodeRedis"
import { Context, Data, Effect, Layer, Redacted, References, Result, type Scope } from "effect"
import { Redis } from "effect/persistence"

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

/** Why Redis is not there, without any secret. */
export const reasonOf = (cause: unknown): string =>
  cause instanceof Error && cause.message !== "" ? cause.message : "Redis refused a command"

/** A connection that does not reconnect by itself: who has it learns that it is lost, and makes another one. */
export const connectToRedis = Effect.fn("RedisConnection.connect")(function* (
  url: Redacted.Redacted
): Effect.fn.Return<Redis.Redis["Service"], Redis.RedisError, Scope.Scope> {
  // Its client takes long to load: only who uses Redis waits for it.
  const { layer, NodeRedis } = yield* Effect.promise(() => import("@effect/platform-node/NodeRedis"))
  const services: Context.Context<Redis.Redis | NodeRedis> = yield* Layer.build(
    layer({
      url: Redacted.value(url),
      pingInterval: 5_000,
      // Longer without an answer than a ping takes, and the connection is given up.
      socket: { socketTimeout: 15_000, reconnectStrategy: false }
    })
  ).pipe(
    // What it would log of each failure, with its stack, is told in a line by those who are concerned.
    Effect.provideService(References.MinimumLogLevel, "None")
  )
  const { client } = Context.get(services, NodeRedis)
  // By itself it waits for the answers to what it has sent: for ever, when its connection breaks meanwhile.
  yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
  return Context.get(services, Redis.Redis)
})
