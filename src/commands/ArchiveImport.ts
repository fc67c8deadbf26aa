import { Effect, Option, Schema, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { endIncarnation } from "../database/Incarnations.ts"
import { inTransactionOnce } from "../database/Transaction.ts"
import * as Archive from "./Archive.ts"
import { ArchiveRefused } from "./Archive.ts"
import { ArchiveLines } from "./ArchiveLines.ts"
import { refusalOf } from "./CommandDatabase.ts"
import { Progress } from "./Progress.ts"

/** The most rows, and about the most characters, that one statement writes. */
const batchRows = 2_000
const batchCharacters = 1_000_000

const strict = { onExcessProperty: "error" } as const
const decodeHead = Schema.decodeUnknownOption(Schema.fromJsonString(Archive.Head), strict)
const decodeLine = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Union([Archive.Row, Archive.End])), strict)

const refuse = (reason: string) => new ArchiveRefused({ reason })

/** SQLSTATE classes of errors that come from the rows: bad values, broken constraints, limits of size and depth. */
const isOfRows = (code: string) => /^(21|22|23|54)/.test(code)

/** Refuses rows that PostgreSQL does not accept. `what` names them. */
const refuseUnfit =
  (what: string) =>
  <A, R>(statement: Effect.Effect<A, SqlError.SqlError, R>): Effect.Effect<A, SqlError.SqlError | ArchiveRefused, R> =>
    Effect.mapError(statement, (error) => {
      const refusal = refusalOf(error)
      return refusal !== undefined && isOfRows(refusal.code)
        ? refuse(`${what}: PostgreSQL says "${refusal.text}" (SQLSTATE ${refusal.code})`)
        : error
    })

const checkHead = Effect.fnUntraced(function* (line: string) {
  const head = Option.getOrUndefined(decodeHead(line))
  if (head === undefined) return yield* refuse("its first line is not that of an export")
  if (head.xfchat === "user") return yield* refuse("this is the export of one user, which is not for import")
  if (head.format !== Archive.format)
    return yield* refuse(`its format is ${head.format}, and this XFChat reads ${Archive.format}`)
  const here = yield* Archive.schemaVersion
  if (head.schema !== here) {
    return yield* refuse(
      `it was made at migration ${head.schema}, and this database is at ${here}: import it with the XFChat that made it, then upgrade`
    )
  }
})

/** Refuses a database that has rows: with them, the import would not be an exact copy. */
const requireEmpty = Effect.fnUntraced(function* (tables: ReadonlyArray<Archive.Table>) {
  const sql = yield* SqlClient.SqlClient
  for (const { name, source } of tables) {
    const rows = yield* sql.unsafe(`SELECT FROM ${source} LIMIT 1`)
    if (rows.length > 0) {
      return yield* refuse(
        `the database is not empty (there are rows in ${name}): take an empty one, or add --merge to keep what is there`
      )
    }
  }
})

/**
 * Defers the foreign keys that a row can break until a later row is there: within a table, and in a circle of tables.
 * Returns an effect that checks them and makes them as they were.
 */
const deferForeignKeys = Effect.fnUntraced(function* (tables: ReadonlyArray<Archive.Table>) {
  const sql = yield* SqlClient.SqlClient
  const later = tables.flatMap(({ name, references }, index) =>
    references
      .filter((other) => !tables.slice(0, index).some((table) => table.name === other))
      .map((other) => ({ name, other }))
  )
  const constraints = yield* sql<{ table: string; name: string }>`
    SELECT quote_ident(c.relname) AS table, quote_ident(k.conname) AS name
    FROM jsonb_to_recordset(${JSON.stringify(later)}::text::jsonb) AS later (name text, other text)
    JOIN pg_class c ON c.relname = later.name AND c.relnamespace = current_schema()::regnamespace
    JOIN pg_class o ON o.relname = later.other AND o.relnamespace = current_schema()::regnamespace
    JOIN pg_constraint k ON k.conrelid = c.oid AND k.confrelid = o.oid AND k.contype = 'f' AND NOT k.condeferrable`
  const alter = (how: string) =>
    Effect.forEach(
      constraints,
      ({ name, table }) => sql.unsafe(`ALTER TABLE ${table} ALTER CONSTRAINT ${name} ${how}`).unprepared,
      { discard: true }
    )
  yield* alter("DEFERRABLE INITIALLY DEFERRED")
  return sql
    .unsafe("SET CONSTRAINTS ALL IMMEDIATE")
    .unprepared.pipe(refuseUnfit("its rows refer to others that it lacks"), Effect.andThen(alter("NOT DEFERRABLE")))
})

