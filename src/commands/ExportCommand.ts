import { Console, Data, DateTime, Effect, FileSystem, Option, Stdio, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { SqlClient, type SqlError } from "effect/sql"
import { folded } from "../database/FoldedName.ts"
import { foldLogin, type UserId } from "../contract/Account.ts"
import { NoSuchAccount } from "../auth/NoSuchAccount.ts"
import { inTransactionOnce } from "../database/Transaction.ts"
import * as Archive from "./Archive.ts"
import * as CommandDatabase from "./CommandDatabase.ts"
import { Progress } from "./Progress.ts"
import { ofUser } from "../accounts/UserExport.ts"

/** The rows of a table, in order, each as the text of a JSON object. */
interface Rows {
  readonly table: string
  readonly rows: Stream.Stream<{ readonly row: string }, SqlError.SqlError>
}

const rowsOfEverything = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return (yield* Archive.exported).map(({ name, primaryKey, source }): Rows => {
    const order = primaryKey === null ? "" : `ORDER BY ${primaryKey}`
    return {
      table: name,
      rows: sql.unsafe<{ row: string }>(`SELECT to_jsonb(t)::text AS row FROM ${source} t ${order}`).stream
    }
  })
})

const rowsOfUser = Effect.fnUntraced(function* (username: string) {
  const sql = yield* SqlClient.SqlClient
  // By users_username_key.
  const [user] = yield* sql<{ id: UserId }>`
    SELECT id FROM users WHERE ${sql.literal(folded("username"))} = ${foldLogin(username)} AND deleted_at IS NULL`
  if (user === undefined) return yield* new NoSuchAccount({ username })
  return Object.entries(ofUser(sql, user.id)).map(([table, statement]): Rows => ({
    table,
    rows: sql<{ row: string }>`SELECT row::text AS row FROM (${statement}) AS rows`.stream
  }))
})

/** The lines of an export, in batches. Run it inside the transaction whose snapshot it exports. */
const lines = Effect.fnUntraced(function* (head: typeof Archive.Head.Type, tables: ReadonlyArray<Rows>) {
  const progress = new Progress()
  const ofTable = ({ rows, table }: Rows) => {
    const start = `{"table":${JSON.stringify(table)},"row":`
    return rows.pipe(
      Stream.mapArrayEffect((some) =>
        Effect.as(progress.add(table, some.length), [some.map(({ row }) => `${start}${row}}\n`).join("")] as const)
      ),
      Stream.concat(Stream.drain(Stream.fromEffect(Effect.suspend(() => progress.done(table)))))
    )
  }
  return Stream.make(`${JSON.stringify(head)}\n`).pipe(
    Stream.concat(Stream.flatMap(Stream.fromIterable(tables), ofTable)),
    Stream.concat(Stream.suspend(() => Stream.make(`${JSON.stringify({ end: progress.counts })}\n`)))
  )
})

/** Writes a new file that only its owner may read. If the export fails, the file is removed. */
const toFile = <E, R>(path: string, text: Stream.Stream<string, E, R>) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const file = yield* files.open(path, { flag: "wx", mode: 0o600 })
    yield* text.pipe(
      Stream.encodeText,
      Stream.runForEach((bytes) => file.writeAll(bytes)),
      Effect.onError(() => Effect.ignore(files.remove(path)))
    )
  }).pipe(Effect.scoped)

/** The program that reads standard output has closed it. */
export class OutputClosed extends Data.TaggedError("OutputClosed") {
  override readonly message = "The export is not complete: standard output was closed."
}

const user = Flag.String("user").pipe(
  Flag.withMetavar("NAME"),
  Flag.withDescription("Export only what belongs to this user, or is visible to them. Such a file cannot be imported"),
  Flag.optional
)

const output = Flag.String("output").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription("Write to a new file that only its owner may read. Without it: standard output"),
  Flag.optional
)

export const exportCommand = Command.make("export", { user, output }, ({ output, user }) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const stdio = yield* Stdio.Stdio
    yield* Effect.gen(function* () {
      const tables = Option.isSome(user) ? yield* rowsOfUser(user.value) : yield* rowsOfEverything
      const text = yield* lines(
        {
          xfchat: Option.isSome(user) ? "user" : "everything",
          format: Archive.format,
          schema: yield* Archive.schemaVersion,
          exportedAt: DateTime.formatIso(yield* DateTime.now)
        },
        tables
      )
      yield* Option.isSome(output)
        ? toFile(output.value, text)
        : Stream.run(text, stdio.stdout()).pipe(Effect.catchTag("PlatformError", () => new OutputClosed()))
    }).pipe(inTransactionOnce(sql, "REPEATABLE READ READ ONLY"))
    yield* Console.error("The export is complete.")
  }).pipe(CommandDatabase.explainErrors, CommandDatabase.failsWhenStopped)
).pipe(
  Command.provide(CommandDatabase.layer),
  Command.withDescription(
    "Write everything, or everything of one user, as NDJSON: a consistent snapshot, taken while servers run. An export of everything contains all messages and the password hashes, but no sessions: keep it as safe as the database. An export of one user contains no password hash."
  ),
  Command.withExamples([
    { command: "xfchat export --output xfchat.ndjson", description: "Everything, into a file" },
    { command: "xfchat export | gzip > xfchat.ndjson.gz", description: "Everything, compressed" },
    {
      command: "xfchat export --user ada --output ada.ndjson",
      description: "Everything that belongs to ada, or is visible to her"
    }
  ])
)
