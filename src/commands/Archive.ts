import { Data, Effect, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import * as Migrator from "../database/Migrator.ts"

/**
 * What is written by `export` and read by `import`: JSON, one value a line. The first says what it is, then each line is a
 * row as PostgreSQL writes it, the tables in the order of their foreign keys, and the last says how many there were.
 */
export const format = 1

export const Head = Schema.Struct({
  xfchat: Schema.Literals(["everything", "user"]),
  format: Schema.Int,
  /** The newest migration. */
  schema: Schema.String,
  exportedAt: Schema.String
})

export const Row = Schema.Struct({ table: Schema.String, row: Schema.Record(Schema.String, Schema.Unknown) })

export const End = Schema.Struct({ end: Schema.Record(Schema.String, Schema.Int) })

/** Tables that an export of everything leaves out, and why. All others that the catalog knows are exported. */
export const leftOut: Readonly<Record<string, string>> = {
  schema_migrations: "the schema is made by the migrations",
  database_incarnation: "it is that of one database",
  sessions: "tokens are good for one database: everybody signs in again",
  login_attempts: "they are forgotten soon",
  message_terms: "made again from the messages",
  search_progress: "of message_terms"
}

/** A table, as the catalog knows it. What goes into SQL is quoted there. */
export const Table = Schema.Struct({
  name: Schema.String,
  source: Schema.String,
  /** Those that hold values of their own: generated columns do not. */
  columns: Schema.String,
  primaryKey: Schema.NullOr(Schema.String),
  references: Schema.Array(Schema.String)
})
export type Table = typeof Table.Type

/** No table comes before one that it references, as far as that is possible: where they do in a circle, by name. */
export const inOrder = (tables: ReadonlyArray<Table>): ReadonlyArray<Table> => {
  const ordered: Array<Table> = []
  let waiting = tables.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  while (waiting.length > 0) {
    const isFree = ({ name, references }: Table) =>
      references.every((other) => other === name || !waiting.some((table) => table.name === other))
    const free = waiting.filter(isFree)
    const next = free.length > 0 ? free : waiting.slice(0, 1)
    ordered.push(...next)
    waiting = waiting.filter((table) => !next.includes(table))
  }
  return ordered
}

/** All tables of the schema, those left out included, in the order in which their rows can be written. */
export const catalog = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const find = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Table,
    execute: () => sql`
      SELECT c.relname AS name, quote_ident(c.relname) AS source,
        (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns,
        (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY array_position(i.indkey::int2[], a.attnum))
         FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
         WHERE i.indrelid = c.oid AND i.indisprimary) AS "primaryKey",
        coalesce((SELECT jsonb_agg(DISTINCT r.relname) FROM pg_constraint k JOIN pg_class r ON r.oid = k.confrelid
          WHERE k.conrelid = c.oid AND k.contype = 'f'), '[]') AS references
      FROM pg_class c
      WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')`
  })
  return inOrder(yield* find())
})

/** The tables of an export of everything. */
export const exported = Effect.map(catalog, (tables) => tables.filter(({ name }) => leftOut[name] === undefined))

/** The schema that a file has, or a database must have: the id of the newest migration. */
export const schemaVersion = Effect.map(Migrator.status, (migrations) => String(migrations.at(-1)?.id ?? 0))

/** A file is not what `import` takes, or not whole. Nothing was kept of it. */
export class ArchiveRefused extends Data.TaggedError("ArchiveRefused")<{ readonly reason: string }> {
  override get message() {
    return `Nothing was imported: ${this.reason}.`
  }
}