/** Advances the sequences of the tables past the imported rows. */
const advanceSequences = Effect.fnUntraced(function* (tables: ReadonlyArray<Archive.Table>) {
  const sql = yield* SqlClient.SqlClient
  const sequences = yield* sql<{ source: string; column: string; sequence: string }>`
    SELECT source, quote_ident(a.attname) AS column, pg_get_serial_sequence(source, a.attname) AS sequence
    FROM unnest(${tables.map(({ source }) => source)}::text[]) AS source
    JOIN pg_attribute a ON a.attrelid = source::regclass AND a.attnum > 0 AND NOT a.attisdropped
    WHERE pg_get_serial_sequence(source, a.attname) IS NOT NULL`
  for (const { column, sequence, source } of sequences) {
    yield* sql.unsafe(
      `SELECT setval($1::text::regclass, greatest(max(${column}), (SELECT last_value FROM ${sequence}))) FROM ${source}
       HAVING count(*) > 0`,
      [sequence]
    )
  }
})

/** Refuses messages beyond the head of their conversation: the next message would take their position. */
const checkLogs = Effect.fnUntraced(function* (merge: boolean) {
  const sql = yield* SqlClient.SqlClient
  const [beyond] = yield* sql<{ id: string }>`
    SELECT c.id FROM conversations c JOIN chat_messages m ON m.conversation_id = c.id AND m.version > c.head LIMIT 1`
  if (beyond === undefined) return
  return yield* refuse(
    merge
      ? `conversation ${beyond.id} is here already, and is behind the file: the two cannot be merged without a gap`
      : `conversation ${beyond.id} has messages beyond its head`
  )
})

/**
 * Restarts the search index of each conversation that got messages in the part that is already indexed. In an empty database
 * nothing is indexed yet. By the primary keys.
 */
const restartIndexing = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`
    DELETE FROM search_progress s WHERE EXISTS (
      SELECT FROM chat_messages m
      LEFT JOIN message_terms t ON t.conversation_id = m.conversation_id AND t.seq = m.seq
      WHERE m.conversation_id = s.conversation_id AND m.seq > s.indexed_from AND m.seq <= s.indexed_to
        AND m.message_type = 'text' AND m.deleted_at IS NULL AND t.seq IS NULL)`
)

