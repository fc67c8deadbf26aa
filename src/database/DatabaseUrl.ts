import { Effect, Redacted } from "effect"
import { readFile } from "node:fs/promises"
import type { NetConnectOpts } from "node:net"
import type { ConnectionOptions } from "node:tls"
import { CertificateFileUnusable, DatabaseUrlMalformed } from "./StartupError.ts"

/** What a URL says, without the password: also for messages. */
export interface DatabaseUrl {
  /** For people. */
  readonly address: string
  readonly username: string
  readonly database: string
  /** A folder where it begins with a slash, as libpq has it. */
  readonly host: string
  readonly port: number
  readonly sslmode: SslMode | undefined
  /** libpq's `sslrootcert`. */
  readonly certificateFile: string | undefined
}

const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const
type SslMode = (typeof sslModes)[number]

/** Reads a URL as libpq does, and says what is wrong with it without repeating it. */
export const parseDatabaseUrl = Effect.fnUntraced(function* (
  url: Redacted.Redacted
): Effect.fn.Return<DatabaseUrl, DatabaseUrlMalformed> {
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
        host: parameter("host") ?? decodeURIComponent(parsed.hostname).replace(/^\[(.*)\]$/, "$1"),
        port: parameter("port") ?? (parsed.port || "5432"),
        username,
        database: parameter("dbname") ?? (decodeURIComponent(parsed.pathname.slice(1)) || username)
      }
    },
    catch: () => malformed("it has a broken percent-encoding")
  })
  if (!target.host) return yield* malformed("it names no host")
  if (!target.username) return yield* malformed("it names no user")
  const port = /^\d{1,5}$/.test(target.port) ? Number(target.port) : 0
  if (port < 1 || port > 65_535) return yield* malformed("its port is not from 1 to 65535")
  const sslmode = sslModes.find((mode) => mode === parameter("sslmode"))
  if (sslmode === undefined && parameter("sslmode") !== null) {
    return yield* malformed(`its sslmode is none of ${sslModes.join(", ")}`)
  }
  if (!/^\d+$/.test(parameter("connect_timeout") ?? "0")) {
    return yield* malformed("its connect_timeout is not a whole number of seconds")
  }
  const { database, host, username } = target
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`
  return { address, username, database, host, port, sslmode, certificateFile: parameter("sslrootcert") ?? undefined }
})

/** Where a socket goes to: also for a folder, in which PostgreSQL has its own. */
export const targetOf = ({ host, port }: DatabaseUrl): NetConnectOpts =>
  host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port }

/** The certificates of the authorities that are trusted, from a file in PEM. */
const readCertificates = Effect.fnUntraced(function* (file: string) {
  const unusable = (reason: string) => new CertificateFileUnusable({ file, reason })
  const text = yield* Effect.tryPromise({
    try: () => readFile(file, "utf8"),
    catch: (cause) => unusable(cause instanceof Error && "code" in cause ? String(cause.code) : "it cannot be read")
  })
  return text.includes("-----BEGIN CERTIFICATE-----") ? text : yield* unusable("there is no certificate in it")
})

/**
 * TLS as libpq's `sslmode` has it: `require` encrypts, and asks nobody who the server is unless authorities are given;
 * `verify-ca` wants a certificate of theirs, `verify-full` one for this host. Without authorities of one's own, those of
 * the runtime count. `undefined` leaves it to the driver: `prefer` and `allow` encrypt if the server does.
 */
export const tlsOf = Effect.fnUntraced(function* (
  { certificateFile, sslmode }: DatabaseUrl,
  file: string | undefined
): Effect.fn.Return<boolean | ConnectionOptions | undefined, CertificateFileUnusable> {
  const path = file ?? certificateFile
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
