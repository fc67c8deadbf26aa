import { Data } from "effect"

/**
 * The reasons why the required database cannot be used. Each ends the whole program. Its `message` is one line that says what
 * to do and never contains the password.
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
  | DatabaseRightMissing
  | SchemaMissing
  | SchemaNotTrusted

/** DATABASE_URL is not in the environment. */
export class DatabaseUrlMissing extends Data.TaggedError("DatabaseUrlMissing") {
  override get message() {
    return "DATABASE_URL is not set: XFChat needs PostgreSQL. Set it to postgresql://USER:PASSWORD@HOST:5432/DATABASE, or run `npx xfchat dev` to try XFChat with an embedded one."
  }
}

/** DATABASE_URL is not a connection string. The message does not quote it, since it may contain a password. */
export class DatabaseUrlMalformed extends Data.TaggedError("DatabaseUrlMalformed")<{ readonly reason: string }> {
  override get message() {
    return `DATABASE_URL is malformed: ${this.reason}. It must look like postgresql://USER:PASSWORD@HOST:5432/DATABASE, with special characters in the password percent-encoded.`
  }
}

/** The file with the certificates is missing, cannot be read, or contains none. */
export class CertificateFileUnusable extends Data.TaggedError("CertificateFileUnusable")<{
  readonly file: string
  readonly reason: string
}> {
  override get message() {
    return `The certificates of DATABASE_CA_FILE, ${this.file}, cannot be used (${this.reason}): it must be a file in PEM that XFChat may read.`
  }
}

/** The certificate does not prove that the server is the right one. */
export class DatabaseCertificateRefused extends Data.TaggedError("DatabaseCertificateRefused")<{
  readonly address: string
  readonly reason: string
}> {
  override get message() {
    return `PostgreSQL at ${this.address} has a certificate that cannot be trusted (${this.reason}): set DATABASE_CA_FILE to the certificate of its authority, and the host in DATABASE_URL to the name in its certificate.`
  }
}

/** No PostgreSQL answered at that address in time. */
export class DatabaseUnreachable extends Data.TaggedError("DatabaseUnreachable")<{
  readonly address: string
  readonly seconds: number
  readonly reason: string
}> {
  override get message() {
    return `No connection to PostgreSQL at ${this.address} within ${this.seconds} s (${this.reason}). Check that it runs, that the host and the port in DATABASE_URL are right, and that no firewall is in between.`
  }
}

/** PostgreSQL refused the user or the password, or the user lacks a privilege. */
export class DatabaseAccessDenied extends Data.TaggedError("DatabaseAccessDenied")<{
  readonly address: string
  readonly username: string
  /** PostgreSQL's own words, or the driver's. */
  readonly reason: string
}> {
  override get message() {
    return `PostgreSQL at ${this.address} refused user "${this.username}" (${this.reason}): check the user name and the password in DATABASE_URL, pg_hba.conf, and the user's privileges.`
  }
}

/** The server answers, but the database does not exist. */
export class DatabaseMissing extends Data.TaggedError("DatabaseMissing")<{
  readonly address: string
  readonly database: string
}> {
  override get message() {
    return `There is no database "${this.database}" at ${this.address}: create it (createdb "${this.database}") or correct DATABASE_URL.`
  }
}

/** The server is older than the version that the migrations need. */
export class DatabaseTooOld extends Data.TaggedError("DatabaseTooOld")<{ readonly version: string }> {
  override get message() {
    return `PostgreSQL ${this.version} is too old: XFChat needs version 14 or newer.`
  }
}

/** The migrations are recorded as applied, but a table that they create is missing. */
export class DatabaseTableMissing extends Data.TaggedError("DatabaseTableMissing")<{ readonly table: string }> {
  override get message() {
    return `Table "${this.table}" is missing although the migrations are recorded as applied: the database was changed by hand, or DATABASE_URL or its search_path points elsewhere. Restore it from a backup.`
  }
}

/** The user of DATABASE_URL lacks a right that XFChat needs. */
export class DatabaseRightMissing extends Data.TaggedError("DatabaseRightMissing")<{
  readonly username: string
  readonly reason: string
  /** The statement that grants the right. */
  readonly remedy: string
}> {
  override get message() {
    return `User "${this.username}" of PostgreSQL lacks a right (${this.reason}). As an administrator: ${this.remedy}`
  }
}

/** No schema of the search path exists and may be used. */
export class SchemaMissing extends Data.TaggedError("SchemaMissing")<{ readonly role: string }> {
  override get message() {
    return `User "${this.role}" of PostgreSQL may use no schema of its search_path. As an administrator of the database: GRANT USAGE, CREATE ON SCHEMA public TO "${this.role}";`
  }
}

/** Another role can have XFChat run its code. */
export class SchemaNotTrusted extends Data.TaggedError("SchemaNotTrusted")<{
  readonly schema: string
  readonly reason: string
  readonly remedy: string
}> {
  override get message() {
    return `Schema "${this.schema}" is not safe: ${this.reason}, and could have XFChat run its code. As an administrator of the database: ${this.remedy}`
  }
}
