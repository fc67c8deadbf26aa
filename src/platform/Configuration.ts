import type { Option, Redacted } from "effect"
import { Config, Duration, Effect, Result, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { IpNetwork, NetAddress } from "effect/net"
import { LogLevelsFromString, type LogLevels } from "./Log.ts"

/**
 * Every environment variable that XFChat reads, and the only place that reads them.
 *
 * To add one, write it below with `setting` (it has a default) or `optional` (it may be missing), add its row to
 * docs/configuration.md (test/process/configuration.test.ts says which), and read it where it is needed:
 *
 * ```ts
 * const lifetime = yield* Configuration.sessionLifetime
 * ```
 *
 * An empty value counts as none. A malformed one fails start-up with a line that names the variable and what it takes.
 */
export interface Variable<out A> extends Config.Config<A> {
  readonly variable: string
  /** As it would stand in the environment; `undefined` when there is none. */
  readonly byDefault: string | undefined
  /** In a few words, for the documentation. */
  readonly about: string
  /** Ends a sentence that begins with "must be". */
  readonly takes: string
  readonly isSecret: boolean
}

interface Kind<A> {
  readonly takes: string
  readonly schema: Schema.Codec<A, string>
  readonly isSecret?: boolean
}

const registered: Array<Variable<unknown>> = []

/** All of them, in the order of their declaration. */
export const variables: ReadonlyArray<Variable<unknown>> = registered

const register = <A>(
  variable: string,
  { isSecret = false, takes }: Omit<Kind<unknown>, "schema">,
  about: string,
  byDefault: string | undefined,
  config: Config.Config<A>
): Variable<A> => {
  const registration = Object.assign(config, { variable, takes, isSecret, about, byDefault })
  registered.push(registration)
  return registration
}

const setting = <A>(variable: string, kind: Kind<A>, byDefault: string, about: string) => {
  const config = Config.schema(kind.schema, variable).pipe(
    Config.withDefault(Schema.decodeSync(kind.schema)(byDefault))
  )
  return register<A>(variable, kind, about, byDefault, config)
}

const optional = <A>(variable: string, kind: Kind<A>, about: string): Variable<Option.Option<A>> =>
  register(variable, kind, about, undefined, Config.option(Config.schema(kind.schema, variable)))

const integer = (minimum: number, maximum: number): Kind<number> => ({
  takes: `a whole number from ${minimum} to ${maximum}`,
  schema: Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum }))
})

const duration: Kind<Duration.Duration> = {
  takes: `a duration such as "30 seconds" or "2 hours"`,
  schema: Schema.String.check(Schema.isPattern(/^[1-9]\d{0,8} (milli|second|minute|hour|day)s?$/)).pipe(
    Schema.decodeTo(Schema.DurationFromString)
  )
}

const text = (takes: string): Kind<string> => ({ takes, schema: Schema.String })

const origins: Kind<ReadonlyArray<string>> = {
  takes: "none, *, or origins with commas between them, such as https://app.example.com",
  schema: Schema.String.check(Schema.isPattern(/^(none|\*|https?:\/\/[\w.:[\]-]+(,https?:\/\/[\w.:[\]-]+)*)$/)).pipe(
    Schema.decodeTo(
      Schema.Array(Schema.String),
      SchemaTransformation.transform<ReadonlyArray<string>, string>({
        decode: (text) => (text === "none" ? [] : text.split(",")),
        encode: (origins) => (origins.length === 0 ? "none" : origins.join())
      })
    )
  )
}

const oneOf = <const Values extends ReadonlyArray<string>>(...values: Values): Kind<Values[number]> => ({
  takes: `one of ${values.join(", ")}`,
  schema: Schema.Literals(values)
})

const url: Kind<URL> = { takes: "a URL", schema: Schema.URLFromString }

/** As OpenTelemetry writes them. */
const headers: Kind<Redacted.Redacted<Readonly<Record<string, string>>>> = {
  takes: "names and values, percent-encoded, with commas between them: name=value,name=value",
  schema: Schema.RedactedFromValue(
    Schema.String.check(Schema.isPattern(/^[^=,]+=[^,]*(,[^=,]+=[^,]*)*$/)).pipe(
      Schema.decodeTo(
        Schema.Record(Schema.String, Schema.String),
        SchemaTransformation.transform<Readonly<Record<string, string>>, string>({
          decode: (text) => Object.fromEntries(new URLSearchParams(text.replaceAll("+", "%2B").replaceAll(",", "&"))),
          encode: (headers) => `${new URLSearchParams(headers)}`.replaceAll("&", ",")
        })
      )
    )
  ),
  isSecret: true
}

const secret = (takes: string): Kind<Redacted.Redacted> => ({
  takes,
  schema: Schema.RedactedFromValue(Schema.String),
  isSecret: true
})

