import { Effect, Option, Schedule } from "effect"
import { SqlError, type SqlClient } from "effect/sql"
import { isConnectionLost } from "./DatabaseErrors.ts"

/** The pauses between attempts: 20 to 160 ms, up to a quarter more or less, so that the same ones do not collide again. */
const backoff = Schedule.exponential("20 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 4 }))

/** A request must not wait long for a database that is unavailable. */
const mostTime = 1_000

/** Whether another transaction was in the way: PostgreSQL has kept nothing, and the next attempt may succeed. */
const isConflict = ({ reason }: SqlError.SqlError): boolean =>
  reason._tag === "DeadlockError" || reason._tag === "SerializationError"

/** As {@link isConflict}, or the connection was lost, but not during COMMIT, which may have succeeded. */
const mayPass = (error: SqlError.SqlError, begun: number): boolean =>
  isConflict(error) ||
  (isConnectionLost(error) && error.reason.operation !== "commit" && performance.now() - begun < mostTime)

/**
 * Runs statements as one transaction. If it fails before its COMMIT for a reason that passes (a deadlock, a conflict, a
 * lost connection), PostgreSQL has kept nothing of it, and it runs again, a few times within a second. So the statements must
 * have no effects outside of the database. Within another transaction, only the outer one runs again.
 */
export const inTransaction =
  (sql: SqlClient.SqlClient) =>
  <A, E, R>(statements: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
    Effect.flatMap(Effect.serviceOption(sql.transactionService), (outer) => {
      const transaction = sql.withTransaction(statements)
      if (Option.isSome(outer)) return transaction
      const begun = performance.now()
      return Effect.retry(transaction, {
        while: (error) => SqlError.isSqlError(error) && mayPass(error, begun),
        schedule: backoff
      })
    })

/**
 * Runs a statement that is a transaction of its own. If others were in its way, by their locks or by a row with the same key,
 * PostgreSQL has kept nothing of it, and it runs again. If its connection was lost, it does not, since it may have committed.
 */
export const retryRolledBack = <A, E, R>(statement: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.retry(statement, {
    while: (error) => SqlError.isSqlError(error) && (isConflict(error) || error.reason._tag === "UniqueViolation"),
    schedule: backoff
  })

/**
 * Runs statements as one transaction, and only once: for transactions that also read or write a stream, and so cannot start
 * again. `mode` is that of SET TRANSACTION. The role's time limits do not apply.
 */
export const inTransactionOnce =
  (sql: SqlClient.SqlClient, mode: "REPEATABLE READ READ ONLY" | "READ COMMITTED READ WRITE") =>
  <A, E, R>(statements: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
    sql.withTransaction(
      sql.unsafe(`SET TRANSACTION ISOLATION LEVEL ${mode}`).unprepared.pipe(
        Effect.andThen(sql`
          SELECT set_config(name, '0', true) FROM pg_settings
          WHERE name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`),
        Effect.andThen(statements)
      )
    )
