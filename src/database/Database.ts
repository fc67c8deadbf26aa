import * as PgClient from "@effect/sql-pg/PgClient"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import { Console, Duration, Effect, Layer, Option, Predicate, Result, Schedule, Redacted } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { Configuration } from "../platform/Configuration.ts"
import { isConnectionLost, sqlState } from "./DatabaseErrors.ts"
import { parseDatabaseUrl, tlsOf, type DatabaseUrl } from "./DatabaseUrl.ts"
import * as Migrator from "./Migrator.ts"
import { grantTables, insufficientPrivilege, remedyFor } from "./Permissions.ts"
import { makePostgresClient } from "./PostgresClient.ts"
import { findSchema, quoted } from "./SearchPath.ts"
import {
  DatabaseAccessDenied,
  DatabaseCertificateRefused,
  DatabaseMissing,
  DatabaseRightMissing,
  DatabaseTableMissing,
  DatabaseTooOld,
  DatabaseUnreachable,
  DatabaseUrlMissing,
  type StartupError
} from "./StartupError.ts"

/**
 * The tables that a server reads and writes. Start-up looks for each and for the rights on it, because `schema_migrations` does not
 * show that somebody has dropped one since.
 */
export const requiredTables = [
  "users",
  "sessions",
  "conversations",
  "conversation_participants",
  "chat_messages",
  "friend_requests",
  "blocks",
  "announcements",
  "contacts",
  "conversation_revisions",
  "database_incarnation",
  "departures",
  "frozen_receipts",
  "login_attempts",
  "message_reactions",
  "message_terms",
  "message_versions",
  "people_revisions",
  "search_progress",
  "successions",
  "usage_tracking",
  "visibility_epochs",
  "visibility_rewrites"
]

const oldestVersion = 140_000

/**
 * Values of type int8 (positions, counts, ids) are decoded as numbers: they stay below 2^53, and JSON has no other integers.
 */
const types = PgTypes.makeRegistry()
types.register<number | bigint>(
  PgTypes.OID.int8,
  {
    encode: (value) => {
      const bytes = new Uint8Array(8)
      new DataView(bytes.buffer).setBigInt64(0, BigInt(value))
      return Result.succeed(bytes)
    },
    decode: (bytes) => Result.succeed(Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0)))
  },
  { arrayOid: PgTypes.OID.int8Array }
)

/** The settings of connections, and their time limits. Without a statement timeout, a statement may run for ever. */
export interface DatabaseOptions {
  /** A connection string in one of libpq's forms. */
  readonly url: Redacted.Redacted
  /** The most connections that this process opens: 10 by default. */
  readonly maxConnections?: number
  readonly connectTimeout?: Duration.Duration
  readonly idleTimeout?: Duration.Duration
  readonly lifetime?: Duration.Duration
  readonly acquireTimeout?: Duration.Duration
  readonly statementTimeout?: Duration.Duration | undefined
  /** `transaction` for a pooler in between that does not keep a session's settings for the next transaction. */
  readonly pooler?: "none" | "transaction"
  /** Certificates of the authorities to trust, in PEM. */
  readonly certificateFile?: string | undefined
  /** The only schema to look for names in, instead of the role's search path. Not behind a pooler of transactions. */
  readonly schema?: string | undefined
}

/** Time for the round trip, on top of the time after which PostgreSQL ends a statement. */
const grace = Duration.seconds(5)

/** The longest wait for one lock, unless a statement sets a bound of its own. */
const lockTimeout = Duration.seconds(1)

/** Timeouts that PostgreSQL enforces. The last one frees the locks of a process that hangs within a transaction. */
const timeoutParameters = (timeout: Duration.Duration) => {
  const milliseconds = String(Duration.toMillis(timeout))
  return {
    statement_timeout: milliseconds,
    idle_in_transaction_session_timeout: milliseconds,
    lock_timeout: String(Duration.toMillis(lockTimeout))
  }
}

/**
 * A pool of connections, without any check or migration. It opens the first connection when one is needed. {@link layer}
 * is built on it, and so are tests on a database that was cloned from a migrated template.
 */
