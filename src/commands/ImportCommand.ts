import { Console, Effect, FileSystem, Option, Schema, Stdio, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { SqlClient } from "effect/sql"
import { endIncarnation } from "../database/Incarnations.ts"
import { inTransactionOnce } from "../database/Transaction.ts"
import * as Archive from "./Archive.ts"
import { ArchiveRefused } from "./Archive.ts"
import * as CommandDatabase from "./CommandDatabase.ts"
import { makeProgress } from "./Progress.ts"

/** Rows that go into a table by one statement. */
const batchRows = 2_000
const batchCharacters = 1_000_000

const decodeHead = Schema.decodeUnknownOption(Schema.fromJsonString(Archive.Head))
const decodeLine = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Union([Archive.Row, Archive.End])))

const refuse = (reason: string) => new ArchiveRefused({ reason })

const checkHead = Effect.fnUntraced(function* (line: string) {
  const head = Option.getOrUndefined(decodeHead(line))
  if (head === undefined) return yield* refuse("the first line is not that of an export")
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

/** Refuses a database with rows, of which the import would be no exact copy. */
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
 * Foreign keys that a row can break until a later row is there: within a table, and in a circle of tables. They are
 * checked at the end, and are then as they were.
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
  return sql.unsafe("SET CONSTRAINTS ALL IMMEDIATE").unprepared.pipe(Effect.andThen(alter("NOT DEFERRABLE")))
})

/** Puts the sequences of a table's columns past the rows that have come. */
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

/** Messages and conversations that each come from another side may not fit together. */
const checkLogs = Effect.fnUntraced(function* () {
  const sql = yield* SqlClient.SqlClient
  const [beyond] = yield* sql<{ id: string }>`
    SELECT c.id FROM conversations c JOIN chat_messages m ON m.conversation_id = c.id AND m.version > c.head LIMIT 1`
  if (beyond !== undefined) {
    return yield* refuse(
      `conversation ${beyond.id} is here already, and is behind the file: the two cannot be merged without a gap`
    )
  }
})

/**
 * Messages that came below where search has got to in their conversation have no terms: there it begins again. On an empty
 * database it has not begun. By the primary keys.
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

/** Writes rows as they come, in batches, each of one table. */
const makeWriter = Effect.fnUntraced(function* (tables: ReadonlyArray<Archive.Table>, merge: boolean) {
  const sql = yield* SqlClient.SqlClient
  const progress = makeProgress()
  let written = 0
  let table: Archive.Table | undefined
  let batch: Array<string> = []
  let characters = 0

  const flush = Effect.suspend(() => {
    if (table === undefined || batch.length === 0) return Effect.void
    const { columns, name, primaryKey, source } = table
    const json = `[${batch.join()}]`
    const count = batch.length
    batch = []
    characters = 0
    // The row is PostgreSQL's from end to end: no number and no time goes through JavaScript.
    return sql
      .unsafe(
        `INSERT INTO ${source} (${columns}) OVERRIDING SYSTEM VALUE
         SELECT r.* FROM jsonb_array_elements($1::text::jsonb) AS lines (line),
           LATERAL (SELECT ${columns} FROM jsonb_populate_record(NULL::${source}, line -> 'row')) r
         ${merge ? `ON CONFLICT ${primaryKey === null ? "" : `(${primaryKey})`} DO NOTHING` : ""} RETURNING 1`,
        [json]
      )
      .pipe(
        Effect.tap((rows) => Effect.sync(() => void (written += rows.length))),
        Effect.andThen(progress.add(name, count))
      )
  })

  const add = (name: string, line: string, number: number) =>
    Effect.gen(function* () {
      if (table?.name !== name || batch.length === batchRows || characters > batchCharacters) yield* flush
      if (table?.name !== name) {
        if (table !== undefined) yield* progress.done(table.name)
        table = tables.find((known) => known.name === name)
        if (table === undefined) return yield* refuse(`line ${number} is of a table that is not imported`)
      }
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

const importLines = Effect.fnUntraced(function* <E, R>(lines: Stream.Stream<string, E, R>, merge: boolean) {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* Archive.exported
  // Nobody else writes meanwhile.
  yield* sql.unsafe(`LOCK TABLE ${tables.map(({ source }) => source).join()} IN SHARE ROW EXCLUSIVE MODE`).unprepared
  if (!merge) yield* requireEmpty(tables)
  const restoreForeignKeys = yield* deferForeignKeys(tables)
  const writer = yield* makeWriter(tables, merge)
  let number = 0
  let end: typeof Archive.End.Type | undefined

  yield* Stream.runForEachArray(
    lines,
    Effect.fnUntraced(function* (some) {
      for (const line of some) {
        number += 1
        if (number === 1) {
          yield* checkHead(line)
          continue
        }
        if (end !== undefined) return yield* refuse(`something follows its last line, at line ${number}`)
        const decoded = Option.getOrUndefined(decodeLine(line))
        if (decoded === undefined) return yield* refuse(`line ${number} is not whole, or is none of an export`)
        if ("end" in decoded) end = decoded
        else yield* writer.add(decoded.table, line, number)
      }
    })
  )
  if (end === undefined) {
    return yield* refuse(
      number === 0 ? "the file is empty" : `it was cut off after line ${number}: the last line is missing`
    )
  }
  const counts = yield* writer.end(end.end)
  yield* restoreForeignKeys
  if (merge) yield* checkLogs()
  yield* restartIndexing
  yield* advanceSequences(tables)
  yield* endIncarnation
  return counts
})

const input = Flag.String("input").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription("The file of an export. Without it: standard input"),
  Flag.optional
)

const merge = Flag.Boolean("merge").pipe(
  Flag.withDescription("Into a database with rows: those that are there by their primary key stay as they are"),
  Flag.withDefault(false)
)

export const importCommand = Command.make("import", { input, merge }, ({ input, merge }) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const files = yield* FileSystem.FileSystem
    const stdio = yield* Stdio.Stdio
    const bytes = Option.isSome(input) ? files.stream(input.value) : stdio.stdin
    const { skipped, written } = yield* bytes.pipe(
      Stream.decodeText,
      Stream.splitLines,
      (lines) => importLines(lines, merge),
      inTransactionOnce(sql, "READ COMMITTED READ WRITE")
    )
    yield* Console.log(`Rows imported: ${written}.${merge ? ` There already: ${skipped}.` : ""}`)
  }).pipe(CommandDatabase.explainErrors, CommandDatabase.failsWhenStopped)
).pipe(
  Command.provide(CommandDatabase.layer),
  Command.withDescription(
    "Read an export of everything into an empty database with the same schema (`xfchat migrate up`). All of it in one transaction: a file that is cut off, or that does not fit, changes nothing. Servers wait with what they write until it is over."
  ),
  Command.withExamples([
    { command: "xfchat import --input xfchat.ndjson", description: "Into an empty database" },
    { command: "gunzip -c xfchat.ndjson.gz | xfchat import", description: "From standard input" },
    { command: "xfchat import --merge --input xfchat.ndjson", description: "What is missing of it" }
  ])
)
