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

/** The interval of writing counts, and so the most that a crash can lose. */
const flushInterval = Duration.seconds(3)

/** The interval of counting the time of open streams, each of which is a row to write. A crash loses less than this of each. */
const streamInterval = 60_000

/** How long a tally read from the database serves to check quotas. */
const tallyLifetime = Duration.seconds(10)
const maxTallies = 100_000

/**
 * A process writes its counts and reads those of the others again once it has used this part of what a quota had left. So
 * processes together exceed a quota by this part for each, at most.
 */
const partUnread = 1 / 20

/** How long the server tries to write the last counts when it stops. */
const stopTimeout = Duration.seconds(5)

interface OpenStream {
  readonly user: UserId
  /** Its time is counted up to here. */
  countedTo: number
}

/** A user's usage of a month. */
export interface MonthlyUsage {
  readonly period: Period
  readonly counts: Counts
}

/** The monthly usage of users, and its quotas. */
export class Usage extends Context.Service<
  Usage,
  {
    /** Adds to a user's usage, in memory. It is written within three seconds, or when the server stops. */
    readonly count: (user: UserId, amounts: Partial<Tally>) => Effect.Effect<void>
    /** Counts a stream, and its time until the scope closes. */
    readonly stream: (user: UserId) => Effect.Effect<void, never, Scope.Scope>
    /** A user's usage of this month, including the counts that this process has not written yet. */
    readonly of: (user: UserId) => Effect.Effect<MonthlyUsage, DatabaseUnavailable>
    /** The quotas of a month; `null` for no quota. */
    readonly quotas: Readonly<Record<Quota, number | null>>
    /** Writes all counts now, including the time of open streams. */
    readonly flush: Effect.Effect<void, DatabaseUnavailable>
    /**
     * Counts one more, or fails if the quota is used up. The quota is exact, also with simultaneous requests in several
     * processes. Must be the last statement of its transaction, because it locks the user's count.
     */
    readonly spend: (
      user: UserId,
      metric: "conversationsCreated" | "friendRequests"
    ) => Effect.Effect<void, QuotaExceeded | SqlError.SqlError>
    /**
     * Sends a message, or fails if the quota of messages or bytes is used up. That counts every message that this process has
     * sent or is sending, and those of other processes as they were written last. One process stays within the quota; each
     * further one may exceed it by a twentieth, or by one message.
     */
    readonly sending: (
      user: UserId,
      contentBytes: number
    ) => <A, E, R>(send: Effect.Effect<A, E, R>) => Effect.Effect<A, E | QuotaExceeded | DatabaseUnavailable, R>
    /**
     * Sends the first of several messages of these sizes, as many as the quota has room for. Fails as `sending` does if it has
     * room for none.
     */
    readonly sendingSome: (
      user: UserId,
      contentBytes: ReadonlyArray<number>
    ) => <A, E, R>(
      send: (count: number) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | QuotaExceeded | DatabaseUnavailable, R>
    /**
     * Fails if any of these quotas is used up. Counts of this process are visible at once, those of other processes as in
     * `sending`; simultaneous requests may exceed the quota. Must not run in a transaction, which would hold a connection while
     * this waits for another.
     */
    readonly allow: (
      user: UserId,
      ...quotas: ReadonlyArray<Quota>
    ) => Effect.Effect<void, QuotaExceeded | DatabaseUnavailable>
  }
>()("xfchat/usage/Usage") {
  static readonly layer = Layer.effect(
    Usage,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ledger = yield* makeLedger
      const limits = Record.map(yield* Effect.all(Configuration.quotas), Option.getOrNull)
      const isUnlimited = Object.values(limits).every((limit) => limit === null)

      let lastPeriod: Period | undefined
      const periodAt = (clock: Clock.Clock) => (lastPeriod = periodOf(clock.currentTimeMillisUnsafe(), lastPeriod))

      // The users whose counts are written before they are read.
      const spent = new Set<UserId>()
      const tallies = yield* Cache.make({
        capacity: maxTallies,
        timeToLive: tallyLifetime,
        lookup: (user: UserId) =>
          Effect.clockWith((clock) => {
            const period = periodAt(clock)
            const read = Effect.map(ledger.tallyOf(period, user), (tally) => ({
              period,
              tally,
              known: countsOf(tally)
            }))
            return spent.delete(user) ? Effect.andThen(ledger.flush, read) : read
          })
      })

      /** The tally of a user, as of now where the quota is nearly used up. */
      const tallyFor = Effect.fnUntraced(function* (user: UserId, quotas: ReadonlyArray<Quota>) {
        const cached = yield* Cache.get(tallies, user)
        const counts = countsOf(cached.tally)
        const isUnread = quotas.some((quota) => {
          const limit = limits[quota]
          const known = cached.known[quota]
          return limit !== null && known < limit && counts[quota] - known > (limit - known) * partUnread
        })
        if (!isUnread) return cached
        spent.add(user)
        yield* Cache.invalidate(tallies, user)
        return yield* Cache.get(tallies, user)
      })

      const count = (user: UserId, amounts: Partial<Tally>) =>
        Effect.clockWith((clock) => {
          ledger.add(periodAt(clock), user, amounts)
          if (isUnlimited) return Effect.void
          return Effect.map(Cache.getSuccess(tallies, user), (cached) => {
            if (Option.isSome(cached)) addTo(cached.value.tally, amounts)
          })
        })

      const exceeded = (period: Period, quota: Quota, limit: number, clock: Clock.Clock) =>
        new QuotaExceeded({
          detail: `At most ${limit} a month, UTC (${quota}).`,
          limit,
          resetsAt: period.end,
          retryAfter: Math.ceil((DateTime.toEpochMillis(period.end) - clock.currentTimeMillisUnsafe()) / 1_000)
        })

      // Messages that are being sent and are not counted yet.
      const inFlight = new Map<UserId, Tally>()
      const addInFlight = (user: UserId, messages: number, bytes: number) => {
        const tally = inFlight.get(user) ?? emptyTally()
        addTo(tally, { messagesSent: messages, contentBytes: bytes })
        if (tally.messagesSent === 0) inFlight.delete(user)
        else inFlight.set(user, tally)
      }

      const check = Effect.fnUntraced(function* (user: UserId, quotas: ReadonlyArray<Quota>) {
        const { known, period, tally } = yield* tallyFor(user, quotas)
        const clock = yield* Clock.Clock
        if (periodAt(clock) !== period) {
          yield* Cache.invalidate(tallies, user)
          return undefined
        }
        const used = { ...tally }
        addTo(used, inFlight.get(user) ?? {})
        const counts = countsOf(used)
        for (const quota of quotas) {
          const limit = limits[quota]
          if (limit !== null && counts[quota] >= limit) return yield* exceeded(period, quota, limit, clock)
        }
        return { counts, known }
      })

      const allow = (user: UserId, ...quotas: ReadonlyArray<Quota>) =>
        quotas.some((quota) => limits[quota] !== null) ? Effect.asVoid(check(user, quotas)) : Effect.void

      /** How much of a quota can be used before it ends, or before the counts of other processes have to be read again. */
      const roomOf = (quota: Quota, { counts, known }: { readonly counts: Counts; readonly known: Counts }) => {
        const limit = limits[quota]
        if (limit === null) return Infinity
        const unread = (limit - known[quota]) * partUnread - (counts[quota] - known[quota])
        return Math.min(limit - counts[quota], unread)
      }

      const sendingSome =
        (user: UserId, contentBytes: ReadonlyArray<number>) =>
        <A, E, R>(
          send: (count: number) => Effect.Effect<A, E, R>
        ): Effect.Effect<A, E | QuotaExceeded | DatabaseUnavailable, R> =>
          limits.messagesSent === null && limits.contentBytes === null
            ? send(contentBytes.length)
            : Effect.acquireUseRelease(
                // The check and this run in one turn of the event loop.
                Effect.map(check(user, ["messagesSent", "contentBytes"]), (used) => {
                  const room = used && { messages: roomOf("messagesSent", used), bytes: roomOf("contentBytes", used) }
                  let [count, bytes] = [1, contentBytes[0] ?? 0]
                  while (room !== undefined && count < contentBytes.length) {
                    if (count >= room.messages || bytes >= room.bytes) break
                    bytes += contentBytes[count] ?? 0
                    count += 1
                  }
                  addInFlight(user, count, bytes)
                  return { count, bytes }
                }),
                ({ count }) => send(count),
                ({ bytes, count }) => Effect.sync(() => addInFlight(user, -count, -bytes))
              )

      const sending =
        (user: UserId, contentBytes: number) =>
        <A, E, R>(send: Effect.Effect<A, E, R>) =>
          sendingSome(user, [contentBytes])(() => send)

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

      /** Counts the time of the open streams that were last counted at least `interval` milliseconds ago. */
      const countTimes = (interval: number) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.forEach(
            [...streams].filter(({ countedTo }) => now - countedTo >= interval),
            (stream) => countTime(stream, now),
            { discard: true }
          )
        )

      const flush = Effect.andThen(countTimes(0), ledger.flush)

      yield* Effect.sleep(flushInterval).pipe(
        Effect.andThen(countTimes(streamInterval)),
        Effect.andThen(ledger.flush),
        // The next flush tries again.
        Effect.catchTag("DatabaseUnavailable", () => Effect.void),
        Effect.forever,
        Effect.forkScoped
      )
      yield* Effect.addFinalizer(() =>
        flush.pipe(
          Effect.retry({ times: 3 }),
          Effect.timeout(stopTimeout),
          Effect.catch(() =>
            log.warning("The usage of the last moments is lost, because the database was away at the end")
          )
        )
      )

      return Usage.of({ count, stream, of, quotas: limits, flush, spend, sending, sendingSome, allow })
    })
  )
}