/** An address is a network of its own. */
const network = (text: string) =>
  text.includes("/")
    ? IpNetwork.fromString(text)
    : Result.flatMap(NetAddress.ipFromString(text), (address) => IpNetwork.make(address, NetAddress.width(address)))

const networks: Kind<ReadonlyArray<IpNetwork.IpNetwork>> = {
  takes: "addresses and networks with a comma between them, such as 10.0.0.0/8,2001:db8::1",
  schema: Schema.String.pipe(
    Schema.decodeTo(
      Schema.Array(Schema.declare(IpNetwork.isIpNetwork)),
      SchemaTransformation.transformEffect<ReadonlyArray<IpNetwork.IpNetwork>, string>({
        decode: (text) =>
          Effect.fromResult(Result.all(text.split(",").map((part) => network(part.trim())))).pipe(
            Effect.mapError(() => new SchemaIssue.InvalidValue({ message: "not an address or a network" }))
          ),
        encode: (networks) => Effect.succeed(networks.map(IpNetwork.format).join())
      })
    )
  )
}

const rate: Kind<number | "none"> = {
  takes: `a whole number of requests a minute from 1 to 1000000, or "none"`,
  schema: Schema.Union([
    Schema.Literal("none"),
    Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))
  ])
}

export const databaseUrl = optional(
  "DATABASE_URL",
  secret("postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
  "the database; required"
)
export const databaseMaxConnections = setting(
  "DATABASE_MAX_CONNECTIONS",
  integer(1, 1_000),
  "10",
  "most connections of this process, beside one that listens"
)
export const databaseConnectTimeout = setting(
  "DATABASE_CONNECT_TIMEOUT",
  duration,
  "5 seconds",
  "how long making a connection may take"
)
export const databaseAcquireTimeout = setting(
  "DATABASE_ACQUIRE_TIMEOUT",
  duration,
  "5 seconds",
  "how long a statement waits for a connection when all are busy"
)
export const databaseStatementTimeout = setting(
  "DATABASE_STATEMENT_TIMEOUT",
  duration,
  "15 seconds",
  "how long a statement may take; migrations take as long as they take"
)
export const databaseIdleTimeout = setting(
  "DATABASE_IDLE_TIMEOUT",
  duration,
  "1 minute",
  "a connection that is not used for so long is closed"
)
export const databaseLifetime = setting(
  "DATABASE_LIFETIME",
  duration,
  "30 minutes",
  "a connection is replaced at this age, give or take a tenth"
)
export const databasePooler = setting(
  "DATABASE_POOLER",
  oneOf("none", "transaction"),
  "none",
  "`transaction` behind a pooler of transactions, such as PgBouncer: no prepared statements, and the role sets the statement timeout"
)
export const databaseCaFile = optional(
  "DATABASE_CA_FILE",
  text("the path of a file"),
  "the authorities to trust, in PEM, for `sslmode=verify-full` in `DATABASE_URL`; without it, those of the system"
)
export const databaseStartupTimeout = setting(
  "DATABASE_STARTUP_TIMEOUT",
  duration,
  "30 seconds",
  "how long to wait for the first connection"
)

export const redisUrl = optional(
  "REDIS_URL",
  secret("redis://USER:PASSWORD@HOST:6379"),
  "processes wake each other through this Redis, not through PostgreSQL, and share their rate limits in it"
)

export const serverHost = setting(
  "SERVER_HOST",
  text("an address or a host name"),
  "0.0.0.0",
  "the address to listen on; `xfchat dev` takes `127.0.0.1` unless it is set"
)
export const serverPort = setting(
  "SERVER_PORT",
  integer(0, 65_535),
  "3000",
  "the port to listen on; 0 for any that is free"
)

export const serverHeadersTimeout = setting(
  "SERVER_HEADERS_TIMEOUT",
  duration,
  "10 seconds",
  "how long the head of a request may take to arrive"
)
export const serverRequestTimeout = setting(
  "SERVER_REQUEST_TIMEOUT",
  duration,
  "30 seconds",
  "how long a request may take to arrive, with its body"
)
export const serverKeepAliveTimeout = setting(
  "SERVER_KEEP_ALIVE_TIMEOUT",
  duration,
  "75 seconds",
  "how long a connection is kept for the next request: longer than a load balancer keeps it"
)
export const serverAnswerTimeout = setting(
  "SERVER_ANSWER_TIMEOUT",
  duration,
  "30 seconds",
  "a connection is closed when its client takes nothing of an answer for so long"
)
export const serverMaxRequests = setting(
  "SERVER_MAX_REQUESTS",
  integer(1, 1_000_000),
  "2000",
  "requests worked on at once, not counting streams, long polls, and bodies on their way; beyond that 503"
)
export const corsOrigins = setting(
  "CORS_ORIGINS",
  origins,
  "none",
  "origins whose scripts may use the API in browsers, such as `https://app.example.com,http://localhost:5173`; `*` for all"
)

export const trustedProxies = optional(
  "TRUSTED_PROXIES",
  networks,
  "proxies whose `X-Forwarded-For` is believed, as addresses and networks: `10.0.0.0/8,2001:db8::1`"
)

export const sessionLifetime = setting("SESSION_LIFETIME", duration, "30 days", "how long a token is good")

export const streamMaxAge = setting(
  "STREAM_MAX_AGE",
  duration,
  "1 hour",
  "how long a stream lives at most, give or take a tenth; its client resumes"
)

export const presenceLease = setting(
  "PRESENCE_LEASE",
  {
    takes: `a duration from "1 second" to "1 day"`,
    schema: duration.schema.check(
      Schema.makeFilter((lease) => Duration.between(lease, { minimum: Duration.seconds(1), maximum: Duration.days(1) }))
    )
  },
  "50 seconds",
  "how long people show as here after the process that they were connected to died"
)

export const devAuthBypass = setting(
  "DEV_AUTH_BYPASS",
  oneOf("0", "1"),
  "0",
  "`1` for development on this machine alone: the header `X-Dev-User` says who asks, without a password"
)

/** Requests a minute: of a user, but for `authentication`, of an address. */
export const rateLimits = {
  authentication: setting(
    "RATE_LIMIT_AUTHENTICATION",
    rate,
    "30",
    "signing up and signing in, a minute and address; `none` for no limit"
  ),
  reading: setting("RATE_LIMIT_READING", rate, "600", "other requests that read, a minute and user"),
  writing: setting("RATE_LIMIT_WRITING", rate, "300", "other requests that write, a minute and user"),
  sending: setting("RATE_LIMIT_SENDING", rate, "300", "messages sent, a minute and user"),
  streaming: setting("RATE_LIMIT_STREAMING", rate, "120", "streams opened and long polls, a minute and user"),
  searching: setting("RATE_LIMIT_SEARCHING", rate, "60", "searches for people, a minute and user")
}

const most = integer(1, 1_000_000_000_000)
const quota = (what: string, about: string) => optional(`QUOTA_${what}_PER_MONTH`, most, about)

/** What a user may use in a calendar month, UTC. */
export const quotas = {
  messagesSent: quota(
    "MESSAGES",
    "most messages of a user in a month, UTC; none if it is not set, as for all of these"
  ),
  conversationsCreated: quota("CONVERSATIONS", "most conversations that a user makes in a month"),
  friendRequests: quota("FRIEND_REQUESTS", "most friend requests of a user in a month"),
  contentBytes: quota("CONTENT_BYTES", "most bytes that a user writes in a month, edits included"),
  requests: quota("REQUESTS", "most requests of a user in a month"),
  streamsOpened: quota("STREAMS", "most streams and long polls of a user in a month"),
  streamMinutes: quota("STREAM_MINUTES", "most minutes of all streams of a user in a month")
}

const levels: Kind<LogLevels> = {
  takes:
    "a level (trace, debug, info, warn, error, off), and after commas levels of modules: info,xfchat/streaming=debug",
  schema: LogLevelsFromString
}

export const logLevel = optional(
  "LOG_LEVEL",
  levels,
  "from which level on there are log lines, `info` unless set; of modules by themselves as in `info,xfchat/database=debug`"
)
export const rustLog = optional("RUST_LOG", levels, "the same, where `LOG_LEVEL` is not set")
export const logFormat = optional(
  "LOG_FORMAT",
  oneOf("json", "pretty"),
  "`json` or `pretty`; unless set, pretty on a terminal and for development, JSON elsewhere"
)
export const otlpEndpoint = optional(
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  url,
  "where traces and logs are sent to by OTLP over HTTP: `http://localhost:4318`"
)
export const otlpHeaders = optional(
  "OTEL_EXPORTER_OTLP_HEADERS",
  headers,
  "headers to send them with, such as `authorization=Bearer%20token`"
)
export const otlpServiceName = setting(
  "OTEL_SERVICE_NAME",
  text("a name"),
  "xfchat",
  "the name that they are sent under"
)

export const adminToken = optional(
  "ADMIN_TOKEN",
  {
    ...secret("a secret of at least 16 characters"),
    schema: Schema.RedactedFromValue(Schema.String.check(Schema.isMinLength(16)))
  },
  "who has it may ask `/api/admin/database`, which is not there without it"
)

/** Fails when any variable is malformed: asked before all else, so that no mistake shows up late. */
export const check: Effect.Effect<void, Config.ConfigError> = Effect.suspend(() =>
  Effect.forEach(variables, (variable) => variable, { discard: true })
)
