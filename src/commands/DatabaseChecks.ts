import * as PgClient from "@effect/sql-pg/PgClient"
import { Clock, Duration, Effect, Queue } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import { requiredTables, tablesWithoutRights } from "../database/Database.ts"
import { title } from "../database/MigrationFile.ts"
import * as Migrator from "../database/Migrator.ts"

/** The result of a check. `fail`: a server would not start, or not work well. `warn`: it works, for now. */
export interface Finding {
  readonly level: "ok" | "warn" | "fail"
  /** The finding and, unless that is fine, what to do. */
  readonly text: string
}

export const ok = (text: string): Finding => ({ level: "ok", text })
export const warn = (text: string): Finding => ({ level: "warn", text })
export const fail = (text: string): Finding => ({ level: "fail", text })

type Check = Effect.Effect<Finding, SqlError.SqlError | Migrator.MigrationError, SqlClient.SqlClient>

/** The only row of a query. */
const one = Effect.fnUntraced(function* <Row extends object>(
  query: (sql: SqlClient.SqlClient) => Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>
) {
  const [row] = yield* query(yield* SqlClient.SqlClient)
  return row ?? (yield* Effect.die(new Error("A query that returns one row returned none")))
})

const version: Check = Effect.map(
  one((sql) => sql<{ version: string }>`SELECT current_setting('server_version') AS version`),
  ({ version }) => ok(`PostgreSQL ${version}`)
)

const isLocal = (host: string) => host.startsWith("/") || /^(localhost|127\.|::1$)/.test(host)

const tls = (host: string): Check =>
  Effect.map(
    one(
      (sql) => sql<{ version: string | null }>`
      SELECT (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS version`
    ),
    ({ version }) =>
      version !== null
        ? ok(`encrypted by ${version}`)
        : isLocal(host)
          ? ok("not encrypted, and on this machine")
          : warn("passwords and messages cross the network in the clear: add ?sslmode=verify-full to DATABASE_URL")
  )

const migrations: Check = Effect.map(Migrator.status, (known) => {
  const of = (state: Migrator.MigrationStatus["state"]) => known.filter((migration) => migration.state === state)
  const [wrong] = [...of("unknown"), ...of("changed")]
  if (wrong !== undefined) {
    return fail(
      wrong.state === "unknown"
        ? `${title(wrong)} is unknown: a newer XFChat ran here. Start that version, or revert the migration with it`
        : `${title(wrong)} was changed after it ran: restore its file`
    )
  }
  const pending = of("pending").length
  return pending > 0
    ? warn(
        `${pending} of ${known.length} are pending: \`xfchat migrate up\` applies them, and so does a server that starts`
      )
    : ok(`all ${known.length} are applied`)
})

const tables: Check = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const missing = yield* sql<{ name: string }>`
    SELECT name FROM unnest(${requiredTables}::text[]) AS name WHERE to_regclass(name) IS NULL`
  const names = missing.map(({ name }) => name).join(", ")
  if (missing.length === 0) {
    const lacking = yield* tablesWithoutRights
    if (lacking !== undefined) return fail(lacking.message)
    const { users } = yield* one((sql) => sql<{ users: number }>`SELECT count(*) AS users FROM users`)
    return ok(`all are there, with ${users} users`)
  }
  const isMade = (yield* Migrator.status).every(({ state }) => state !== "pending")
  return isMade
    ? fail(`${names}: missing, although the migrations are applied. Restore from a backup, or correct DATABASE_URL`)
    : warn(`${names}: not there yet, \`xfchat migrate up\` makes them`)
})

const indexes: Check = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const invalid = yield* sql<{ name: string }>`
    SELECT i.indexrelid::regclass::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND NOT (i.indisvalid AND i.indisready) ORDER BY 1`
  return invalid.length === 0
    ? ok("all are valid")
    : fail(`not valid: ${invalid.map(({ name }) => `REINDEX INDEX CONCURRENTLY ${name};`).join(" ")}`)
})

/** Milliseconds. Clocks that a time server sets differ by less. */
const mostDifference = 1_000

const clock: Check = Effect.gen(function* () {
  const before = yield* Clock.currentTimeMillis
  const { now } = yield* one(
    (sql) => sql<{ now: number }>`
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`
  )
  const after = yield* Clock.currentTimeMillis
  // The database read its clock at some moment in between.
  const difference = now < before ? now - before : now > after ? now - after : 0
  return Math.abs(difference) <= mostDifference
    ? ok(`within ${Math.ceil(Math.abs(difference))} ms of the database's`)
    : warn(
        `${(Math.abs(difference) / 1000).toFixed(1)} s ${difference < 0 ? "ahead of" : "behind"} the database's: synchronise both with a time server`
      )
})

