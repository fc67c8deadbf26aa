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
import { makeRoundTripLag } from "./RoundTripLag.ts"
import { connectPostgres } from "./PostgresChannel.ts"
import { connectRedis } from "./RedisChannel.ts"

const log = logOf("xfchat/streaming")

export { ChangeHint } from "./ChangeHint.ts"

/** How long changes gather after some were sent: a busy process sends a few hundred times a second, not thousands. */
const gatherTime = Duration.millis(4)

/** A channel that takes longer than this to take what is sent is given up for another one. */
const sendTimeout = Duration.seconds(5)

/** Between attempts to have a channel: from 100 ms to 3 s, and up to twice as long, so that processes do not come at once. */
const backoff = (failures: number) =>
  Effect.map(Random.nextBetween(1, 2), (jitter) => Duration.millis(Math.min(100 * 2 ** failures, 3_000) * jitter))

/** A channel that is lost earlier than this counts as one more failure. */
const settlingTime = Duration.seconds(3)

/** Carries {@link ChangeHint}s from those who commit to those who listen, in all processes on one database. */
export class ChangeBus extends Context.Service<
  ChangeBus,
  {
    /** Reaches the listeners in this process at once, those in others soon. Waits for nobody, and never fails. */
    readonly publish: (changes: ReadonlyArray<ChangeHint>) => Effect.Effect<void>
    /** Every change published from now on: the listener is there when this stream starts. */
    readonly changes: Stream.Stream<ChangeHint>
    /** For how long changes have been on their way to other processes; 0 while they arrive. */
    readonly delay: Effect.Effect<Duration.Duration>
    /** Emits when changes in other processes may have been missed: who follows a log must ask how far it goes. */
    readonly missed: Stream.Stream<void>
  }
>()("xfchat/changes/ChangeBus") {
  /** Within this process. */
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

  /** Between processes by the NOTIFY of PostgreSQL, on a connection beside the pool's, to the same database. */
  static readonly layer = Layer.effect(
    ChangeBus,
    Effect.flatMap(PgClient, ({ config }) => makeOn(connectPostgres(config)))
  )

  /** Between processes by the PUBLISH of Redis: `redis://USER:PASSWORD@HOST:6379`. */
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
 * A bus on channels made by `connect`, one after the other. Changes gather while others are being sent, and while there
 * is no channel: the latest of each thing.
 */
const makeOn = Effect.fnUntraced(function* (connect: Effect.Effect<ChangeChannel, ChannelLost, Scope.Scope>) {
  const sender = randomUUID()
  const changes = yield* PubSub.unbounded<ChangeHint>()
  const missed = yield* PubSub.sliding<void>(1)
  const gathered = Latch.makeUnsafe()
  let unsent = new PendingHints()
  const echoes = makeRoundTripLag()
  yield* Metrics.observe(Metrics.changesDelay, () => Duration.toSeconds(echoes.delay()))

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
      echoes.sent(payloads.length)
      return sendPayloads(channel, payloads).pipe(
        // Whether they went out is not known, and twice does no harm. What was said meanwhile goes on top.
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
    if (Option.isNone(decoded)) return yield* log.debug("What came is no change that this version knows")
    if (decoded.value.sender === sender) return echoes.returned()
    yield* PubSub.publishAll(changes, decoded.value.changes)
  })

  let failures = 0
  const carry = Effect.gen(function* () {
    const channel = yield* connect
    // Also when there is nothing to send: a dead connection is given up here, else its own release waits for an answer.
    yield* Effect.addFinalizer(() => Effect.ignore(send(channel)))
    if (failures > 0) yield* log.info("Changes of other processes arrive at once again")
    yield* PubSub.publish(missed, undefined)
    echoes.begin()
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
    return yield* new ChannelLost({ reason: "it ended" })
  }).pipe(Effect.scoped)

  const recover = Effect.fnUntraced(function* ({ reason }: ChannelLost) {
    echoes.lost()
    if (failures === 0) yield* log.warning("Changes of other processes are delayed", reason)
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
    delay: Effect.sync(echoes.delay),
    missed: Stream.fromPubSub(missed)
  })
})
