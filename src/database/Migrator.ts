import { Clock, Context, Data, Effect, Predicate } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { logOf } from "../platform/Log.ts"
import { sqlState } from "./DatabaseErrors.ts"
import { insufficientPrivilege, remedyFor } from "./Permissions.ts"
import { load, type Migration, type MigrationFilesInvalid, title } from "./MigrationFile.ts"

const log = logOf("xfchat/database")

/** The reasons why the schema cannot be brought up to date. Each `message` is one line, without any secret. */
export type MigrationError = MigrationFilesInvalid | MigrationFailed | MigrationUnknown | MigrationChanged

/** PostgreSQL refused a step. The step ran in one transaction, which was rolled back. Earlier steps stay. */
export class MigrationFailed extends Data.TaggedError("MigrationFailed")<{
  /** The step that failed: a migration, or the preparation of the history. */
  readonly step: string
  /** PostgreSQL's message, or that the connection was lost. */
  readonly reason: string
  readonly cause?: SqlError.SqlError
}> {
  override get message() {
    return `${this.step} failed: ${this.reason}. Nothing of it was kept: correct the cause and start again.`
  }
}

/** The database records a migration that is not among the files: a newer XFChat ran here, or another program. */
export class MigrationUnknown extends Data.TaggedError("MigrationUnknown")<{
  readonly migration: string
  readonly history: "schema_migrations" | "_sqlx_migrations"
}> {
  override get message() {
    return `The database has migration ${this.migration} (in ${this.history}), which this XFChat does not know: a newer one ran here. Start that version, or revert the migration with it first.`
  }
}

/** A migration's file has changed since it ran. */
export class MigrationChanged extends Data.TaggedError("MigrationChanged")<{ readonly migration: string }> {
  override get message() {
    return `Migration ${this.migration} was changed after it ran on this database: restore its file, and put the change into a new migration.`
  }
}

/** A migration that was run, forward or back. */
export interface MigrationRun {
  readonly id: bigint
  readonly name: string
  readonly durationMs: number
}

/** A migration among the files, in the database, or in both. */
export interface MigrationStatus {
  readonly id: bigint
  readonly name: string
  /** `changed`: applied, but its file has changed since. `unknown`: applied, but there is no file. */
  readonly state: "applied" | "pending" | "changed" | "unknown"
  readonly appliedAt: Date | undefined
}

/** The folder of migrations: `migrations/` at the root of the project unless another is provided. */
export const MigrationsFolder = Context.Reference<string | URL>("xfchat/database/MigrationsFolder", {
  defaultValue: () => new URL("../../migrations/", import.meta.url)
})

const files = Effect.flatMap(Effect.service(MigrationsFolder), load)

interface Recorded {
  readonly id: bigint
  readonly name: string
  readonly checksum: string
  readonly appliedAt: Date
}

/**
 * The migrations of sqlx that made the same tables as our files of the same id. sqlx's 20240105000000 is not among them: ours
 * does more, so it runs, and takes over the tables that sqlx's made.
 */
const adoptable: ReadonlySet<bigint> = new Set([20240101000000n, 20240103000000n, 20240104000000n])
const superseded: ReadonlySet<bigint> = new Set([20240105000000n])

/** How long a step waits for another process's steps, and for a table that is in use. */
const lockTimeout = "10min"

/**
 * Runs one step in a transaction of its own, which holds the lock that all processes take. So a step and its row in the
 * history are committed together, and processes that start at the same time take turns. The lock ends with the transaction,
 * whatever happens to the connection, and needs no second one. Each turn reads the history again.
 *
 * The isolation level is set because a snapshot from before the wait would not show the steps of others. Time limits for
 * statements are meant for requests: a migration has none, and only its waits are bounded.
 */
