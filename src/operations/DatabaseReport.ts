import { Context, DateTime, Effect, Layer, Metric, Schema, Struct } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import * as Migrator from "../database/Migrator.ts"
import * as Metrics from "../platform/Metrics.ts"
import { DatabaseUnavailable } from "../contract/Problem.ts"

/** The most tables in a report: the largest ones. The database of XFChat has far fewer, but may have other tables, too. */
export const maxTables = 100

/** The most characters of a statement in a report: its beginning. */
export const maxStatementLength = 2_000

const Server = Schema.Struct({
  version: Schema.String,
  startedAt: Schema.DateTimeUtcFromDate,
  /** Size of the whole database in bytes. */
  size: Schema.Number,
  /** Connections of all programs to this database, and the most that PostgreSQL accepts. */
  connections: Schema.Number,
  maxConnections: Schema.Number
})

const Table = Schema.Struct({
  name: Schema.String,
  /** Estimated at the last ANALYZE. */
  rows: Schema.Number,
  deadRows: Schema.Number,
  bytes: Schema.Number,
  indexBytes: Schema.Number,
  lastVacuum: Schema.NullOr(Schema.DateTimeUtcFromDate),
  lastAnalyze: Schema.NullOr(Schema.DateTimeUtcFromDate)
})

/** A statement of pg_stat_statements, without values. Times are in milliseconds. */
const SlowStatement = Schema.Struct({
  /** Its beginning: at most {@link maxStatementLength} characters of `length`. */
  statement: Schema.String,
  length: Schema.Number,
  calls: Schema.Number,
  meanTime: Schema.Number,
  totalTime: Schema.Number,
  rows: Schema.Number
})

/** The state of the database, for operators. */
export const DatabaseState = Schema.Struct({
  server: Server,
  /** The connection pool of this process. */
  pool: Schema.Struct({ connections: Schema.Number, running: Schema.Number, waiting: Schema.Number }),
  migrations: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      name: Schema.String,
      state: Schema.String,
      appliedAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
    })
  ),
  /** The largest first, at most {@link maxTables} of `tableCount`. */
  tables: Schema.Array(Table),
  tableCount: Schema.Number,
  /** The statements that took the most time in total; `null` without the extension or the right to read it. */
  slowStatements: Schema.NullOr(Schema.Array(SlowStatement))
})
export type DatabaseState = typeof DatabaseState.Type

export class DatabaseReport extends Context.Service<
  DatabaseReport,
  { readonly read: Effect.Effect<DatabaseState, DatabaseUnavailable> }
>()("xfchat/operations/DatabaseReport") {
  static readonly layer = Layer.effect(
    DatabaseReport,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const findServer = SqlSchema.findOne({
        Request: Schema.Void,
        Result: Server,
        execute: () => sql`
          SELECT current_setting('server_version') AS version, pg_postmaster_start_time() AS "startedAt",
            pg_database_size(current_database()) AS size, current_setting('max_connections')::int AS "maxConnections",
            (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections`
      })

      const findTables = SqlSchema.findAll({
        Request: Schema.Void,
        Result: Schema.Struct({ ...Table.fields, tableCount: Schema.Number }),
        execute: () => sql`
          SELECT c.relname AS name, greatest(c.reltuples, 0)::bigint AS rows, coalesce(s.n_dead_tup, 0) AS "deadRows",
            pg_table_size(c.oid) AS bytes, pg_indexes_size(c.oid) AS "indexBytes",
            greatest(s.last_vacuum, s.last_autovacuum) AS "lastVacuum",
            greatest(s.last_analyze, s.last_autoanalyze) AS "lastAnalyze",
            count(*) OVER () AS "tableCount"
          FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
          WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
          ORDER BY pg_total_relation_size(c.oid) DESC, c.relname LIMIT ${maxTables}`
      })

      const findSlow = SqlSchema.findAll({
        Request: Schema.Void,
        Result: SlowStatement,
        execute: () => sql`
          SELECT left(query, ${maxStatementLength}) AS statement, length(query) AS length, calls, mean_exec_time AS "meanTime", total_exec_time AS "totalTime", rows
          FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
          ORDER BY total_exec_time DESC LIMIT 20`
      })
      const findExtension = SqlSchema.findOne({
        Request: Schema.Void,
        Result: Schema.Struct({ isThere: Schema.Boolean }),
        execute: () => sql`SELECT to_regclass('pg_stat_statements') IS NOT NULL AS "isThere"`
      })
      const slowStatements = Effect.gen(function* () {
        if (!(yield* findExtension()).isThere) return null
        // The extension may not be loaded, or this role may not read it.
        return yield* Effect.catchTag(findSlow(), "SqlError", () => Effect.succeed(null))
      })

      const read = Effect.gen(function* () {
        const migrations = yield* Migrator.status.pipe(
          Effect.provideService(SqlClient.SqlClient, sql),
          Effect.mapError(({ message }) => new DatabaseUnavailable({ detail: message }))
        )
        const tables = yield* findTables()
        return {
          server: yield* findServer(),
          pool: {
            connections: (yield* Metric.value(Metrics.databaseConnections)).value,
            running: (yield* Metric.value(Metrics.databaseRunning)).value,
            waiting: (yield* Metric.value(Metrics.databaseWaiting)).value
          },
          migrations: migrations.map(({ appliedAt, id, name, state }) => ({
            id: `${id}`,
            name,
            state,
            appliedAt: appliedAt === undefined ? null : DateTime.fromDateUnsafe(appliedAt)
          })),
          tables: tables.map((table) => Struct.omit(table, ["tableCount"])),
          tableCount: tables[0]?.tableCount ?? 0,
          slowStatements: yield* slowStatements
        }
      }).pipe(catchDatabaseErrors, Effect.withSpan("DatabaseReport.read"))

      return DatabaseReport.of({ read })
    })
  )
}
