import { Config, Duration, Effect, Schema, SchemaTransformation } from "effect"
import { availableParallelism } from "node:os"
import process from "node:process"
import { LogLevelsFromString, type LogLevels } from "./Log.ts"
import {
  duration,
  durationBetween,
  headers,
  integer,
  networks,
  oneOf,
  optional,
  origins,
  rate,
  secret,
  setting,
  text,
  url,
  type Kind,
  type Variable
} from "./Variable.ts"

const logLevels: Kind<LogLevels> = {
  expected:
    "a level (trace, debug, info, warn, error, off), optionally followed by levels of modules: info,xfchat/http=debug",
  schema: LogLevelsFromString
}

const maxProcesses = 64

/** `auto` is one process for each core that this process may use. */
const processes: Kind<number> = {
  expected: `a whole number from 1 to ${maxProcesses}, or \`auto\``,
  schema: Schema.Union([
    integer(1, maxProcesses).schema,
    Schema.Literal("auto").pipe(
      Schema.decodeTo(
        Schema.Int,
        SchemaTransformation.transform({ decode: availableParallelism, encode: () => "auto" })
      )
    )
  ])
}

const monthlyQuota = (what: string, description: string) =>
  optional(`QUOTA_${what}_PER_MONTH`, integer(1, 1_000_000_000_000), description)

/**
 * Every environment variable that XFChat reads. Nothing else reads any.
 *
 * To add one, write it here with `setting` (it has a default) or `optional` (it may be missing), add its row to
 * docs/configuration.md (test/process/configuration.test.ts prints it), and read it where you need it:
 *
 * ```ts
 * const lifetime = yield* Configuration.sessionLifetime
 * ```
 *
 * An empty value counts as missing. A malformed one stops the server at start-up, with a line that names the variable and
 * what it must be.
 */