export const layerUnchecked = (options: DatabaseOptions) =>
  PgClient.layerFrom(
    Effect.gen(function* () {
      const parsed = yield* parseDatabaseUrl(options.url)
      const ssl = yield* tlsOf(parsed, options.certificateFile)
      const { pooler = "none", schema, statementTimeout } = options
      return yield* makePostgresClient({
        connection: {
          host: parsed.host,
          username: parsed.username,
          database: parsed.database,
          password: parsed.password,
          startupOptions: parsed.options,
          // Only a URL can tell the driver to encrypt if the server does.
          ...(ssl === undefined ? { url: Redacted.make("postgresql://localhost/?sslmode=prefer") } : { ssl }),
          // Statements of many fibers share a connection.
          multiplex: true,
          prepare: pooler === "none",
          applicationName: parsed.applicationName ?? "xfchat",
          connectTimeout: parsed.connectTimeout ?? options.connectTimeout ?? Duration.seconds(5),
          types,
          startupParameters: {
            timezone: "UTC",
            // A pooler refuses these parameters, so the role has them.
            ...(statementTimeout === undefined || pooler !== "none" ? {} : timeoutParameters(statementTimeout)),
            // A temporary table could hide one of ours, so it comes last.
            ...(schema === undefined || pooler !== "none" ? {} : { search_path: `${quoted(schema)}, pg_temp` })
          }
        },
        targets: parsed.targets,
        maxConnections: options.maxConnections ?? 10,
        idleTimeout: options.idleTimeout ?? Duration.minutes(1),
        lifetime: options.lifetime ?? Duration.minutes(30),
        acquireTimeout: options.acquireTimeout ?? Duration.seconds(5),
        patience: statementTimeout === undefined ? undefined : Duration.sum(statementTimeout, grace)
      })
    })
  )

/** Its configuration from the variables that begin with `DATABASE_`. */
export const configuredOptions = Effect.gen(function* () {
  const url = yield* Configuration.databaseUrl
  return {
    url: Option.isSome(url) ? url.value : yield* new DatabaseUrlMissing(),
    maxConnections: yield* Configuration.databaseMaxConnections,
    connectTimeout: yield* Configuration.databaseConnectTimeout,
    idleTimeout: yield* Configuration.databaseIdleTimeout,
    lifetime: yield* Configuration.databaseLifetime,
    acquireTimeout: yield* Configuration.databaseAcquireTimeout,
    statementTimeout: yield* Configuration.databaseStatementTimeout,
    pooler: yield* Configuration.databasePooler,
    certificateFile: Option.getOrUndefined(yield* Configuration.databaseCaFile)
  } satisfies DatabaseOptions
})

/** The codes with which the runtime refuses a server's certificate. */
const certificateProblem = (cause: unknown): string | undefined =>
  cause instanceof Error && /certificate/i.test(cause.message) ? cause.message : undefined

/** Whether another attempt may succeed: nothing answers yet, or PostgreSQL is starting up (57P03) or full (53300). */
const mayPass = ({ reason }: SqlError.SqlError): boolean =>
  (reason._tag === "ConnectionError" && certificateProblem(reason.cause) === undefined) ||
  /^(57P|53)/.test(sqlState(reason.cause) ?? "")

/** Plain words for errors of the system and the driver, by their code, or else their message. */
const plainWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was closed",
  "Connection closed unexpectedly": "the connection was closed",
  ENOTFOUND: "host not found",
  EAI_AGAIN: "host not found",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the host",
  ETIMEDOUT: "no answer",
  "Connection timed out": "no answer",
  "The server does not support TLS": "it does not offer TLS, which sslmode asks for"
}

/** The reason why there is no connection, in PostgreSQL's words if it answered. */
const explain = (cause: unknown): string => {
  if (!(cause instanceof Error)) return "unknown"
  if (Predicate.hasProperty(cause, "severity")) return cause.message
  const code = sqlState(cause)
  return plainWords[code ?? cause.message] ?? code ?? "the program that answers there is not PostgreSQL"
}

/** Turns a failure of the checks into an error for the person who starts the program. */
const toStartupError = (error: SqlError.SqlError, target: DatabaseUrl, timeout: Duration.Duration): StartupError => {
  const { cause } = error.reason
  if (sqlState(cause) === "3D000") return new DatabaseMissing(target)
  const certificate = certificateProblem(cause)
  if (certificate !== undefined) {
    return new DatabaseCertificateRefused({ address: target.address, reason: certificate })
  }
  if (sqlState(cause) === insufficientPrivilege && cause instanceof Error) {
    return new DatabaseRightMissing({
      username: target.username,
      reason: cause.message,
      remedy: remedyFor(cause.message, target.username, "public")
    })
  }
  if (mayPass(error)) {
    return new DatabaseUnreachable({
      address: target.address,
      seconds: Duration.toSeconds(timeout),
      reason: explain(cause)
    })
  }
  return new DatabaseAccessDenied({ ...target, reason: cause instanceof Error ? cause.message : "unknown" })
}

/** From 100 ms to 3 s between attempts. */
const backoff = Schedule.exponential("100 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(3))))
)

/** Opens the first connection, within `timeout`. */
const connect = Effect.fnUntraced(function* ({ address }: DatabaseUrl, timeout: Duration.Duration) {
  const sql = yield* SqlClient.SqlClient
  let reason = "no answer"
  const [row] = yield* sql<{ version: string; number: number }>`
    SELECT pg_catalog.current_setting('server_version') AS version,
      pg_catalog.current_setting('server_version_num')::int AS number`.pipe(
    Effect.tapError((error) => Effect.sync(() => void (reason = explain(error.reason.cause)))),
    Effect.retry({ while: mayPass, schedule: backoff }),
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => new DatabaseUnreachable({ address, seconds: Duration.toSeconds(timeout), reason })
    })
  )
  if (row === undefined || row.number < oldestVersion) {
    return yield* new DatabaseTooOld({ version: row?.version ?? "unknown" })
  }
})

