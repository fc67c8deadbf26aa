import { Cache, Clock, Context, DateTime, Duration, Effect, Layer, Option, Record, type Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { UserId } from "../contract/Account.ts"
import { Configuration } from "../platform/Configuration.ts"
import { logOf } from "../platform/Log.ts"
import { QuotaExceeded, type DatabaseUnavailable } from "../contract/Problem.ts"
import { makeLedger } from "./Ledger.ts"
import {
  addTo,
  countsOf,
  emptyTally,
  periodOf,
  type Counts,
  type Period,
  type Quota,
  type Tally
} from "../contract/Metric.ts"

const log = logOf("xfchat/usage")

/** How long counts gather before they are written: what a crash can lose. */
const gatherTime = Duration.seconds(3)

/** How often the time of an open stream is counted: each time is a row to write for its user. A crash loses less of each. */
const streamInterval = 60_000

/** How long what was asked of the database serves to check quotas. */
const knownFor = Duration.seconds(10)
const mostKnown = 100_000

/** How long the last counts may take to be written when the server stops. */
const stopTime = Duration.seconds(5)

interface OpenStream {
  readonly user: UserId
  /** Its time is counted up to here. */
  countedTo: number
}

/** What a user has used in a month. */
export interface MonthlyUsage {
  readonly period: Period
  readonly counts: Counts
}

/** What users use, month by month, and the quotas of it. */
export class Usage extends Context.Service<
  Usage,
  {
    /** Adds to what a user has used. Waits for nothing: it is written within three seconds, or when the server stops. */
    readonly count: (user: UserId, amounts: Partial<Tally>) => Effect.Effect<void>
    /** Counts a stream, and its time until the scope closes. */
    readonly stream: (user: UserId) => Effect.Effect<void, never, Scope.Scope>
    /** What a user has used this month: what is written, and what this process is about to write. */
    readonly of: (user: UserId) => Effect.Effect<MonthlyUsage, DatabaseUnavailable>
    /** How much of each in a month; `null` for no quota. */
    readonly quotas: Readonly<Record<Quota, number | null>>
    /** Writes what was counted, the time of open streams included. It happens by itself, too. */
    readonly flush: Effect.Effect<void, DatabaseUnavailable>
    /**
     * Counts one more of what costs others, or fails when its quota is used up: exactly, however many are under way in whatever
     * processes. To be the last of the transaction that makes it, since it locks the user's count.
     */
    readonly spend: (
      user: UserId,
      metric: "conversationsCreated" | "friendRequests"
    ) => Effect.Effect<void, QuotaExceeded | SqlError.SqlError>
    /**
     * Sends a message, which is counted as under way meanwhile: fails when the quota of messages or bytes is used up, by all
     * that this process has sent and sends now, and by what others had ten seconds ago. So what is sent at once in one
     * process stays within the quota; several processes may go beyond it by what they send in ten seconds.
     */
    readonly sending: (
      user: UserId,
      contentBytes: number
    ) => <A, E, R>(send: Effect.Effect<A, E, R>) => Effect.Effect<A, E | QuotaExceeded | DatabaseUnavailable, R>
    /**
     * Fails when any of these quotas is used up. Asks the database every ten seconds at most: it knows at once what this
     * process has counted, and ten seconds later what others have. What goes on at once may go beyond the quota. Not to be
     * asked within a transaction, which would hold a connection while this waits for another.
     */
    readonly allow: (
      user: UserId,
      ...quotas: ReadonlyArray<Quota>
    ) => Effect.Effect<void, QuotaExceeded | DatabaseUnavailable>
  }
>()("xfchat/usage/Usage") {
  /** Nothing is counted, and nothing refused. */
  static readonly layerNone = Layer.succeed(Usage, {
    count: () => Effect.void,
    stream: () => Effect.void,
    of: () => Effect.map(Clock.currentTimeMillis, (now) => ({ period: periodOf(now), counts: countsOf(emptyTally()) })),
    quotas: Record.map(Configuration.quotas, () => null),
    flush: Effect.void,
    spend: () => Effect.void,
    sending: () => (send) => send,
    allow: () => Effect.void
  })

  static readonly layer = Layer.effect(
    Usage,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ledger = yield* makeLedger
      const limits = Record.map(yield* Effect.all(Configuration.quotas), Option.getOrNull)
      const isUnlimited = Object.values(limits).every((limit) => limit === null)

      let lastPeriod: Period | undefined
      const periodAt = (clock: Clock.Clock) => (lastPeriod = periodOf(clock.currentTimeMillisUnsafe(), lastPeriod))

      const known = yield* Cache.make({
        capacity: mostKnown,
        timeToLive: knownFor,
        lookup: (user: UserId) =>
          Effect.clockWith((clock) => {
            const period = periodAt(clock)
            return Effect.map(ledger.tallyOf(period, user), (tally) => ({ period, tally }))
          })
      })

      const count = (user: UserId, amounts: Partial<Tally>) =>
        Effect.clockWith((clock) => {
          ledger.add(periodAt(clock), user, amounts)
          if (isUnlimited) return Effect.void
          return Effect.map(Cache.getSuccess(known, user), (of) => {
            if (Option.isSome(of)) addTo(of.value.tally, amounts)
          })
        })

      const exceeded = (period: Period, quota: Quota, limit: number, clock: Clock.Clock) =>
        new QuotaExceeded({
          detail: `At most ${limit} a month, UTC (${quota}).`,
          limit,
          resetsAt: period.end,
          retryAfter: Math.ceil((DateTime.toEpochMillis(period.end) - clock.currentTimeMillisUnsafe()) / 1_000)
        })

      // Messages that are being sent, and are not counted yet.
      const underWay = new Map<UserId, Tally>()
      const addUnderWay = (user: UserId, messages: number, bytes: number) => {
        const tally = underWay.get(user) ?? emptyTally()
        addTo(tally, { messagesSent: messages, contentBytes: bytes })
        if (tally.messagesSent === 0) underWay.delete(user)
        else underWay.set(user, tally)
      }

      const check = Effect.fnUntraced(function* (user: UserId, quotas: ReadonlyArray<Quota>) {
        const { period, tally } = yield* Cache.get(known, user)
        const clock = yield* Clock.Clock
        if (periodAt(clock) !== period) return yield* Cache.invalidate(known, user)
        const used = { ...tally }
        addTo(used, underWay.get(user) ?? {})
        const counts = countsOf(used)
        for (const quota of quotas) {
          const limit = limits[quota]
          if (limit !== null && counts[quota] >= limit) return yield* exceeded(period, quota, limit, clock)
        }
      })

      const allow = (user: UserId, ...quotas: ReadonlyArray<Quota>) =>
        quotas.some((quota) => limits[quota] !== null) ? check(user, quotas) : Effect.void

      const sending =
        (user: UserId, contentBytes: number) =>
        <A, E, R>(send: Effect.Effect<A, E, R>): Effect.Effect<A, E | QuotaExceeded | DatabaseUnavailable, R> =>
          limits.messagesSent === null && limits.contentBytes === null
            ? send
            : Effect.acquireUseRelease(
                // Nothing comes between the check and this: both are of one turn.
                Effect.map(check(user, ["messagesSent", "contentBytes"]), () => addUnderWay(user, 1, contentBytes)),
                () => send,
                () => Effect.sync(() => addUnderWay(user, -1, -contentBytes))
              )

      const spend = Effect.fnUntraced(function* (user: UserId, metric: "conversationsCreated" | "friendRequests") {
        const limit = limits[metric]
        if (limit === null) return yield* sql.afterCommit(count(user, { [metric]: 1 }))
        const clock = yield* Clock.Clock
        const period = periodAt(clock)
        if (!(yield* ledger.spend(period, user, metric, limit))) return yield* exceeded(period, metric, limit, clock)
      })

      const of = Effect.fn("Usage.of")((user: UserId) =>
        Effect.clockWith((clock) => {
          const period = periodAt(clock)
          return Effect.map(ledger.tallyOf(period, user), (tally): MonthlyUsage => ({
            period,
            counts: countsOf(tally)
          }))
        })
      )

      const streams = new Set<OpenStream>()
      const countTime = (stream: OpenStream, now: number) => {
        const seconds = Math.round((now - stream.countedTo) / 1_000)
        if (seconds <= 0) return Effect.void
        stream.countedTo += seconds * 1_000
        return count(stream.user, { streamSeconds: seconds })
      }

      const stream = (user: UserId) =>
        Effect.acquireRelease(
          Effect.tap(
            Effect.map(Clock.currentTimeMillis, (now) => {
              const stream = { user, countedTo: now }
              streams.add(stream)
              return stream
            }),
            count(user, { streamsOpened: 1 })
          ),
          (stream) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) => {
              streams.delete(stream)
              return countTime(stream, now)
            })
        ).pipe(Effect.asVoid)

      /** Counts the times of the streams that are open, of those for which it is time again. */
      const countTimes = (interval: number) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.forEach(
            [...streams].filter(({ countedTo }) => now - countedTo >= interval),
            (stream) => countTime(stream, now),
            { discard: true }
          )
        )

      const flush = Effect.andThen(countTimes(0), ledger.flush)

      yield* Effect.sleep(gatherTime).pipe(
        Effect.andThen(countTimes(streamInterval)),
        Effect.andThen(ledger.flush),
        // It has been logged, and is tried again with what comes next.
        Effect.catchTag("DatabaseUnavailable", () => Effect.void),
        Effect.forever,
        Effect.forkScoped
      )
      yield* Effect.addFinalizer(() =>
        flush.pipe(
          Effect.retry({ times: 3 }),
          Effect.timeout(stopTime),
          Effect.catch(() => log.warning("Usage of the last moments is lost: the database was away at the end"))
        )
      )

      return Usage.of({ count, stream, of, quotas: limits, flush, spend, sending, allow })
    })
  )
}