const turn = <A>(step: Effect.Effect<A, MigrationError | SqlError.SqlError, SqlClient.SqlClient>) =>
  Effect.gen(function* () {
    const sql = (yield* SqlClient.SqlClient).withoutTransforms()
    yield* sql`SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE`
    yield* sql`
      SELECT set_config(name, CASE name WHEN 'lock_timeout' THEN ${lockTimeout} ELSE '0' END, true) FROM pg_settings
      WHERE name IN ('lock_timeout', 'statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`
    yield* sql`SELECT pg_advisory_xact_lock(hashtextextended('xfchat/schema_migrations', 0))`
    return yield* step
  }).pipe(
    (transaction) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(transaction)),
    Effect.catchTag("SqlError", (error) => Effect.fail(failed("Reading or writing the history of migrations", error))),
    Effect.catchTag("MigrationFailed", (error) => Effect.flatMap(withRemedy(error), Effect.fail))
  )

/** Adds the statement that grants the right, if the role lacked one. */
const withRemedy = Effect.fnUntraced(function* (error: MigrationFailed) {
  const cause = error.cause?.reason.cause
  if (sqlState(cause) !== insufficientPrivilege || !(cause instanceof Error)) return error
  const sql = yield* SqlClient.SqlClient
  const [us] = yield* sql<{ role: string; schema: string }>`
    SELECT current_user::text AS role, coalesce(current_schema()::text, 'public') AS schema`.pipe(
    Effect.orElseSucceed(() => [])
  )
  return us === undefined
    ? error
    : new MigrationFailed({
        step: error.step,
        reason: `${error.reason}: as an administrator, ${remedyFor(cause.message, us.role, us.schema).replace(/;$/, "")}, or run \`xfchat migrate up\` as the role that owns the tables`,
        ...(error.cause === undefined ? {} : { cause: error.cause })
      })
})

/**
 * The history in the database. If ours is missing, sqlx's counts. A migration that is adopted from there gets the checksum of
 * our file, since sqlx's is that of another file.
 */
const recorded = Effect.fnUntraced(function* (migrations: ReadonlyArray<Migration>) {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const [exists] = yield* sql<{ ours: boolean; sqlx: boolean }>`
    SELECT to_regclass('schema_migrations') IS NOT NULL AS ours, to_regclass('_sqlx_migrations') IS NOT NULL AS sqlx`
  if (exists?.ours) {
    const rows = yield* sql<{ id: string; name: string; checksum: string; applied_at: Date }>`
      SELECT id::text AS id, name, checksum, applied_at FROM schema_migrations ORDER BY schema_migrations.id`
    const history = rows.map((row): Recorded => ({
      id: BigInt(row.id),
      name: row.name,
      checksum: row.checksum,
      appliedAt: row.applied_at
    }))
    return { history, isNew: false }
  }
  if (!exists?.sqlx) return { history: [], isNew: true }

  const rows = yield* sql<{ id: string; description: string; installed_on: Date; success: boolean }>`
    SELECT version::text AS id, description, installed_on, success FROM _sqlx_migrations ORDER BY version`
  const history: Array<Recorded> = []
  for (const row of rows) {
    const id = BigInt(row.id)
    if (!adoptable.has(id) && !superseded.has(id)) {
      return yield* new MigrationUnknown({ migration: `${id} ${row.description}`, history: "_sqlx_migrations" })
    }
    if (!row.success) {
      return yield* new MigrationFailed({
        step: `Migration ${id} ${row.description} of the former XFChat`,
        reason: `_sqlx_migrations records it as failed; finish or undo its changes by hand, and correct or delete its row there`
      })
    }
    const migration = migrations.find((migration) => migration.id === id)
    if (migration !== undefined && adoptable.has(id)) history.push({ ...migration, appliedAt: row.installed_on })
  }
  return { history, isNew: true }
})

