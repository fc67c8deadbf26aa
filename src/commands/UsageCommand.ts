import { Console, DateTime, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { SqlClient, SqlSchema } from "effect/sql"
import { foldLogin } from "../contract/Account.ts"
import { folded } from "../database/FoldedName.ts"
import * as CommandDatabase from "./CommandDatabase.ts"

const Count = Schema.Struct({ username: Schema.String, metric: Schema.String, count: Schema.FiniteFromString })

const month = Flag.String("month").pipe(
  Flag.withSchema(
    Schema.String.check(Schema.isPattern(/^\d{4}-(0[1-9]|1[0-2])$/, { message: "must look like 2026-11" }))
  ),
  Flag.withMetavar("YYYY-MM"),
  Flag.withDescription("A month, UTC. Without it: the current one"),
  Flag.optional
)

const user = Flag.String("user").pipe(
  Flag.withMetavar("NAME"),
  Flag.withDescription("Only this user. Without it: all users"),
  Flag.optional
)

/** The counts of a month, the heaviest user first. */
const find = Effect.fnUntraced(function* (month: string, username: string | null) {
  const sql = yield* SqlClient.SqlClient
  const rows = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Count,
    // A name by users_username_key; the rows of one user by the primary key.
    execute: () => sql`
      SELECT u.username, t.metric_type AS metric, sum(t.count)::text AS count
      FROM usage_tracking t JOIN users u ON u.id = t.user_id
      WHERE t.period_start >= (${month} || '-01')::date
        AND t.period_start < (${month} || '-01')::date + interval '1 month'
        AND (${username}::text IS NULL OR ${sql.literal(folded("u.username"))} = ${username === null ? null : foldLogin(username)})
      GROUP BY u.username, t.metric_type
      ORDER BY sum(sum(t.count)) OVER (PARTITION BY u.username) DESC, u.username, t.metric_type`
  })
  return yield* rows()
})

/** A line for each user, a column for each metric, and a line of totals. */
const table = (rows: ReadonlyArray<typeof Count.Type>): ReadonlyArray<string> => {
  const metrics = [...new Set(rows.map(({ metric }) => metric))].sort()
  const users = Map.groupBy(rows, ({ username }) => username)
  const total = (counts: ReadonlyArray<typeof Count.Type>, metric: string) =>
    String(counts.reduce((sum, row) => sum + (row.metric === metric ? row.count : 0), 0))
  const columns = metrics.map((metric) => {
    const cells = [metric, ...[...users.values()].map((counts) => total(counts, metric)), total(rows, metric)]
    const width = Math.max(...cells.map(({ length }) => length))
    return cells.map((cell) => cell.padStart(width))
  })
  const names = ["user", ...users.keys(), "all"]
  const width = Math.max(...names.map(({ length }) => length))
  return names.map((name, line) => [name.padEnd(width)].concat(columns.map((cells) => cells[line] ?? "")).join("  "))
}

export const usage = Command.make("usage", { month, user }, ({ month, user }) =>
  Effect.gen(function* () {
    const period = Option.isSome(month) ? month.value : DateTime.formatIso(yield* DateTime.now).slice(0, 7)
    const rows = yield* find(period, Option.getOrNull(user))
    if (rows.length === 0) return yield* Console.log(`No usage in ${period}.`)
    yield* Console.log(table(rows).join("\n"))
  }).pipe(CommandDatabase.explainErrors)
).pipe(
  Command.provide(CommandDatabase.layer),
  Command.withDescription("Show the usage of a month by user, the heaviest first."),
  Command.withExamples([
    { command: "xfchat usage", description: "This month" },
    { command: "xfchat usage --month 2026-11 --user ada", description: "One user, in November" }
  ])
)
