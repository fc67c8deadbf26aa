import { Array as Arrays, DateTime, Duration, Effect, Schedule, Semaphore } from "effect"
import { SqlClient } from "effect/sql"
import { isIP } from "node:net"
import type { SessionId } from "../contract/Session.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { logOf } from "../platform/Log.ts"

const log = logOf("xfchat/auth")

/** The last use of a session is recorded this often at most: a write for each request would cost more than the request. */
export const lastUseResolution = Duration.minutes(1)

/** How long uses gather before one statement writes them. Thousands of clients may return in the same second. */
const gatherTime = Duration.seconds(1)

/** Sessions that one statement writes at most. */
const maxWritten = 1_000

/** How long the server tries to write the last uses when it stops. */
const stopTimeout = Duration.seconds(2)

interface LastUse {
  readonly at: Date
  /** As PostgreSQL accepts it. Empty if it is unknown, which keeps the address before. */
  readonly address: string
}

/** An address as PostgreSQL accepts it: without the zone of a link-local one. Empty if it is none. */
export const inet = (address = ""): string => {
  const [ip = ""] = address.split("%")
  return isIP(ip) === 0 ? "" : ip
}

/** Writes the last uses of sessions behind the requests, which never wait for it. */
export const makeLastUses = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const semaphore = Semaphore.makeUnsafe(1)
  /** Those that are not written yet. */
  const uses = new Map<SessionId, LastUse>()

  // By the primary key. A row that is locked is being deleted, or written by another process: the statement waits for none, so
  // there is no deadlock.
  const write = (batch: ReadonlyArray<readonly [SessionId, LastUse]>) => sql`
    UPDATE sessions s SET last_used_at = used.at, address = coalesce(nullif(used.address, '')::inet, s.address)
    FROM (
      SELECT s.id, i.at, i.address FROM unnest(
        ${batch.map(([id]) => id)}::uuid[], ${batch.map(([, { at }]) => at)}::timestamptz[],
        ${batch.map(([, { address }]) => address)}::text[]
      ) AS i (id, at, address)
      JOIN sessions s ON s.id = i.id AND s.last_used_at < i.at
      FOR NO KEY UPDATE OF s SKIP LOCKED
    ) used
    WHERE s.id = used.id`

  const flush = Effect.suspend(() =>
    Effect.forEach(
      Arrays.chunksOf(uses, maxWritten),
      (batch) =>
        Effect.map(write(batch), () => {
          // A session that was used meanwhile has another entry.
          for (const [id, use] of batch) if (uses.get(id) === use) uses.delete(id)
        }),
      { discard: true }
    )
  ).pipe(catchDatabaseErrors, semaphore.withPermits(1))

  yield* Effect.addFinalizer(() =>
    flush.pipe(
      Effect.timeout(stopTimeout),
      Effect.catch(() => log.warning("The last uses of sessions are lost, because the database was away at the end"))
    )
  )
  yield* flush.pipe(
    // The next turn tries again.
    Effect.catchTag("DatabaseUnavailable", () => Effect.void),
    Effect.catchDefect((defect) => {
      uses.clear()
      return log.error("The last uses of sessions cannot be written", defect)
    }),
    Effect.repeat(Schedule.spaced(gatherTime)),
    Effect.forkScoped
  )

  return {
    /** Records that a session is used now. */
    record: (id: SessionId, address: string | undefined): Effect.Effect<void> =>
      Effect.map(DateTime.now, (now) => {
        uses.set(id, { at: DateTime.toDateUtc(now), address: inet(address) })
      }),
    /** Writes all that were recorded, now. */
    flush
  }
})