/** Writes rows in batches, each for one table. */
const makeWriter = Effect.fnUntraced(function* (tables: ReadonlyArray<Archive.Table>, merge: boolean) {
  const sql = yield* SqlClient.SqlClient
  const progress = new Progress()
  let written = 0
  let table: Archive.Table | undefined
  let members: ReadonlySet<string> = new Set()
  let batch: Array<string> = []
  let characters = 0
  let first = 0
  let last = 0

  const flush = Effect.suspend(() => {
    if (table === undefined || batch.length === 0) return Effect.void
    const { columns, name, primaryKey, source } = table
    const json = `[${batch.join()}]`
    const count = batch.length
    batch = []
    characters = 0
    // PostgreSQL reads its own text: no number and no time goes through JavaScript.
    return sql
      .unsafe(
        `INSERT INTO ${source} (${columns}) OVERRIDING SYSTEM VALUE
         SELECT r.* FROM jsonb_array_elements($1::text::jsonb) AS lines (line),
           LATERAL (SELECT ${columns} FROM jsonb_populate_record(NULL::${source}, line -> 'row')) r
         ${merge ? `ON CONFLICT ${primaryKey === null ? "" : `(${primaryKey})`} DO NOTHING` : ""} RETURNING 1`,
        [json]
      )
      .pipe(
        refuseUnfit(`its rows of ${name} in lines ${first} to ${last} do not fit`),
        Effect.tap((rows) => Effect.sync(() => void (written += rows.length))),
        Effect.andThen(progress.add(name, count))
      )
  })

  const add = Effect.fnUntraced(function* (
    { row, table: name }: typeof Archive.Row.Type,
    line: string,
    number: number
  ) {
    if (table?.name !== name || batch.length === batchRows || characters > batchCharacters) yield* flush
    if (table?.name !== name) {
      if (table !== undefined) yield* progress.done(table.name)
      table = tables.find((known) => known.name === name)
      if (table === undefined) return yield* refuse(`line ${number} is of a table that is not imported`)
      members = new Set(table.members)
    }
    const unknown = Object.keys(row).find((member) => !members.has(member))
    if (unknown !== undefined) return yield* refuse(`line ${number} has a member that ${name} does not have`)
    const missing = table.members.find((member) => !Object.hasOwn(row, member))
    if (missing !== undefined) return yield* refuse(`line ${number} lacks the member ${missing} of ${name}`)
    if (batch.length === 0) first = number
    last = number
    batch.push(line)
    characters += line.length
  })

  const end = Effect.fnUntraced(function* (expected: Readonly<Record<string, number>>) {
    yield* flush
    if (table !== undefined) yield* progress.done(table.name)
    const names = new Set([...Object.keys(expected), ...Object.keys(progress.counts)])
    const wrong = [...names].find((name) => (expected[name] ?? 0) !== (progress.counts[name] ?? 0))
    if (wrong !== undefined) {
      return yield* refuse(
        `its last line counts ${expected[wrong] ?? 0} rows of ${wrong}, but there are ${progress.counts[wrong] ?? 0}`
      )
    }
    const read = Object.values(progress.counts).reduce((sum, count) => sum + count, 0)
    return { written, skipped: read - written }
  })

  return { add, end }
})

const importLines = Effect.fnUntraced(function* <E, R>(bytes: Stream.Stream<Uint8Array, E, R>, merge: boolean) {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* Archive.exported
  // Nobody else writes meanwhile.
  yield* sql.unsafe(`LOCK TABLE ${tables.map(({ source }) => source).join()} IN SHARE ROW EXCLUSIVE MODE`).unprepared
  if (!merge) yield* requireEmpty(tables)
  const restoreForeignKeys = yield* deferForeignKeys(tables)
  const writer = yield* makeWriter(tables, merge)
  const lines = new ArchiveLines()
  let number = 0
  let end: typeof Archive.End.Type | undefined

  const read = Effect.fnUntraced(function* (some: ReadonlyArray<string>) {
    for (const line of some) {
      number += 1
      if (number === 1) {
        yield* checkHead(line)
        continue
      }
      if (end !== undefined) return yield* refuse(`something follows its last line, at line ${number}`)
      const decoded = Option.getOrUndefined(decodeLine(line))
      if (decoded === undefined) return yield* refuse(`line ${number} is incomplete, or is not a row of an export`)
      if ("end" in decoded) end = decoded
      else yield* writer.add(decoded, line, number)
    }
  })
  yield* Stream.runForEach(bytes, (some) => Effect.flatMap(lines.push(some), read))
  yield* Effect.flatMap(lines.end(), read)

  if (end === undefined) {
    return yield* refuse(
      number === 0 ? "the file is empty" : `it was cut off after line ${number}: the last line is missing`
    )
  }
  const counts = yield* writer.end(end.end)
  yield* restoreForeignKeys
  yield* checkLogs(merge)
  yield* restartIndexing
  yield* advanceSequences(tables)
  yield* endIncarnation
  return counts
})

/**
 * Imports the bytes of an export in one transaction: a file that is refused, or an import that is killed, leaves nothing.
 * Returns how many rows were written, and how many were there already.
 */
export const importArchive = Effect.fnUntraced(function* <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  merge: boolean
) {
  const sql = yield* SqlClient.SqlClient
  return yield* importLines(bytes, merge).pipe(inTransactionOnce(sql, "READ COMMITTED READ WRITE"))
})