const encoding: Check = Effect.gen(function* () {
  const found = yield* one(
    (sql) => sql<{ encoding: string; locale: string; version: number }>`
    SELECT pg_encoding_to_char(encoding) AS encoding, datcollate AS locale,
      current_setting('server_version_num')::int AS version
    FROM pg_database WHERE datname = current_database()`
  )
  if (found.encoding !== "UTF8") {
    return fail(`the database is in ${found.encoding}, and messages are in all scripts: make one with ENCODING 'UTF8'`)
  }
  // PostgreSQL knows since 15 by which version of the locale a database was sorted.
  const { isOther } =
    found.version < 150_000
      ? { isOther: false }
      : yield* one(
          (sql) => sql<{ isOther: boolean }>`
          SELECT coalesce(datcollversion <> pg_database_collation_actual_version(oid), false) AS "isOther"
          FROM pg_database WHERE datname = current_database()`
        )
  return isOther
    ? fail(
        "the system's locale has changed since the indexes were made, which may miss rows: REINDEX DATABASE, then ALTER DATABASE … REFRESH COLLATION VERSION"
      )
    : ok(`UTF8, ${found.locale}`)
})

const connections = Effect.fnUntraced(function* (wanted: number) {
  const { most, used } = yield* one(
    (sql) => sql<{ most: number; used: number }>`
    SELECT least(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)) AS most,
      (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS used`
  )
  if (wanted > most) {
    return fail(
      `a server takes up to ${wanted}, and PostgreSQL gives ${most}: lower DATABASE_MAX_CONNECTIONS, or raise max_connections`
    )
  }
  const said = `a server takes up to ${wanted} of ${most}, of which ${used} are in use`
  return wanted > most - used ? warn(`${said}: there may not be enough for one more`) : ok(said)
})

const durability: Check = Effect.map(
  one(
    (sql) => sql<{ off: string }>`
    SELECT coalesce(string_agg(name, ', ' ORDER BY name), '') AS off FROM pg_settings
    WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'`
  ),
  ({ off }) =>
    off === ""
      ? ok("acknowledged messages survive a crash")
      : warn(`${off} off: a crash loses messages that were acknowledged. Turn it on where it is not only a trial`)
)

const statements: Check = Effect.map(
  one(
    (sql) => sql<{ there: boolean }>`
    SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements')
      AND current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%' AS there`
  ),
  ({ there }) =>
    there
      ? ok("slow statements can be seen")
      : warn(
          "not there, so that slow statements cannot be seen: add it to shared_preload_libraries, and CREATE EXTENSION pg_stat_statements"
        )
).pipe(
  // Only some may look at shared_preload_libraries.
  Effect.catchTag("SqlError", () =>
    Effect.succeed(warn("cannot be seen by this user: GRANT pg_read_all_settings to it"))
  )
)

const patience = Duration.seconds(5)

const notify = (hasRedis: boolean) =>
  Effect.gen(function* () {
    const pg = yield* PgClient.PgClient
    const channel = `xfchat_doctor_${randomUUID().replaceAll("-", "")}`
    const received = yield* Effect.gen(function* () {
      const notifications = yield* pg.listen(channel)
      yield* pg.notify(channel, "doctor")
      return yield* Queue.take(notifications)
    }).pipe(
      Effect.scoped,
      Effect.timeoutOption(patience),
      Effect.catch(() => Effect.succeedNone)
    )
    if (received._tag === "Some") return ok("a notification came back")
    const said = `none came back within ${Duration.format(patience)}, as behind a pooler of transactions`
    return hasRedis
      ? warn(`${said}: changes go through Redis instead`)
      : fail(`${said}: connect to PostgreSQL itself or to a pooler of sessions, or set REDIS_URL`)
  })

const setAside: Check = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { there } = yield* one((sql) => sql<{ there: boolean }>`SELECT to_regclass('set_aside') IS NOT NULL AS there`)
  const rows = there
    ? yield* sql<{ count: number; source: string }>`
    SELECT count(*) AS count, source_table AS source FROM set_aside GROUP BY source_table ORDER BY source_table`
    : []
  return rows.length === 0
    ? ok("nothing was set aside by an upgrade")
    : warn(
        `an upgrade could not place ${rows.map(({ count, source }) => `${count} of ${source}`).join(", ")}: see the reasons in table set_aside, and empty it when that is settled`
      )
})

/** The checks of a database that accepts connections, in order. */
export const databaseChecks = (host: string, connectionsWanted: number, hasRedis: boolean) => ({
  version,
  TLS: tls(host),
  encoding,
  migrations,
  tables,
  indexes,
  "set aside": setAside,
  clock,
  connections: connections(connectionsWanted),
  durability,
  "LISTEN/NOTIFY": notify(hasRedis),
  pg_stat_statements: statements
})
