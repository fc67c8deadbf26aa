import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { catalog, leftOut } from "../../src/commands/Archive.ts"
import { notOfUser, ofUser } from "../../src/accounts/UserExport.ts"
import { UserId } from "../../src/contract/Account.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { startProcess } from "../serverProcess.ts"
import { xfchat } from "./command.ts"
import { anotherDatabase, digests, seedWorld } from "./world.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "xfchat-export-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

const read = (path: string) => Effect.promise(() => readFile(path, "utf8"))
const write = (path: string, text: string) => Effect.promise(() => writeFile(path, text))

interface Line {
  readonly table: string
  readonly row: Record<string, unknown>
}

const rowsOf = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .slice(1, -1)
    .map((line) => JSON.parse(line) as Line)

describe("xfchat export and import", () => {
  for (const runtime of ["node", "deno"] as const) {
    it.live(`copy every table exactly into an empty database, on ${runtime}`, () =>
      Effect.gen(function* () {
        const seed = Math.floor(Math.random() * 1000)
        yield* seedWorld(seed)
        const file = join(yield* folder, "all.ndjson")
        const exported = yield* xfchat(["export", "--output", file], { runtime })
        assert.strictEqual(exported.exit, 0, exported.errorOutput)
        assert.strictEqual(exported.output, "")
        assert.match(exported.errorOutput, /^people_revisions: 60 rows$/m)
        assert.strictEqual((yield* Effect.promise(() => stat(file))).mode & 0o777, 0o600)
        const text = yield* read(file)
        assert.notInclude(text, "token_hash")

        const other = yield* anotherDatabase
        const imported = yield* xfchat(["import", "--input", file], {
          runtime,
          env: { DATABASE_URL: Redacted.value(other.url) }
        })
        assert.strictEqual(imported.exit, 0, imported.errorOutput)
        const here = yield* digests
        const there = yield* other.digests
        for (const name of Object.keys(here)) {
          if (leftOut[name] === undefined) {
            assert.isAbove(here[name]!.rows, 0, name)
            assert.deepStrictEqual(there[name], here[name], `${name}, of seed ${seed}`)
          }
        }
        assert.strictEqual(there["sessions"]!.rows, 0)
        // Later writes there do not collide, and the foreign keys have not changed.
        yield* other.run(
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            yield* sql`INSERT INTO set_aside (migration, source_table, reason, source_row) VALUES ('', '', '', '{}')`
            const deferrable = yield* sql`SELECT FROM pg_constraint WHERE condeferrable`
            assert.strictEqual(deferrable.length, 0)
          })
        )
      }).pipe(Effect.provide(TestDatabase.layer))
    )
  }

  it.live("write to standard output, and read from standard input", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO users (username, email, password_hash) VALUES ('ada', 'ada@example.com', 'hash')`
      const exported = yield* xfchat(["export"])
      assert.strictEqual(exported.exit, 0, exported.errorOutput)
      const other = yield* anotherDatabase
      const imported = yield* xfchat(["import"], {
        env: { DATABASE_URL: Redacted.value(other.url) },
        input: exported.output
      })
      assert.deepStrictEqual([imported.exit, imported.output], [0, "Rows imported: 1.\n"], imported.errorOutput)
      assert.deepStrictEqual((yield* other.digests)["users"], (yield* digests)["users"])
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("hold only a part of the rows in memory, of everything and of one user", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      // 64 MB of text, in a heap of 40 MB.
      yield* sql`
        WITH ada AS (INSERT INTO users (username, password_hash) VALUES ('ada', 'hash') RETURNING id),
        conversation AS (
          INSERT INTO conversations (created_by, is_direct_message, head) SELECT id, false, 8000 FROM ada RETURNING id),
        participant AS (
          INSERT INTO conversation_participants (conversation_id, user_id, role)
          SELECT c.id, a.id, 'owner' FROM conversation c, ada a)
        INSERT INTO chat_messages (id, conversation_id, seq, sender_id, content, version)
        SELECT gen_random_uuid(), c.id, n, a.id, repeat('x', 8000), n
        FROM conversation c, ada a, generate_series(1, 8000) n`
      const path = yield* folder
      for (const [name, args] of [
        ["all", []],
        ["ada", ["--user", "ada"]]
      ] as const) {
        const file = join(path, name)
        const flags = ["--max-old-space-size=40"]
        const { errorOutput, exit } = yield* xfchat(["export", ...args, "--output", file], { flags })
        assert.strictEqual(exit, 0, errorOutput)
        assert.match(errorOutput, /^chat_messages: 8,000 rows$/m)
        assert.isAbove((yield* Effect.promise(() => stat(file))).size, 64_000_000)
      }
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("refuse a file that is cut off, damaged, of another schema, or of one user", () =>
    Effect.gen(function* () {
      yield* seedWorld(1)
      const file = join(yield* folder, "all.ndjson")
      assert.strictEqual((yield* xfchat(["export", "--output", file])).exit, 0)
      const text = yield* read(file)
      const lines = text.trimEnd().split("\n")
      const other = yield* anotherDatabase
      const before = yield* other.digests
      const cuts: Record<string, readonly [string, RegExp]> = {
        "between lines": [lines.slice(0, 3_000).join("\n"), /it was cut off after line 3000: the last line is missing/],
        "within a line": [text.slice(0, text.length / 2), /line \d+ is incomplete/],
        "a line is missing": [
          lines.toSpliced(500, 1).join("\n"),
          /its last line counts \d+ rows of \w+, but there are \d+/
        ],
        "another schema": [
          text.replace(/"schema":"\d+"/, '"schema":"20240101000000"'),
          /made at migration 20240101000000/
        ],
        "of one user": [text.replace('"everything"', '"user"'), /the export of one user, which is not for import/],
        "no export": ["{}\n", /its first line is not that of an export/],
        "a table that is left out": [
          text.replace('"table":"users"', '"table":"sessions"'),
          /line \d+ is of a table that is not imported/
        ]
      }
      for (const [what, [content, says]] of Object.entries(cuts)) {
        yield* write(file, content)
        const refused = yield* xfchat(["import", "--input", file], { env: { DATABASE_URL: Redacted.value(other.url) } })
        assert.strictEqual(refused.exit, 1, what)
        assert.match(refused.errorOutput.trimEnd().split("\n").at(-1)!, /^Nothing was imported: /, what)
        assert.match(refused.errorOutput, says, what)
        assert.deepStrictEqual(yield* other.digests, before, what)
      }
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("refuse a database with rows, unless --merge adds only the missing ones", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* seedWorld(2)
      const file = join(yield* folder, "all.ndjson")
      assert.strictEqual((yield* xfchat(["export", "--output", file])).exit, 0)
      // An import begins another incarnation of the database.
      const imported = Effect.map(digests, (tables) =>
        Object.fromEntries(Object.entries(tables).filter(([name]) => name !== "database_incarnation"))
      )
      const whole = yield* imported
      yield* sql`DELETE FROM message_reactions`
      yield* sql`DELETE FROM blocks`
      const refused = yield* xfchat(["import", "--input", file])
      assert.strictEqual(refused.exit, 1)
      assert.match(
        refused.errorOutput,
        /^Nothing was imported: the database is not empty \(there are rows in \w+\): .*$/m
      )
      assert.strictEqual((yield* digests)["blocks"]!.rows, 0)
      const merged = yield* xfchat(["import", "--merge", "--input", file])
      assert.strictEqual(merged.exit, 0, merged.errorOutput)
      assert.deepStrictEqual(yield* imported, whole)
      // With a block go the receipts that it froze.
      const missing = ["message_reactions", "blocks", "frozen_receipts"].map((table) => whole[table]!.rows)
      assert.include(merged.output, `Rows imported: ${missing.reduce((sum, rows) => sum + rows)}. Already there:`)
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("never overwrite a file, and leave none when they fail", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const file = join(path, "all.ndjson")
      yield* write(file, "mine")
      const refused = yield* xfchat(["export", "--output", file])
      assert.strictEqual(refused.exit, 1)
      assert.match(refused.errorOutput, /all\.ndjson/)
      assert.strictEqual(yield* read(file), "mine")
      const nobody = yield* xfchat(["export", "--user", "nobody", "--output", join(path, "nobody.ndjson")])
      assert.strictEqual(nobody.exit, 1)
      assert.match(nobody.errorOutput, /^There is no account "nobody"/m)
      yield* Effect.promise(() =>
        stat(join(path, "nobody.ndjson")).then(
          () => assert.fail("it is there"),
          () => {}
        )
      )
    }).pipe(Effect.provide(TestDatabase.layer))
  )
})

describe("xfchat import", () => {
  it.live("that is stopped before the end of its input keeps nothing, and exits with 130", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { url } = yield* TestDatabase
      // Its standard input stays open, and empty.
      const command = yield* startProcess([`${root}node_modules/.bin/node`, "src/cli.ts", "import"], {
        DATABASE_URL: Redacted.value(url)
      })
      yield* sql`
        SELECT FROM pg_locks WHERE relation = 'users'::regclass AND mode = 'ShareRowExclusiveLock' AND granted`.pipe(
        Effect.repeat({ until: (locks) => locks.length > 0, schedule: Schedule.spaced("50 millis") })
      )
      yield* command.kill("SIGTERM")
      assert.strictEqual(yield* command.exit, 130)
      yield* sql`INSERT INTO users (username, email, password_hash) VALUES ('ada', 'ada@example.com', '')`
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})

describe("xfchat export --user", () => {
  it.live("has only what is theirs or visible to them, and no hash, decline or block of others", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* seedWorld(3)
      const [me] = yield* sql<{ id: string; username: string }>`
        SELECT u.id, username FROM users u
        WHERE deleted_at IS NULL AND EXISTS (
          SELECT FROM conversation_participants WHERE user_id = u.id AND visible_after > 0) AND EXISTS (
          SELECT FROM friend_requests WHERE from_user_id = u.id AND status = 'rejected') AND EXISTS (
          SELECT FROM blocks WHERE blocker_id = u.id)
        ORDER BY username LIMIT 1`
      const { errorOutput, exit, output } = yield* xfchat(["export", "--user", me!.username])
      assert.strictEqual(exit, 0, errorOutput)
      assert.notMatch(output, /argon2|password_hash|token_hash/)
      const lines = rowsOf(output)
      const rows = (table: string) => lines.filter((line) => line.table === table).map(({ row }) => row)

      assert.deepStrictEqual(
        rows("users").map(({ id }) => id),
        [me!.id]
      )
      const visible = yield* sql<{ id: string }>`
        SELECT m.id FROM chat_messages m JOIN conversation_participants p USING (conversation_id)
        WHERE p.user_id = ${me!.id} AND m.seq > p.visible_after AND NOT EXISTS (
          SELECT FROM blocks WHERE blocker_id = p.user_id AND blocked_id = m.sender_id)`
      assert.sameMembers(
        rows("chat_messages").map(({ id }) => id),
        visible.map(({ id }) => id)
      )
      const requests = rows("friend_requests")
      assert.isAbove(requests.length, 0)
      for (const row of requests) {
        assert.include(["pending", "accepted"], row["status"])
        assert.include([row["from_user_id"], row["to_user_id"]], me!.id)
        if (row["status"] === "pending") assert.isNull(row["responded_at"])
      }
      for (const row of rows("blocks")) assert.strictEqual(row["blocker_id"], me!.id)
      for (const row of rows("usage_tracking")) assert.strictEqual(row["user_id"], me!.id)
      for (const row of rows("conversation_participants")) {
        assert.strictEqual("last_read_seq" in row, row["user_id"] === me!.id)
      }
      const people = new Set(
        rows("people")
          .map(({ id }) => id)
          .concat(me!.id, null)
      )
      for (const { sender_id } of rows("chat_messages")) assert.isTrue(people.has(sender_id))
    }).pipe(Effect.provide(TestDatabase.layer))
  )
})

describe("each table of the schema", () => {
  it.effect("is exported or listed as left out, of everything and of one user", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tables = (yield* catalog).map(({ name }) => name)
      const nobody = ofUser(sql, UserId.make("00000000-0000-4000-8000-000000000000"))
      const said = [...Object.keys(nobody).filter((name) => name !== "people"), ...Object.keys(notOfUser)]
      assert.sameMembers(said, tables, "say in UserExport.ts what of a new table belongs to a user")
      assert.includeMembers(tables, Object.keys(leftOut))
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.effect("comes after those that it references", () =>
    Effect.gen(function* () {
      const tables = yield* catalog
      const place = (name: string) => tables.findIndex((table) => table.name === name)
      for (const { name, references } of tables) {
        for (const other of references) if (other !== name) assert.isBelow(place(other), place(name))
      }
      assert.isAbove(place("message_reactions"), place("chat_messages"))
    }).pipe(Effect.provide(TestDatabase.layer))
  )
})
