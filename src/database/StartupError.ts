import { Data } from "effect"

/**
 * Why the required database could not be had. Each fails the whole program; its `message` is one plain line that says
 * what to do and never holds the password.
 */
export type StartupError =
  | DatabaseUrlMissing
  | DatabaseUrlMalformed
  | DatabaseUnreachable
  | DatabaseAccessDenied
  | DatabaseMissing
  | DatabaseTooOld
  | CertificateFileUnusable
  | DatabaseCertificateRefused
  | DatabaseTableMissing

/** DATABASE_URL is not in the environment. */
export class DatabaseUrlMissing extends Data.TaggedError("DatabaseUrlMissing") {
  override get message() {
    return "DATABASE_URL is not set: XFChat needs PostgreSQL. Set it to postgresql://USER:PASSWORD@HOST:5432/DATABASE, or run `npx xfchat dev` to try XFChat with an embedded one."
  }
}

/** DATABASE_URL is there but is no PostgreSQL URL. The value is not repeated: it may hold a password. */
export class DatabaseUrlMalformed extends Data.TaggedError("DatabaseUrlMalformed")<{ readonly reason: string }> {
  override get message() {
    return `DATABASE_URL is malformed: ${this.reason}. It must look like postgresql://USER:PASSWORD@HOST:5432/DATABASE, with special characters in the password percent-encoded.`
  }
}

/** There are no certificates where the file with them should be. */
export class CertificateFileUnusable extends Data.TaggedError("CertificateFileUnusable")<{
  readonly file: string
  readonly reason: string
}> {
  override get message() {
    return `The certificates of DATABASE_CA_FILE, ${this.file}, cannot be used (${this.reason}): it must be a file in PEM that XFChat may read.`
  }
}

/** The server is not who it should be, as far as its certificate tells. */
export class DatabaseCertificateRefused extends Data.TaggedError("DatabaseCertificateRefused")<{
  readonly address: string
  readonly reason: string
}> {
  override get message() {
    return `PostgreSQL at ${this.address} has a certificate that cannot be trusted (${this.reason}): set DATABASE_CA_FILE to the certificate of its authority, and the host in DATABASE_URL to the name in its certificate.`
  }
}

/** Nothing answered as PostgreSQL at that address within the time allowed. */
export class DatabaseUnreachable extends Data.TaggedError("DatabaseUnreachable")<{
  readonly address: string
  readonly seconds: number
  readonly reason: string
}> {
  override get message() {
    return `No connection to PostgreSQL at ${this.address} within ${this.seconds} s (${this.reason}). Check that it runs, that host and port in DATABASE_URL are right, and that no firewall is between.`
  }
}

/** PostgreSQL refused the user, the password, or what the user may do. */
export class DatabaseAccessDenied extends Data.TaggedError("DatabaseAccessDenied")<{
  readonly address: string
  readonly username: string
  /** In PostgreSQL's own words, or the driver's. */
  readonly reason: string
}> {
  override get message() {
    return `PostgreSQL at ${this.address} refused user "${this.username}" (${this.reason}): check the user name and the password in DATABASE_URL, pg_hba.conf, and the user's privileges.`
  }
}

/** The server is there, the database is not. */
export class DatabaseMissing extends Data.TaggedError("DatabaseMissing")<{
  readonly address: string
  readonly database: string
}> {
  override get message() {
    return `There is no database "${this.database}" at ${this.address}: create it (createdb "${this.database}") or correct DATABASE_URL.`
  }
}

/** The server is older than what the migrations are written for. */
export class DatabaseTooOld extends Data.TaggedError("DatabaseTooOld")<{ readonly version: string }> {
  override get message() {
    return `PostgreSQL ${this.version} is too old: XFChat needs version 14 or newer.`
  }
}

/** The migrations are recorded as applied, but a table that they make is not there. */
export class DatabaseTableMissing extends Data.TaggedError("DatabaseTableMissing")<{ readonly table: string }> {
  override get message() {
    return `Table "${this.table}" is missing although the migrations are recorded as applied: the database was changed by hand, or DATABASE_URL or its search_path points elsewhere. Restore it from a backup.`
  }
}
