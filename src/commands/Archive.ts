import { Data, Effect, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import * as Migrator from "../database/Migrator.ts"

/**
 * The format that `export` writes and `import` reads: one JSON value a line. The first line says what the file is. Each
 * following line is a row as PostgreSQL prints it, with the tables in the order of their foreign keys. The last line counts
 * the rows.
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

/** The tables that an export of everything leaves out, and why. It has all others of the catalog. */
export const leftOut: Readonly<Record<string, string>> = {
  schema_migrations: "the schema is made by the migrations",
  database_incarnation: "it identifies one database",
  sessions: "tokens are valid for one database: everybody signs in again",
  login_attempts: "they are soon forgotten",
  message_terms: "rebuilt from the messages",
  search_progress: "it belongs to message_terms"
}

/** A table of the catalog. */
export const Table = Schema.Struct({
  name: Schema.String,
  /** The members that a row of it has: all columns. */
  members: Schema.Array(Schema.String),
  /** The name, quoted for SQL. */
  source: Schema.String,
  /** The columns that can be written, generated ones excluded, quoted for SQL. */
  columns: Schema.String,
  /** The columns of the primary key, quoted for SQL. */
  primaryKey: Schema.NullOr(Schema.String),
  references: Schema.Array(Schema.String)
})
export type Table = typeof Table.Type

/** Orders tables so that each comes after those that it references; tables that reference each other in a circle, by name. */
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

/** All tables of the schema, including those left out, in the order in which their rows can be written. */
export const catalog = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const find = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Table,
    execute: () => sql`
      SELECT c.relname AS name, quote_ident(c.relname) AS source,
        (SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS members,
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

/** The version of the schema: the id of the newest migration. A file and the database that imports it must agree. */
export const schemaVersion = Effect.map(Migrator.status, (migrations) => String(migrations.at(-1)?.id ?? 0))

/** A file is not an export, is incomplete or does not fit this database. Nothing of it was kept. */
export class ArchiveRefused extends Data.TaggedError("ArchiveRefused")<{ readonly reason: string }> {
  override get message() {
    return `Nothing was imported: ${this.reason}.`
  }
}
