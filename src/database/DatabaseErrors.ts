import { Cause, Effect, Predicate, Schema } from "effect"
import { SqlError } from "effect/sql"
import { logOf } from "../platform/Log.ts"
import { DatabaseUnavailable } from "../contract/Problem.ts"

const log = logOf("xfchat/database")

/**
 * SQLSTATE classes and codes of failures that pass, beyond those that the driver classifies: 25006 read-only (a failover),
 * 25P03 and 25P04 a transaction that took too long, 53 insufficient resources (a full disk included), 57P shutting down,
 * 58 system error.
 */
const notNow = /^(25006|25P03|25P04|53|57P|58)/

/** SQLSTATEs with which PostgreSQL closes a connection. */
const goodbye = /^(25P03|25P04|57P)/

const isUnavailable = ({ reason }: SqlError.SqlError): boolean => {
  switch (reason._tag) {
    case "ConnectionError":
    case "AuthenticationError":
    case "DeadlockError":
    case "SerializationError":
    case "LockTimeoutError":
    case "StatementTimeoutError":
      return true
    default:
      return sqlState(reason.cause) !== undefined && notNow.test(sqlState(reason.cause) ?? "")
  }
}

/** The SQLSTATE of a failure that PostgreSQL reported. */
export const sqlState = (cause: unknown): string | undefined =>
  Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) ? cause.code : undefined

/** Whether the connection is gone, and with it everything that was not committed. */
export const isConnectionLost = ({ reason }: SqlError.SqlError): boolean =>
  reason._tag === "ConnectionError" || goodbye.test(sqlState(reason.cause) ?? "")

/** The failures of a statement before they are translated for a caller. */
type DatabaseError = SqlError.SqlError | Schema.SchemaError | Cause.NoSuchElementError

const isOfTheService = <E>(error: E): error is Exclude<E, DatabaseError> =>
  !SqlError.isSqlError(error) && !Schema.isSchemaError(error) && !Cause.isNoSuchElementError(error)

/**
 * Sorts a service's database failures. A failure that may pass becomes {@link DatabaseUnavailable}. A refused statement, a row
 * that its schema cannot decode and a missing row that must exist are defects of XFChat: the fiber dies (500, reported).
 */
export const catchDatabaseErrors = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, DatabaseError> | DatabaseUnavailable, R> =>
  Effect.catch(self, (error): Effect.Effect<never, Exclude<E, DatabaseError> | DatabaseUnavailable> => {
    if (isOfTheService(error)) return Effect.fail(error)
    return SqlError.isSqlError(error) && isUnavailable(error)
      ? log
          .warning("Database unavailable", error.reason._tag)
          .pipe(Effect.andThen(Effect.fail(new DatabaseUnavailable({ detail: "Try again in a moment." }))))
      : Effect.die(error)
  })