export const Configuration = {
  databaseUrl: optional(
    "DATABASE_URL",
    secret("postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
    "the PostgreSQL database; required"
  ),
  databaseMaxConnections: setting(
    "DATABASE_MAX_CONNECTIONS",
    integer(1, 1_000),
    "10",
    "the most connections that this process opens, besides one that listens"
  ),
  databaseConnectTimeout: setting(
    "DATABASE_CONNECT_TIMEOUT",
    duration,
    "5 seconds",
    "how long opening a connection may take"
  ),
  databaseAcquireTimeout: setting(
    "DATABASE_ACQUIRE_TIMEOUT",
    duration,
    "5 seconds",
    "how long a statement waits for a connection when all are busy"
  ),
  databaseStatementTimeout: setting(
    "DATABASE_STATEMENT_TIMEOUT",
    duration,
    "15 seconds",
    "how long a statement may take; migrations have no limit"
  ),
  databaseIdleTimeout: setting(
    "DATABASE_IDLE_TIMEOUT",
    duration,
    "1 minute",
    "how long an unused connection stays open"
  ),
  databaseLifetime: setting(
    "DATABASE_LIFETIME",
    duration,
    "30 minutes",
    "the age at which a connection is replaced, give or take a tenth"
  ),
  databasePooler: setting(
    "DATABASE_POOLER",
    oneOf("none", "transaction"),
    "none",
    "`transaction` behind a transaction pooler such as PgBouncer: no prepared statements, and the role sets the statement timeout"
  ),
  databaseCaFile: optional(
    "DATABASE_CA_FILE",
    text("the path of a file"),
    "a PEM file of the authorities to trust for `sslmode=verify-full` in `DATABASE_URL`; the system's if not set"
  ),
  databaseStartupTimeout: setting(
    "DATABASE_STARTUP_TIMEOUT",
    duration,
    "30 seconds",
    "how long to wait for the first connection, and to try again when one is lost during the start"
  ),

  redisUrl: optional(
    "REDIS_URL",
    secret("redis://USER:PASSWORD@HOST:6379"),
    "a Redis through which processes wake each other, instead of through PostgreSQL, and share their rate limits"
  ),

  serverHost: setting(
    "SERVER_HOST",
    text("an address or a host name"),
    "0.0.0.0",
    "the address to listen on; `xfchat dev` listens on `127.0.0.1` if not set"
  ),
  serverPort: setting("SERVER_PORT", integer(0, 65_535), "3000", "the port to listen on; 0 for any free one"),
  serverProcesses: setting(
    "SERVER_PROCESSES",
    processes,
    "1",
    "how many processes `xfchat serve` starts on the port: one for each core that PostgreSQL does not need; `auto` for one for each core"
  ),
  serverProcess: optional(
    "SERVER_PROCESS",
    integer(1, maxProcesses),
    "the number of this process among several on a port, set by XFChat for those that it starts; leave it unset"
  ),
  serverHeadersTimeout: setting(
    "SERVER_HEADERS_TIMEOUT",
    duration,
    "10 seconds",
    "how long the head of a request may take to arrive"
  ),
  serverRequestTimeout: setting(
    "SERVER_REQUEST_TIMEOUT",
    duration,
    "30 seconds",
    "how long a whole request may take to arrive"
  ),
  serverKeepAliveTimeout: setting(
    "SERVER_KEEP_ALIVE_TIMEOUT",
    duration,
    "75 seconds",
    "how long a connection stays open for the next request: set it longer than your load balancer's"
  ),
  serverAnswerTimeout: setting(
    "SERVER_ANSWER_TIMEOUT",
    duration,
    "30 seconds",
    "how long a client may accept nothing of an answer before its connection is closed"
  ),
  serverMaxRequests: setting(
    "SERVER_MAX_REQUESTS",
    integer(1, 1_000_000),
    "2000",
    "the most requests in progress at once, not counting streams, waiting long polls and bodies that are still arriving; the rest get 503"
  ),
  corsOrigins: setting(
    "CORS_ORIGINS",
    origins,
    "none",
    "origins whose scripts may use the API in browsers, such as `https://app.example.com,http://localhost:5173`; `*` for all"
  ),
  trustedProxies: optional(
    "TRUSTED_PROXIES",
    networks,
    "proxies whose `X-Forwarded-For` is believed, as addresses and networks: `10.0.0.0/8,2001:db8::1`"
  ),

  sessionLifetime: setting("SESSION_LIFETIME", duration, "30 days", "how long a token is valid"),
  streamMaxAge: setting(
    "STREAM_MAX_AGE",
    duration,
    "1 hour",
    "how long a stream lives at most, give or take a tenth; its client resumes"
  ),
  presenceLease: setting(
    "PRESENCE_LEASE",
    durationBetween(Duration.seconds(1), Duration.days(1), `a duration from "1 second" to "1 day"`),
    "50 seconds",
    "how long people still appear online after the process that they were connected to has died"
  ),
  devAuthBypass: setting(
    "DEV_AUTH_BYPASS",
    oneOf("0", "1"),
    "0",
    "`1` for development on one machine: the header `X-Dev-User` names the user, without a password"
  ),

  /** Requests a minute: of an address for `authentication`, of a user for the others. */
  rateLimits: {
    authentication: setting(
      "RATE_LIMIT_AUTHENTICATION",
      rate,
      "30",
      "sign-ups and sign-ins per minute and address; `none` for no limit"
    ),
    reading: setting("RATE_LIMIT_READING", rate, "600", "other reading requests per minute and user"),
    writing: setting("RATE_LIMIT_WRITING", rate, "300", "other writing requests per minute and user"),
    sending: setting("RATE_LIMIT_SENDING", rate, "300", "messages sent per minute and user"),
    streaming: setting("RATE_LIMIT_STREAMING", rate, "120", "streams and long polls opened per minute and user"),
    searching: setting("RATE_LIMIT_SEARCHING", rate, "60", "searches for people per minute and user")
  },

  /** The most that a user may use in a calendar month, UTC. */
  quotas: {
    messagesSent: monthlyQuota(
      "MESSAGES",
      "the most messages that a user may send in a calendar month (UTC); no limit if not set, like all quotas"
    ),
    conversationsCreated: monthlyQuota("CONVERSATIONS", "the most conversations that a user may create in a month"),
    friendRequests: monthlyQuota("FRIEND_REQUESTS", "the most friend requests that a user may make in a month"),
    contentBytes: monthlyQuota("CONTENT_BYTES", "the most bytes that a user may write in a month, edits included"),
    requests: monthlyQuota("REQUESTS", "the most requests that a user may make in a month"),
    streamsOpened: monthlyQuota("STREAMS", "the most streams and long polls that a user may open in a month"),
    streamMinutes: monthlyQuota("STREAM_MINUTES", "the most minutes of all streams of a user in a month")
  },

  logLevel: optional(
    "LOG_LEVEL",
    logLevels,
    "the lowest level that is logged, `info` if not set; single modules may have their own: `info,xfchat/database=debug`"
  ),
  rustLog: optional("RUST_LOG", logLevels, "used if `LOG_LEVEL` is not set"),
  logFormat: optional(
    "LOG_FORMAT",
    oneOf("json", "pretty"),
    "`json` or `pretty`; if not set, pretty on a terminal and in development, JSON elsewhere"
  ),
  otlpEndpoint: optional(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    url,
    "where traces and logs are sent by OTLP over HTTP: `http://localhost:4318`"
  ),
  otlpHeaders: optional(
    "OTEL_EXPORTER_OTLP_HEADERS",
    headers,
    "headers to send with them, such as `authorization=Bearer%20token`"
  ),
  otlpServiceName: setting("OTEL_SERVICE_NAME", text("a name"), "xfchat", "the service name to send them under"),

  adminToken: optional(
    "ADMIN_TOKEN",
    secret("a secret of at least 16 characters", 16),
    "the bearer token for `/api/admin/database`; the route does not exist if not set"
  )
}

/** The environment of another process of this program: that of this one, with some variables set. */
export const environmentWith = (variables: Readonly<Record<string, string>>) => ({ ...process.env, ...variables })

/** All variables, in the order of {@link Configuration}. */
export const variables: ReadonlyArray<Variable<unknown>> = Object.values(Configuration).flatMap(
  (entry): ReadonlyArray<Variable<unknown>> => (Config.isConfig(entry) ? [entry] : Object.values(entry))
)

/** Fails when any variable is malformed. It runs before anything else, so that no mistake shows up late. */
export const checkConfiguration: Effect.Effect<void, Config.ConfigError> = Effect.forEach(
  variables,
  (variable) => variable,
  { discard: true }
)
