import { Duration, Effect, Redacted } from "effect"
import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import type { NetConnectOpts } from "node:net"
import { userInfo } from "node:os"
import type { ConnectionOptions } from "node:tls"
import { Malformed, parseConnectionString, type Parameters } from "./ConnectionString.ts"
import { CertificateFileUnusable, DatabaseUrlMalformed } from "./StartupError.ts"

/** One of the servers that a connection string names. */
export interface Target {
  /** As in libpq: a folder if it begins with a slash, otherwise a name or an address, which a certificate must have. */
  readonly host: string
  readonly connect: NetConnectOpts
}

/** A connection string, decoded. */
export interface DatabaseUrl {
  /** For messages, without the password. */
  readonly address: string
  readonly username: string
  readonly password: Redacted.Redacted | undefined
  readonly database: string
  /** The first host. */
  readonly host: string
  /** The servers to connect to, each if the ones before do not answer. */
  readonly targets: readonly [Target, ...ReadonlyArray<Target>]
  readonly sslmode: SslMode | undefined
  /** libpq's `sslrootcert`. */
  readonly certificateFile: string | undefined
  readonly applicationName: string | undefined
  /** libpq's `options`, such as `-c search_path=chat`. */
  readonly options: string | undefined
  readonly connectTimeout: Duration.Duration | undefined
}

const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const
type SslMode = (typeof sslModes)[number]

const isFolder = (host: string) => host.startsWith("/")

const socketPath = (folder: string, port: number) => `${folder}/.s.PGSQL.${port}`

/** The folders for PostgreSQL's socket: of Debian and Red Hat, then of everybody else. */
const socketFolders = ["/var/run/postgresql", "/tmp"]

/** libpq connects to the socket of this machine if no host is named. */
const defaultHost = (port: number): string =>
  socketFolders.find((folder) => existsSync(socketPath(folder, port))) ?? "localhost"

/** libpq takes the user of the operating system if none is named. */
const systemUser = (): string => {
  try {
    return userInfo().username
  } catch {
    return ""
  }
}

const list = (text: string | undefined): ReadonlyArray<string> => text?.split(",") ?? []

const portOf = (text: string): number => {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new Malformed("its port is not a number from 1 to 65535")
  return port
}

/** The hosts with their ports: one port for each, or one for all. */
const readTargets = (parameters: Parameters): readonly [Target, ...ReadonlyArray<Target>] => {
  const names = list(parameters.get("host"))
  const addresses = list(parameters.get("hostaddr"))
  const ports = list(parameters.get("port"))
  const count = Math.max(names.length, addresses.length, 1)
  if (names.length > 0 && addresses.length > 0 && names.length !== addresses.length) {
    throw new Malformed("it does not have as many hosts as addresses (hostaddr)")
  }
  if (ports.length > 1 && ports.length !== count) throw new Malformed("it does not have as many ports as hosts")
  const target = (index: number): Target => {
    const port = portOf((ports.length > 1 ? ports[index] : ports[0]) || "5432")
    const host = names[index] || addresses[index] || defaultHost(port)
    return {
      host,
      connect: isFolder(host) ? { path: socketPath(host, port) } : { host: addresses[index] || host, port }
    }
  }
  return [target(0), ...Array.from({ length: count - 1 }, (_, index) => target(index + 1))]
}

const addressOf = ({ connect, host }: Target): string => {
  const port = "port" in connect ? connect.port : String(connect.path).replace(/.*\./, "")
  return `${host.includes(":") ? `[${host}]` : host}:${port}`
}

const read = (text: string): DatabaseUrl => {
  const parameters = parseConnectionString(text)
  const targets = readTargets(parameters)
  const username = parameters.get("user") ?? systemUser()
  if (username === "") throw new Malformed("it names no user")
  const password = parameters.get("password")
  const sslmode = sslModes.find((mode) => mode === parameters.get("sslmode"))
  if (sslmode === undefined && parameters.has("sslmode")) {
    throw new Malformed(`its sslmode is not one of ${sslModes.join(", ")}`)
  }
  const timeout = parameters.get("connect_timeout") ?? "0"
  if (!/^\d+$/.test(timeout)) throw new Malformed("its connect_timeout is not a whole number of seconds")
  const wantedSession = parameters.get("target_session_attrs") ?? "any"
  if (!["any", "read-write", "primary"].includes(wantedSession)) {
    throw new Malformed("its target_session_attrs must be any, read-write or primary, since XFChat writes")
  }
  if (targets.length > 1 && wantedSession !== "any") {
    throw new Malformed(
      "it has several hosts and target_session_attrs, and XFChat does not ask which one is the primary"
    )
  }
  return {
    address: targets.map(addressOf).join(),
    username,
    password: password === undefined ? undefined : Redacted.make(password),
    database: parameters.get("dbname") ?? username,
    host: targets[0].host,
    targets,
    sslmode,
    certificateFile: parameters.get("sslrootcert"),
    applicationName: parameters.get("application_name"),
    options: parameters.get("options"),
    connectTimeout: Number(timeout) === 0 ? undefined : Duration.seconds(Number(timeout))
  }
}

/** Reads DATABASE_URL as libpq does, in each of its forms. The error says what is wrong, without quoting the URL. */
export const parseDatabaseUrl = (url: Redacted.Redacted): Effect.Effect<DatabaseUrl, DatabaseUrlMalformed> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(read(Redacted.value(url)))
    } catch (error) {
      return error instanceof Malformed
        ? Effect.fail(new DatabaseUrlMalformed({ reason: error.message }))
        : Effect.die(error)
    }
  })

/** The certificates of the trusted authorities, from a file in PEM. */
const readCertificates = Effect.fnUntraced(function* (file: string) {
  const unusable = (reason: string) => new CertificateFileUnusable({ file, reason })
  const text = yield* Effect.tryPromise({
    try: () => readFile(file, "utf8"),
    catch: (cause) => unusable(cause instanceof Error && "code" in cause ? String(cause.code) : "it cannot be read")
  })
  return text.includes("-----BEGIN CERTIFICATE-----") ? text : yield* unusable("it contains no certificate")
})

/**
 * TLS as libpq's `sslmode` asks for it. `require` encrypts, and verifies the server only if authorities are given.
 * `verify-ca` requires a certificate from one of them, and `verify-full` one for this host. Without given authorities, those of
 * the runtime are trusted. `undefined` leaves it to the driver: `prefer` and `allow` encrypt if the server does.
 */
export const tlsOf = Effect.fnUntraced(function* (
  { certificateFile, host, sslmode }: DatabaseUrl,
  file: string | undefined
): Effect.fn.Return<boolean | ConnectionOptions | undefined, CertificateFileUnusable> {
  // A Unix socket is never encrypted, whatever sslmode says.
  if (isFolder(host)) return false
  const path = file ?? (certificateFile === "system" ? undefined : certificateFile)
  const ca = path === undefined ? {} : { ca: yield* readCertificates(path) }
  switch (sslmode) {
    case undefined:
    case "disable":
      return false
    case "allow":
    case "prefer":
      return undefined
    case "require":
      return path === undefined ? { rejectUnauthorized: false } : { ...ca, checkServerIdentity: () => undefined }
    case "verify-ca":
      return { ...ca, checkServerIdentity: () => undefined }
    case "verify-full":
      return ca
  }
})
