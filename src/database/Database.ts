import * as PgClient from "@effect/sql-pg/PgClient"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import { Console, Duration, Effect, Layer, Option, Predicate, Redacted, Result, Schedule } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import * as Configuration from "../Configuration.ts"
import { sqlState } from "./DatabaseErrors.ts"
import * as Migrator from "./Migrator.ts"
import {
  DatabaseAccessDenied,
  DatabaseMissing,
  DatabaseTableMissing,
  DatabaseTooOld,
  DatabaseUnreachable,
  DatabaseUrlMalformed,
  DatabaseUrlMissing,
  type StartupError
} from "./StartupError.ts"

/** How connections are made. */
export interface DatabaseOptions {
  /** `postgresql://user:password@host:port/database`, with libpq's query parameters. */
  readonly url: Redacted.Redacted
  /** Most connections that this process opens; 10 by default. */
  readonly maxConnections?: number | undefined
}

/**
 * The tables that XFChat cannot do without. Looked for at start-up because `schema_migrations` alone does not say that
 * nobody has dropped one since.
 */
const tables = ["users", "sessions", "conversations", "conversation_participants", "chat_messages", "friend_requests"]

const oldestVersion = 140_000

/**
 * Positions, counts and ids of type int8 come as numbers: they stay below 2^53, and JSON has no other integers.
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

/**
 * A pool of connections to a database that is taken as it is: no check, no migration, the first connection is made when
 * it is first needed. For what lies under {@link layer}, and for tests on a database made from a migrated template.
 */
export const layerUnchecked = (
  options: DatabaseOptions
): Layer.Layer<SqlClient.SqlClient | PgClient.PgClient, SqlError.SqlError> =>
  PgClient.layer({
    url: options.url,
    maxConnections: options.maxConnections ?? 10,
    // Statements of many fibers share a connection. Not on Deno, whose order of microtasks lets the driver's
    // (@effect/sql-pg 4.0.5) last flush of a shared connection run after a transaction has taken it: its BEGIN would wait
    // for ever.
    multiplex: !("Deno" in globalThis),
    applicationName: "xfchat",
    connectTimeout: Duration.seconds(5),
    types,
    startupParameters: { timezone: "UTC" }
  })

/** What a URL says of its target, without the password: for messages. */
interface Target {
  readonly address: string
  readonly username: string
  readonly database: string
}

