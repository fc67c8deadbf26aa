import { Context, Duration, Effect, Layer, Option, Semaphore } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { DatabaseUnavailable } from "../contract/Problem.ts"

/** How long one attempt waits for a lock. */
export const lockTimeout = Duration.millis(100)

/** How long a write waits for its rows, beyond the attempt that is under way. */
const maxWait = Duration.seconds(5)

/** Writes of one key that run at once, each on a connection of its own. Others wait for them. */
const attemptsPerKey = 2

/** Writes that run at once, of all keys together whose rows were found locked. */
const attemptsOnLocked = 2

/** Writes that wait for one key. */
const maxWaiting = 256

/** Whether PostgreSQL ended a statement because a row stayed locked. Its transaction was rolled back. */
export const isLockTimeout = (error: unknown): boolean =>
  SqlError.isSqlError(error) && error.reason._tag === "LockTimeoutError"

/**
 * SQL that bounds the wait for each lock of a transaction from here on, for a statement's FROM. It is evaluated before the
 * statement locks a row.
 */
export const boundedLocks = (sql: SqlClient.SqlClient) =>
  sql`(SELECT set_config('lock_timeout', ${String(Duration.toMillis(lockTimeout))}, true)) AS bounded_locks`

interface Queue {
  readonly attempts: Semaphore.Semaphore
  writes: number
  /** The last attempt found a row locked. */
  isLocked: boolean
}

/**
 * Keeps writes that wait for locked rows from taking all connections. A write waits in PostgreSQL for {@link lockTimeout},
 * then gives its connection back and tries again. Writes of the same rows try in turn, and all writes whose rows are known to
 * be locked share two connections, so that others always find one.
 */
export class LockWaits extends Context.Service<
  LockWaits,
  {
    /**
     * Runs a write, and repeats it while it fails by the lock time-out. `id` names the conversation or person whose rows it
     * locks. If they stay locked, it fails within seconds with {@link DatabaseUnavailable}, and nothing is written. Within a
     * transaction it runs once, since only the whole transaction can be repeated.
     */
    readonly bound: (
      what: "conversation" | "account",
      id: string
    ) => <A, E, R>(write: Effect.Effect<A, E, R>) => Effect.Effect<A, E | DatabaseUnavailable, R>
  }
>()("xfchat/database/LockWaits") {
  static readonly layer = Layer.effect(
    LockWaits,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const queues = new Map<string, Queue>()
      const onLocked = Semaphore.makeUnsafe(attemptsOnLocked)

      const bound = (what: "conversation" | "account", id: string) => {
        const busy = new DatabaseUnavailable({ detail: `This ${what} is busy. Try again in a moment.` })
        return <A, E, R>(write: Effect.Effect<A, E, R>): Effect.Effect<A, E | DatabaseUnavailable, R> => {
          const begin = Effect.suspend((): Effect.Effect<A, E | DatabaseUnavailable, R> => {
            const queue = queues.get(id) ?? {
              attempts: Semaphore.makeUnsafe(attemptsPerKey),
              writes: 0,
              isLocked: false
            }
            if (queue.writes === maxWaiting) return Effect.fail(busy)
            queues.set(id, queue)
            queue.writes += 1
            const end = performance.now() + Duration.toMillis(maxWait)
            const inTime = Effect.suspend((): Effect.Effect<A, E | DatabaseUnavailable, R> =>
              performance.now() > end ? Effect.fail(busy) : write
            )
            const attempt: Effect.Effect<A, E | DatabaseUnavailable, R> = Effect.suspend(() =>
              queue.isLocked ? onLocked.withPermit(inTime) : write
            ).pipe(
              Effect.tap(() => Effect.sync(() => void (queue.isLocked = false))),
              Effect.tapError((error) => Effect.sync(() => void (queue.isLocked = isLockTimeout(error)))),
              Effect.catchIf(isLockTimeout, () => attempt)
            )
            return Effect.ensuring(
              queue.attempts.withPermit(attempt),
              Effect.sync(() => {
                queue.writes -= 1
                if (queue.writes === 0) queues.delete(id)
              })
            )
          })
          return Effect.flatMap(Effect.serviceOption(sql.transactionService), (outer) =>
            Option.isSome(outer) ? write : begin
          )
        }
      }

      return LockWaits.of({ bound })
    })
  )
}