/** The tables on which the role lacks a right that a server needs. */
export const tablesWithoutRights = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const found = yield* sql<{ name: string }>`
    SELECT name FROM unnest(${requiredTables}::text[]) AS name
    WHERE to_regclass(name) IS NOT NULL AND NOT (has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')
      AND has_table_privilege(name, 'UPDATE') AND has_table_privilege(name, 'DELETE'))`
  if (found.length === 0) return undefined
  const [us] = yield* sql<{ role: string; schema: string }>`
    SELECT current_user::text AS role, current_schema()::text AS schema`
  const { role, schema } = us ?? { role: "", schema: "" }
  const names = found.map(({ name }) => name)
  return new DatabaseRightMissing({
    username: role,
    reason: `it cannot read and write ${names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more tables` : names.join(", ")}`,
    remedy: grantTables(schema, role)
  })
})

/** Looks for each table and the rights on it, and counts the users. */
const verify = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [missing] = yield* sql<{ name: string }>`
    SELECT name FROM unnest(${requiredTables}::text[]) AS name WHERE to_regclass(name) IS NULL LIMIT 1`
  if (missing !== undefined) return yield* new DatabaseTableMissing({ table: missing.name })
  const lacking = yield* tablesWithoutRights
  if (lacking !== undefined) return yield* lacking
  const [users] = yield* sql<{ count: number }>`SELECT count(*) AS count FROM users WHERE deleted_at IS NULL`
  return users?.count ?? 0
})

/** Whether a step failed because its connection was lost, or because none could be opened. */
const isLost = (error: unknown): boolean => {
  const cause = error instanceof Migrator.MigrationFailed ? error.cause : error
  return SqlError.isSqlError(cause) && (isConnectionLost(cause) || mayPass(cause))
}

/** Runs a step of the start again if it loses its connection: the steps change nothing, or commit with a record of it. */
type Persistently = <A, E, R>(step: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const report = (check: string) => Console.error(`[STARTUP] ${check}`)

/** The database of the environment, connected and checked before the layer is complete. */
const required = (
  check: (
    persistently: Persistently
  ) => Effect.Effect<void, StartupError | Migrator.MigrationError | SqlError.SqlError, SqlClient.SqlClient>,
  { isTimed, report }: { readonly isTimed: boolean; readonly report: (check: string) => Effect.Effect<void> }
) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const options = yield* configuredOptions
      const untimed = { ...options, statementTimeout: undefined }
      const startupTimeout = yield* Configuration.databaseStartupTimeout
      const target = yield* parseDatabaseUrl(options.url)
      yield* report("DATABASE_URL is set")
      // Bounds the attempts and not the steps, since a migration has no time limit.
      const end = performance.now() + Duration.toMillis(startupTimeout)
      const persistently: Persistently = (step) =>
        Effect.retry(step, { while: (error) => isLost(error) && performance.now() < end, schedule: backoff })
      const explained = (error: SqlError.SqlError) => Effect.fail(toStartupError(error, target, startupTimeout))

      const schema = yield* Effect.gen(function* () {
        yield* connect(target, startupTimeout)
        yield* report("Database connection successful")
        return yield* persistently(findSchema(options.pooler))
      }).pipe(
        Effect.provide(layerUnchecked({ ...untimed, maxConnections: 1 })),
        Effect.catchTags({ SqlError: explained, SchemaError: Effect.die })
      )
      // Migrations have no time limit.
      yield* check(persistently).pipe(
        Effect.provide(layerUnchecked({ ...untimed, schema, maxConnections: 1 })),
        Effect.catchTag("SqlError", explained)
      )
      return layerUnchecked({ ...(isTimed ? options : untimed), schema }).pipe(
        Layer.catchTag("SqlError", (error) => Layer.effectContext(explained(error)))
      )
    })
  )

/**
 * The required database, which is connected, migrated and verified once this layer is built. Otherwise building it fails with
 * a `StartupError` or a `MigrationError`, each of which says in one line what to do. Each check that passes is reported on
 * standard error.
 */
export const layer = required(
  Effect.fnUntraced(function* (persistently) {
    yield* persistently(Migrator.migrate)
    yield* report("Migrations completed")
    const users = yield* persistently(verify)
    yield* report(`Database tables verified: ${users} users`)
  }),
  { isTimed: true, report }
)

/**
 * The database, connected but neither migrated nor verified, and without time limits for statements: for commands. Fails
 * like {@link layer}.
 */
export const layerConnected = required(() => Effect.void, { isTimed: false, report: () => Effect.void })
