import { Console, Data, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { load, type Migration, title } from "../database/MigrationFile.ts"
import * as Migrator from "../database/Migrator.ts"
import * as CommandDatabase from "./CommandDatabase.ts"

const summary = (what: string, runs: ReadonlyArray<Migrator.MigrationRun>) =>
  runs.length === 0
    ? `Nothing to do.`
    : [...runs.map((run) => `${title(run)}  ${run.durationMs} ms`), `Migrations ${what}: ${runs.length}.`].join("\n")

const up = Command.make("up", {}, () =>
  Effect.flatMap(Migrator.migrate, (runs) => Console.log(summary("applied", runs))).pipe(
    CommandDatabase.failsWhenStopped
  )
).pipe(
  Command.provide(CommandDatabase.layerUnchecked),
  Command.withDescription(
    "Apply pending migrations, as a server does when it starts. Each migration is a transaction of its own."
  )
)

/** The migration to go back to is not applied here. */
export class UnknownTarget extends Data.TaggedError("UnknownTarget")<{ readonly id: string }> {
  override get message() {
    return `No migration ${this.id} is applied here: \`xfchat migrate status\` lists those that are. Nothing was done.`
  }
}

/** The command has shown what would be lost, and lacks `--yes`. */
export class NotConfirmed extends Data.TaggedError("NotConfirmed") {
  override readonly message = "Nothing was done: take a backup, and add --yes."
}

/** The first comment of a down file: what it reverts, and which data is lost. */
const loss = ({ down }: Migration) => {
  const lines = down.split("\n")
  const end = lines.findIndex((line) => !line.startsWith("--"))
  return lines.slice(0, end === -1 ? undefined : end).map((line) => line.replace(/^-- ?/, "    ").trimEnd())
}

/** The migrations to revert: those after `to`, or the newest one. */
const toTakeBack = Effect.fnUntraced(function* (to: bigint | undefined) {
  const applied = (yield* Migrator.status).filter(({ state }) => state !== "pending").toReversed()
  if (to === undefined) return applied.slice(0, 1)
  if (to !== 0n && !applied.some(({ id }) => id === to)) return yield* new UnknownTarget({ id: String(to) })
  return applied.filter(({ id }) => id > to)
})

const to = Flag.String("to").pipe(
  Flag.withSchema(Schema.BigIntFromString.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 99_999_999_999_999n }))),
  Flag.withMetavar("ID"),
  Flag.withDescription("Revert every migration after this one, which stays; 0 reverts all. Without it: the newest one"),
  Flag.optional
)

const yes = Flag.Boolean("yes").pipe(
  Flag.withDescription("Revert them. Without it, the command only shows what would be lost"),
  Flag.withDefault(false)
)

const down = Command.make("down", { to, yes }, ({ to, yes }) =>
  Effect.gen(function* () {
    const target = Option.getOrUndefined(to)
    const files = yield* Effect.flatMap(Effect.service(Migrator.MigrationsFolder), load)
    const taken = yield* toTakeBack(target)
    if (taken.length === 0) return yield* Console.log("Nothing to do.")
    for (const migration of taken) {
      const file = files.find(({ id }) => id === migration.id)
      yield* Console.log([title(migration), ...(file === undefined ? [] : loss(file)), ""].join("\n"))
    }
    if (!yes) return yield* new NotConfirmed()
    yield* Console.log(summary("reverted", yield* Migrator.rollback({ to: target })))
  }).pipe(CommandDatabase.failsWhenStopped)
).pipe(
  Command.provide(CommandDatabase.layerUnchecked),
  Command.withDescription(
    "Revert migrations, the newest first, and show what that loses. Stop the servers first: one that starts applies them again."
  ),
  Command.withExamples([
    { command: "xfchat migrate down", description: "Show what reverting the newest migration would lose" },
    { command: "xfchat migrate down --yes", description: "Revert the newest migration" },
    { command: "xfchat migrate down --to 20240107000000 --yes", description: "Revert all migrations after that one" }
  ])
)

/** An applied migration is unknown to this XFChat, or has been changed. */
export class HistoryDisagrees extends Data.TaggedError("HistoryDisagrees") {
  override readonly message =
    "A migration is unknown, or was changed after it ran: start the version of XFChat that has it, or restore its file. A server would not start here."
}

const said: Record<Migrator.MigrationStatus["state"], string> = {
  applied: "applied",
  pending: "pending",
  changed: "CHANGED: its file was changed after it ran",
  unknown: "UNKNOWN: this XFChat has no such file"
}

const status = Command.make("status", {}, () =>
  Effect.gen(function* () {
    const migrations = yield* Migrator.status
    const width = Math.max(...migrations.map((migration) => title(migration).length))
    for (const migration of migrations) {
      const applied = migration.appliedAt?.toISOString() ?? ""
      yield* Console.log(`${title(migration).padEnd(width)}  ${applied.padEnd(24)}  ${said[migration.state]}`)
    }
    if (migrations.some(({ state }) => state === "changed" || state === "unknown")) return yield* new HistoryDisagrees()
  })
).pipe(
  Command.provide(CommandDatabase.layerUnchecked),
  Command.withDescription(
    "List all migrations and when they were applied. Exits with 1 if one is unknown, or was changed after it ran."
  )
)

export const migrate = Command.make("migrate").pipe(
  Command.withDescription("Bring the database's schema up to date, revert it, or show its state"),
  Command.withSubcommands([up, down, status])
)
