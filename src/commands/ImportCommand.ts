import { Console, Effect, FileSystem, Option, Stdio } from "effect"
import { Command, Flag } from "effect/cli"
import { importArchive } from "./ArchiveImport.ts"
import * as CommandDatabase from "./CommandDatabase.ts"

const input = Flag.String("input").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription("The file to read. Without it: standard input"),
  Flag.optional
)

const merge = Flag.Boolean("merge").pipe(
  Flag.withDescription("Import into a database that has rows: those with the same primary key stay as they are"),
  Flag.withDefault(false)
)

export const importCommand = Command.make("import", { input, merge }, ({ input, merge }) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const stdio = yield* Stdio.Stdio
    const bytes = Option.isSome(input) ? files.stream(input.value) : stdio.stdin
    const { skipped, written } = yield* importArchive(bytes, merge)
    yield* Console.log(`Rows imported: ${written}.${merge ? ` Already there: ${skipped}.` : ""}`)
  }).pipe(CommandDatabase.explainErrors, CommandDatabase.failsWhenStopped)
).pipe(
  Command.provide(CommandDatabase.layer),
  Command.withDescription(
    "Read an export of everything into an empty database with the same schema (`xfchat migrate up`). It runs in one transaction: a file that is cut off or does not fit changes nothing. Servers cannot write until it is done. Import only files that you trust."
  ),
  Command.withExamples([
    { command: "xfchat import --input xfchat.ndjson", description: "Into an empty database" },
    { command: "gunzip -c xfchat.ndjson.gz | xfchat import", description: "From standard input" },
    { command: "xfchat import --merge --input xfchat.ndjson", description: "Add the rows that are missing" }
  ])
)