const parseTarget = Effect.fnUntraced(function* (
  url: Redacted.Redacted
): Effect.fn.Return<Target, DatabaseUrlMalformed> {
  const malformed = (reason: string) => new DatabaseUrlMalformed({ reason })
  const text = Redacted.value(url)
  if (!/^postgres(ql)?:\/\//.test(text)) return yield* malformed("it does not start with postgresql://")
  // A URL ends its host at these: a part of the password would be taken for the host, and shown.
  if (/#|[/?].*@/s.test(text.slice(text.indexOf("//") + 2))) {
    return yield* malformed("a / ? or # in it is not percent-encoded")
  }
  const parsed = yield* Effect.try({ try: () => new URL(text), catch: () => malformed("it is no URL") })
  const parameter = (name: string) => parsed.searchParams.get(name)
  const target = yield* Effect.try({
    try: () => {
      decodeURIComponent(parsed.password)
      const username = parameter("user") ?? decodeURIComponent(parsed.username)
      return {
        host: parameter("host") ?? decodeURIComponent(parsed.hostname),
        port: parameter("port") ?? (parsed.port || "5432"),
        username,
        database: parameter("dbname") ?? (decodeURIComponent(parsed.pathname.slice(1)) || username)
      }
    },
    catch: () => malformed("it has a broken percent-encoding")
  })
  if (!target.host) return yield* malformed("it names no host")
  if (!target.username) return yield* malformed("it names no user")
  if (!/^\d{1,5}$/.test(target.port) || Number(target.port) < 1 || Number(target.port) > 65_535) {
    return yield* malformed("its port is not from 1 to 65535")
  }
  if (!/^(disable|allow|prefer|require|verify-ca|verify-full)$/.test(parameter("sslmode") ?? "prefer")) {
    return yield* malformed("its sslmode is none of disable, allow, prefer, require, verify-ca, verify-full")
  }
  if (!/^\d+$/.test(parameter("connect_timeout") ?? "0")) {
    return yield* malformed("its connect_timeout is not a whole number of seconds")
  }
  return { address: `${target.host}:${target.port}`, username: target.username, database: target.database }
})

/** Worth another attempt: nothing answers yet, or PostgreSQL says that it is starting up (57P03) or full (53300). */
const mayPass = ({ reason }: SqlError.SqlError): boolean =>
  reason._tag === "ConnectionError" || /^(57P|53)/.test(sqlState(reason.cause) ?? "")

/** By the code, or else the message, of what the system or the driver reports. */
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

/** Why there is no connection, in PostgreSQL's words if it answered. */
const explain = (cause: unknown): string => {
  if (!(cause instanceof Error)) return "unknown"
  if (Predicate.hasProperty(cause, "severity")) return cause.message
  const code = sqlState(cause)
  return plainWords[code ?? cause.message] ?? code ?? "what answers there is not PostgreSQL"
}

/** What a failure of the checks means to whoever starts the program. */
const toStartupError = (error: SqlError.SqlError, target: Target, timeout: Duration.Duration): StartupError => {
  const { cause } = error.reason
  if (sqlState(cause) === "3D000") return new DatabaseMissing(target)
  if (mayPass(error)) {
    return new DatabaseUnreachable({
      address: target.address,
      seconds: Duration.toSeconds(timeout),
      reason: explain(cause)
    })
  }
  return new DatabaseAccessDenied({ ...target, reason: cause instanceof Error ? cause.message : "unknown" })
}

/** Makes the first connection, with backoff from 100 ms to 3 s between attempts, within `timeout` in all. */
const connect = Effect.fnUntraced(function* ({ address }: Target, timeout: Duration.Duration) {
  const sql = yield* SqlClient.SqlClient
  let reason = "no answer"
  const [row] = yield* sql<{ version: string; number: number }>`
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number`.pipe(
    Effect.tapError((error) => Effect.sync(() => void (reason = explain(error.reason.cause)))),
    Effect.retry({
      while: mayPass,
      schedule: Schedule.exponential("100 millis").pipe(
        Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(3))))
      )
    }),
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => new DatabaseUnreachable({ address, seconds: Duration.toSeconds(timeout), reason })
    })
  )
  if (row === undefined || row.number < oldestVersion) {
    return yield* new DatabaseTooOld({ version: row?.version ?? "unknown" })
  }
})

/** Looks for each table and counts the users. */
const verify = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [missing] = yield* sql<{ name: string }>`
    SELECT name FROM unnest(${tables}::text[]) AS name WHERE to_regclass(name) IS NULL LIMIT 1`
  if (missing !== undefined) return yield* new DatabaseTableMissing({ table: missing.name })
  const [users] = yield* sql<{ count: number }>`SELECT count(*) AS count FROM users`
  return users?.count ?? 0
})

const report = (check: string) => Console.error(`[STARTUP] ${check}`)

/** The database that the environment names, connected to, and checked before the layer stands. */
const required = (
  check: Effect.Effect<void, StartupError | Migrator.MigrationError | SqlError.SqlError, SqlClient.SqlClient>,
  report: (check: string) => Effect.Effect<void>
) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const given = yield* Configuration.databaseUrl
      if (Option.isNone(given)) return yield* new DatabaseUrlMissing()
      const url = given.value
      const startupTimeout = yield* Configuration.databaseStartupTimeout
      const maxConnections = yield* Configuration.databaseMaxConnections
      const target = yield* parseTarget(url)
      yield* report("DATABASE_URL is set")

      const checks = Effect.gen(function* () {
        yield* connect(target, startupTimeout)
        yield* report("Database connection successful")
        yield* check
      })
      return Layer.effectDiscard(checks).pipe(
        Layer.provideMerge(layerUnchecked({ url, maxConnections })),
        Layer.catchTag("SqlError", (error) =>
          Layer.effectContext(Effect.fail(toStartupError(error, target, startupTimeout)))
        )
      )
    })
  )

/**
 * The required database: connected, migrated and verified when this layer stands. Its construction fails the program
 * with a `StartupError` or a `MigrationError`, each of which says in one line what to do. Each check that passes is
 * reported on standard error, in the order in which they happen.
 */
export const layer = required(
  Effect.gen(function* () {
    yield* Migrator.migrate
    yield* report("Migrations completed")
    const users = yield* verify
    yield* report(`Database tables verified: ${users} users`)
  }),
  report
)

/** Connected to, and nothing else: for commands, which take the database as they find it. Fails as {@link layer} does. */
export const layerConnected = required(Effect.void, () => Effect.void)