/** The history. It is created, and filled from sqlx's, if it is missing. Fails if it does not agree with the files. */
const history = Effect.fnUntraced(function* (migrations: ReadonlyArray<Migration>) {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const { history, isNew } = yield* recorded(migrations)
  if (isNew) {
    yield* sql`
      CREATE TABLE schema_migrations (
        id BIGINT PRIMARY KEY,
        name TEXT NOT NULL,
        checksum TEXT NOT NULL,
        duration_ms INTEGER NOT NULL,
        applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
      )`
    for (const row of history) {
      yield* sql`
        INSERT INTO schema_migrations (id, name, checksum, duration_ms, applied_at)
        VALUES (${String(row.id)}::text::bigint, ${row.name}, ${row.checksum}, 0, ${row.appliedAt})`
    }
  }
  for (const row of history) {
    const migration = migrations.find(({ id }) => id === row.id)
    if (migration === undefined) {
      return yield* new MigrationUnknown({ migration: title(row), history: "schema_migrations" })
    }
    if (migration.checksum !== row.checksum) return yield* new MigrationChanged({ migration: title(row) })
  }
  return history
})

/**
 * Runs a file. The driver's protocol takes one statement at a time, so PostgreSQL itself splits the file: EXECUTE runs any
 * number of statements, and refuses COMMIT. The quotes contain the checksum, which the file cannot contain.
 */
const execute = Effect.fnUntraced(function* (migration: Migration, way: "up" | "down") {
  const sql = yield* SqlClient.SqlClient
  const block = `$block_${migration.checksum}$`
  const file = `$file_${migration.checksum}$`
  const started = yield* Clock.currentTimeMillis
  yield* sql
    .unsafe(`DO ${block} BEGIN EXECUTE ${file}${migration[way]}${file}; END ${block}`)
    .unprepared.pipe(
      Effect.mapError((error) =>
        failed(`Migration ${title(migration)}${way === "down" ? ", while being reverted," : ""}`, error, migration[way])
      )
    )
  return { id: migration.id, name: migration.name, durationMs: (yield* Clock.currentTimeMillis) - started }
})

/** The rows that this transaction has put into `set_aside`, found by their default time: the start of the transaction. */
const setAside = Effect.gen(function* () {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const [exists] = yield* sql<{ table: boolean }>`SELECT to_regclass('set_aside') IS NOT NULL AS table`
  if (!exists?.table) return []
  return yield* sql<{ source_table: string; reason: string; count: number }>`
    SELECT source_table, reason, count(*)::int AS count FROM set_aside WHERE set_aside_at = now()
    GROUP BY source_table, reason ORDER BY source_table, reason`
})

const logSetAside = Effect.fnUntraced(function* (run: MigrationRun, rows: Effect.Success<typeof setAside>) {
  for (const { source_table, reason, count } of rows) {
    yield* log.warning(`Migration ${title(run)} set aside ${count} of ${source_table}: ${reason} (see table set_aside)`)
  }
})

/**
 * Brings the database up to the newest migration, and returns the migrations that ran. All missing ones run, in the order of
 * their ids, also those older than the newest applied one, since branches are merged in any order. Processes that do this at
 * the same time take turns.
 */
export const migrate: Effect.Effect<ReadonlyArray<MigrationRun>, MigrationError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const migrations = yield* files
    const sql = (yield* SqlClient.SqlClient).withoutTransforms()
    const step = Effect.gen(function* () {
      const applied = new Set((yield* history(migrations)).map(({ id }) => id))
      const next = migrations.find(({ id }) => !applied.has(id))
      if (next === undefined) return undefined
      const run = yield* execute(next, "up")
      yield* sql`
        INSERT INTO schema_migrations (id, name, checksum, duration_ms)
        VALUES (${String(next.id)}::text::bigint, ${next.name}, ${next.checksum}, ${run.durationMs}::int)`
      return { run, rows: yield* setAside }
    })
    const runs: Array<MigrationRun> = []
    for (let done = yield* turn(step); done !== undefined; done = yield* turn(step)) {
      yield* log.info(`Migration ${title(done.run)} applied in ${done.run.durationMs} ms`)
      yield* logSetAside(done.run, done.rows)
      runs.push(done.run)
    }
    return runs
  }
).pipe(Effect.withSpan("Migrator.migrate"))

