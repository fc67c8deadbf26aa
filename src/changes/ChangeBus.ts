import { PgClient } from "@effect/sql-pg/PgClient"
import { Context, Duration, Effect, Latch, Layer, Option, PubSub, Random, Stream } from "effect"
import type { Redacted, Scope } from "effect"
import { randomUUID } from "node:crypto"
import { Configuration } from "../platform/Configuration.ts"
import { logOf } from "../platform/Log.ts"
import * as Metrics from "../platform/Metrics.ts"
import { parseRedisUrl } from "../platform/RedisConnection.ts"
import { decodeHints, encodeHints, encodeProbe, PendingHints, type ChangeHint } from "./ChangeHint.ts"
import { ChannelLost, type ChangeChannel } from "./ChangeChannel.ts"
import { RoundTripLag } from "./RoundTripLag.ts"
import { connectPostgres } from "./PostgresChannel.ts"
import { connectRedis } from "./RedisChannel.ts"

const log = logOf("xfchat/changes")

export { ChangeHint } from "./ChangeHint.ts"

/** How long hints gather after a send, so that a busy process sends a few hundred times a second, not thousands. */
const gatherTime = Duration.millis(4)

/** How long a send may take before its channel is given up. */
const sendTimeout = Duration.seconds(5)

/** The time between attempts to connect: from 100 ms to 3 s, times a random factor up to 2, so that processes spread out. */
const backoff = (failures: number) =>
  Effect.map(Random.nextBetween(1, 2), (jitter) => Duration.millis(Math.min(100 * 2 ** failures, 3_000) * jitter))

/** A channel that lasts this long ends a row of failures. */
const settlingTime = Duration.seconds(3)

/** Carries {@link ChangeHint}s to the listeners in all processes on one database. */
export class ChangeBus extends Context.Service<
  ChangeBus,
  {
    /** Reaches the listeners in this process at once, and those in others soon. Never waits and never fails. */
    readonly publish: (changes: ReadonlyArray<ChangeHint>) => Effect.Effect<void>
    /** Every hint published after this stream has started. */
    readonly changes: Stream.Stream<ChangeHint>
    /** How long hints to other processes have been on their way; 0 while they arrive. */
    readonly delay: Effect.Effect<Duration.Duration>
    /** Emits when hints of other processes may have been missed, so that what follows changes has to read them. */
    readonly missed: Stream.Stream<void>
  }
>()("xfchat/changes/ChangeBus") {
  /** Within this process alone. */
  static readonly layerMemory = Layer.effect(
    ChangeBus,
    Effect.gen(function* () {
      const changes = yield* PubSub.unbounded<ChangeHint>()
      return ChangeBus.of({
        publish: (published) => PubSub.publishAll(changes, published),
        changes: Stream.fromPubSub(changes),
        delay: Effect.succeed(Duration.zero),
        missed: Stream.never
      })
    })
  )

  /** Between processes by NOTIFY of PostgreSQL, on a connection of its own to the same database. */
  static readonly layer = Layer.effect(
    ChangeBus,
    Effect.flatMap(PgClient, ({ config }) => makeOn(connectPostgres(config)))
  )

  /** Between processes by PUBLISH of Redis: `redis://USER:PASSWORD@HOST:6379`. */
  static readonly layerRedis = (url: Redacted.Redacted) =>
    Layer.effect(
      ChangeBus,
      Effect.flatMap(Effect.fromResult(parseRedisUrl(url)), (url) => makeOn(connectRedis(url)))
    )

  /** By Redis when `REDIS_URL` is set, else by PostgreSQL. */
  static readonly layerConfig = Layer.unwrap(
    Effect.map(Configuration.redisUrl, Option.match({ onNone: () => ChangeBus.layer, onSome: ChangeBus.layerRedis }))
  )
}

/**
 * A bus on channels that `connect` makes, one after the other. Hints gather during a send and while there is no channel, the
 * latest for each subject.
 */
const makeOn = Effect.fnUntraced(function* (connect: Effect.Effect<ChangeChannel, ChannelLost, Scope.Scope>) {
  const sender = randomUUID()
  const changes = yield* PubSub.unbounded<ChangeHint>()
  const missed = yield* PubSub.sliding<void>(1)
  const gathered = Latch.makeUnsafe()
  let unsent = new PendingHints()
  const lag = new RoundTripLag()
  yield* Metrics.observe(Metrics.changesDelay, () => Duration.toSeconds(lag.delay))

  const gather = (changes: Iterable<ChangeHint>) => {
    for (const change of changes) unsent.add(change)
    gathered.openUnsafe()
  }

  const sendPayloads = (channel: ChangeChannel, payloads: ReadonlyArray<string>) =>
    Effect.timeoutOrElse(channel.send(payloads), {
      duration: sendTimeout,
      orElse: () => new ChannelLost({ reason: "no answer" })
    })

  const send = (channel: ChangeChannel) =>
    Effect.suspend(() => {
      const sent = unsent
      unsent = new PendingHints()
      gathered.closeUnsafe()
      const payloads = encodeHints(sender, sent)
      lag.sent(payloads.length)
      return sendPayloads(channel, payloads).pipe(
        // Some may have gone out; sending them twice does no harm. Later hints replace them.
        Effect.onError(() =>
          Effect.sync(() => {
            const later = unsent
            unsent = sent
            gather(later)
          })
        )
      )
    })

  const receive = Effect.fnUntraced(function* (payload: string) {
    const decoded = decodeHints(payload)
    if (Option.isNone(decoded)) return yield* log.debug("A payload is not one that this version knows")
    if (decoded.value.sender === sender) return lag.returned()
    yield* PubSub.publishAll(changes, decoded.value.changes)
  })

  let failures = 0
  const carry = Effect.gen(function* () {
    const channel = yield* connect
    // Even with nothing to send: this gives a dead connection up, whose release would otherwise wait for an answer.
    yield* Effect.addFinalizer(() => Effect.ignore(send(channel)))
    if (failures > 0) yield* log.info("Changes between processes arrive at once again")
    yield* PubSub.publish(missed, undefined)
    lag.begin()
    yield* sendPayloads(channel, [encodeProbe(sender)])
    const sending = gathered.await.pipe(
      Effect.andThen(send(channel)),
      Effect.andThen(Effect.sleep(gatherTime)),
      Effect.forever
    )
    const receiving = Stream.runForEach(channel.received, receive)
    const settling = Effect.sleep(settlingTime).pipe(
      Effect.andThen(Effect.sync(() => void (failures = 0))),
      Effect.andThen(Effect.never)
    )
    yield* Effect.raceAllFirst([sending, receiving, settling])
    return yield* new ChannelLost({ reason: "the connection ended" })
  }).pipe(Effect.scoped)

  const recover = Effect.fnUntraced(function* ({ reason }: ChannelLost) {
    lag.lost()
    if (failures === 0) yield* log.warning("Changes between processes are delayed", reason)
    yield* Effect.sleep(yield* backoff(failures++))
  })
  yield* carry.pipe(Effect.catchTag("ChannelLost", recover), Effect.forever, Effect.forkScoped)

  return ChangeBus.of({
    publish: (published) =>
      Effect.suspend(() => {
        if (published.length === 0) return Effect.void
        gather(published)
        return PubSub.publishAll(changes, published)
      }),
    changes: Stream.fromPubSub(changes),
    delay: Effect.sync(() => lag.delay),
    missed: Stream.fromPubSub(missed)
  })
})
