import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { readdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { TestDatabase } from "../../src/testing/index.ts"
import { emptied, having } from "../process/database.ts"
import { xfchat } from "./command.ts"

const files = Effect.promise(() => readdir(new URL("../../migrations", import.meta.url)))
const migrations = Effect.map(files, (names) => names.flatMap((name) => /^(.*)\.up\.sql$/.exec(name)?.[1] ?? []).sort())

const applied = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ title: string }>`SELECT id || '_' || name AS title FROM schema_migrations ORDER BY id`
  return rows.map(({ title }) => title)
})

describe("xfchat migrate", () => {
  for (const runtime of ["node", "deno"] as const) {
    it.live(`up applies pending migrations, then has nothing to do, on ${runtime}`, () =>
      Effect.gen(function* () {
        yield* emptied
        const all = yield* migrations
        const first = yield* xfchat(["migrate", "up"], { runtime })
        assert.strictEqual(first.exit, 0, first.errorOutput)
        assert.deepStrictEqual(
          [...first.output.matchAll(/^(\d{14}_\w+)/gm)].map(([, name]) => name),
          all
        )
        assert.deepStrictEqual(yield* applied, all)
        const second = yield* xfchat(["migrate", "up"], { runtime })
        assert.deepStrictEqual([second.exit, second.output], [0, "Nothing to do.\n"])
      }).pipe(Effect.provide(TestDatabase.layer))
    )
  }

  it.live("down only shows what would be lost, without --yes", () =>
    Effect.gen(function* () {
      const all = yield* migrations
      const { errorOutput, exit, output } = yield* xfchat(["migrate", "down", "--to", "20240106000000"])
      assert.strictEqual(exit, 1)
      assert.match(output, /Reactions, mentions, earlier contents of edited messages/)
      assert.isBelow(output.indexOf("20240108000000_people"), output.indexOf("20240107000000_groups"))
      assert.notInclude(output, "20240106000000")
      assert.strictEqual(errorOutput, "Nothing was done: take a backup, and add --yes.\n")
      assert.deepStrictEqual(yield* applied, all)
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("down --yes reverts the newest, down --to all after one, and up applies them again", () =>
    Effect.gen(function* () {
      const all = yield* migrations
      assert.strictEqual((yield* xfchat(["migrate", "down", "--yes"])).exit, 0)
      assert.deepStrictEqual(yield* applied, all.slice(0, -1))
      assert.strictEqual((yield* xfchat(["migrate", "down", "--to", "20240106000000", "--yes"])).exit, 0)
      assert.match((yield* applied).at(-1) ?? "", /^20240106000000_/)
      assert.strictEqual((yield* xfchat(["migrate", "up"])).exit, 0)
      assert.deepStrictEqual(yield* applied, all)
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("down to a migration that is not applied does nothing and says so", () =>
    Effect.gen(function* () {
      const all = yield* migrations
      const { errorOutput, exit } = yield* xfchat(["migrate", "down", "--to", "20240102000000", "--yes"])
      assert.strictEqual(exit, 1)
      assert.match(errorOutput, /^No migration 20240102000000 is applied here: .* Nothing was done\.\n$/)
      assert.deepStrictEqual(yield* applied, all)
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("status shows applied, pending, changed and unknown migrations", () =>
    Effect.gen(function* () {
      const healthy = yield* xfchat(["migrate", "status"])
      assert.strictEqual(healthy.exit, 0)
      const lines = healthy.output.trimEnd().split("\n")
      assert.deepStrictEqual(
        lines.map((line) => line.split(" ")[0]),
        yield* migrations
      )
      for (const line of lines) assert.match(line, / 20\d\d-\d\d-\d\dT\S+Z  applied$/)

      yield* having("DELETE FROM schema_migrations WHERE id = 20240109000000")
      const pending = yield* xfchat(["migrate", "status"])
      assert.strictEqual(pending.exit, 0)
      assert.match(pending.output, /^20240109000000_\w+ +pending$/m)

      yield* having(
        "UPDATE schema_migrations SET checksum = 'x' WHERE id = 20240101000000",
        "INSERT INTO schema_migrations VALUES (29990101000000, 'later', 'x', 0)"
      )
      const wrong = yield* xfchat(["migrate", "status"])
      assert.strictEqual(wrong.exit, 1)
      assert.match(wrong.output, /^20240101000000_\w+ .* CHANGED/m)
      assert.match(wrong.output, /^29990101000000_later .* UNKNOWN/m)
      assert.match(wrong.errorOutput, /^A migration is unknown, or was changed after it ran: .*\n$/)
    }).pipe(Effect.provide(TestDatabase.layer))
  )
})

describe("xfchat", () => {
  it.live("prints the mistake first, then where to find help, and exits with 2", () =>
    Effect.gen(function* () {
      for (const [args, reason, help] of [
        [["nonsense"], /^Unknown subcommand "nonsense"/, "xfchat"],
        [["migrate", "nonsense"], /^Unknown subcommand "nonsense"/, "xfchat migrate"],
        [["migrate", "down", "--to", "canary"], /canary/, "xfchat migrate down"],
        [["user", "create"], /^Missing required argument: NAME/, "xfchat user create"],
        [["export", "--nonsense"], /--nonsense/, "xfchat export"]
      ] as const) {
        const { errorOutput, exit, output } = yield* xfchat(args)
        assert.strictEqual(exit, 2, args.join(" "))
        assert.strictEqual(output, "")
        const lines = errorOutput.trimEnd().split("\n")
        assert.match(lines[0] ?? "", reason)
        assert.strictEqual(lines.at(-1), `\`${help} --help\` shows how to use it.`)
      }
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("lists its commands and exits with 2 without one, with 0 for --help", () =>
    Effect.gen(function* () {
      const alone = yield* xfchat([])
      assert.strictEqual(alone.exit, 2)
      assert.strictEqual(alone.errorOutput, "`xfchat` needs a command:\n")
      assert.include(alone.output, "USAGE")
      const help = yield* xfchat(["--help"])
      assert.deepStrictEqual([help.exit, help.errorOutput], [0, ""])
      assert.include(help.output, "USAGE")
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("explains in one line why it cannot use a file, and what to do", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "xfchat-files-"))),
        (folder) => Effect.promise(() => rm(folder, { recursive: true }))
      )
      const file = join(folder, "there")
      yield* Effect.promise(() => writeFile(file, "mine"))
      for (const [args, line] of [
        [["export", "--output", file], `${file} exists already and is not overwritten: `],
        [["export", "--output", join(folder, "no", "file")], `${join(folder, "no", "file")} does not exist: `],
        [
          ["export", "--output", join(file, "below")],
          `${join(file, "below")} is inside something that is not a folder: `
        ],
        [["import", "--input", join(folder, "none")], `${join(folder, "none")} does not exist: `],
        [["import", "--input", folder], "The input or output is a folder: name a file."]
      ] as const) {
        const { errorOutput, exit } = yield* xfchat(args)
        assert.strictEqual(exit, 1, args.join(" "))
        assert.isTrue(errorOutput.startsWith(line), errorOutput)
        assert.match(errorOutput, /^[^\n]+\n$/)
      }
      assert.strictEqual(yield* Effect.promise(() => readFile(file, "utf8")), "mine")
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("shows each command with examples for --help, and exits with 0", () =>
    Effect.gen(function* () {
      const { exit, output } = yield* xfchat(["migrate", "down", "--help"])
      assert.strictEqual(exit, 0)
      assert.include(output, "xfchat migrate down --to 20240107000000 --yes")
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("says in one line what is wrong with the database, and exits with 1", () =>
    Effect.gen(function* () {
      const { errorOutput, exit, output } = yield* xfchat(["migrate", "status"], { env: { DATABASE_URL: "" } })
      assert.deepStrictEqual([exit, output], [1, ""])
      assert.match(errorOutput, /^DATABASE_URL is not set: .*\n$/)
    }).pipe(Effect.provide(TestDatabase.layer))
  )
})