/**
 * Reverts migrations, the newest first: all those after `to`, or the newest one without `to`. Returns the reverted migrations.
 * Each down file says at its head which data is lost.
 */
export const rollback = Effect.fn("Migrator.rollback")(function* (
  options: { readonly to?: bigint | undefined } = {}
): Effect.fn.Return<ReadonlyArray<MigrationRun>, MigrationError, SqlClient.SqlClient> {
  const migrations = yield* files
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const step = Effect.gen(function* () {
    const newest = (yield* history(migrations)).at(-1)
    const migration = migrations.find(({ id }) => id === newest?.id)
    if (migration === undefined || (options.to !== undefined && migration.id <= options.to)) return undefined
    const run = yield* execute(migration, "down")
    yield* sql`DELETE FROM schema_migrations WHERE id = ${String(migration.id)}::text::bigint`
    return { run, rows: yield* setAside }
  })
  const runs: Array<MigrationRun> = []
  for (let done = yield* turn(step); done !== undefined; done = yield* turn(step)) {
    yield* log.info(`Migration ${title(done.run)} reverted in ${done.run.durationMs} ms`)
    yield* logSetAside(done.run, done.rows)
    runs.push(done.run)
    if (options.to === undefined) break
  }
  return runs
})

/** Every migration in the files or in the database, by id. Changes nothing, and takes no lock. */
export const status: Effect.Effect<ReadonlyArray<MigrationStatus>, MigrationError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const migrations = yield* files
    const { history } = yield* recorded(migrations)
    const inDatabase = new Map(history.map((row) => [row.id, row]))
    const known = migrations.map(({ checksum, id, name }): MigrationStatus => {
      const row = inDatabase.get(id)
      const state = row === undefined ? "pending" : row.checksum === checksum ? "applied" : "changed"
      return { id, name, state, appliedAt: row?.appliedAt }
    })
    const unknown = history
      .filter(({ id }) => !migrations.some((migration) => migration.id === id))
      .map(({ appliedAt, id, name }): MigrationStatus => ({ id, name, state: "unknown", appliedAt }))
    return [...known, ...unknown].sort((a, b) => (a.id < b.id ? -1 : 1))
  }
).pipe(
  Effect.catchTag("SqlError", (error) =>
    Effect.flatMap(withRemedy(failed("Reading the history of migrations", error)), Effect.fail)
  ),
  Effect.withSpan("Migrator.status")
)

/**
 * A refusal in one line: PostgreSQL's own words with their SQLSTATE, and the line of the file if PostgreSQL names one. Its
 * DETAIL is left out, since it quotes rows.
 */
const failed = (step: string, error: SqlError.SqlError, file?: string): MigrationFailed => {
  const cause = error.reason.cause
  const field = (name: string) => {
    const value = Predicate.hasProperty(cause, name) ? cause[name] : undefined
    return Predicate.isString(value) ? value : undefined
  }
  const code = field("code")
  if (code === undefined || error.reason._tag === "ConnectionError") {
    const reason = `the connection to PostgreSQL was lost (${field("message") ?? "unknown"})`
    return new MigrationFailed({ step, reason, cause: error })
  }
  if (code === "55P03") {
    return new MigrationFailed({
      step,
      reason: `another process holds what it needs (waited ${lockTimeout}); see pg_stat_activity and pg_locks for which`,
      cause: error
    })
  }
  const at = field("internalPosition")
  const line =
    file !== undefined && at !== undefined && field("internalQuery") === file
      ? ` at line ${[...file].slice(0, Number(at) - 1).filter((character) => character === "\n").length + 1}`
      : ""
  const words = (field("message") ?? "no reason given").replaceAll(/\s+/g, " ")
  return new MigrationFailed({ step, reason: `PostgreSQL says "${words}"${line} (SQLSTATE ${code})`, cause: error })
}
