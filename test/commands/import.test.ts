import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Stream, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import * as Archive from "../../src/commands/Archive.ts"
import { importArchive } from "../../src/commands/ArchiveImport.ts"
import { maxLineBytes } from "../../src/commands/ArchiveLines.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { xfchat } from "./command.ts"
import { digests } from "./world.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

type Row = Readonly<Record<string, unknown>>

/** The columns of a table, each null. */
const nulls = Effect.fnUntraced(function* (name: string) {
  const table = (yield* Archive.catalog).find((table) => table.name === name)
  return Object.fromEntries((table?.members ?? assert.fail(name)).map((member): [string, unknown] => [member, null]))
})

/** A database's rows as an export has them. */
const exported = Effect.fnUntraced(function* (name: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ row: Row }>`SELECT to_jsonb(t) AS row FROM ${sql(name)} t`
  return rows.map(({ row }) => row)
})

const lineOf = (table: string, row: unknown) => JSON.stringify({ table, row })

const head = Effect.map(Archive.schemaVersion, (schema) =>
  JSON.stringify({ xfchat: "everything", format: Archive.format, schema, exportedAt: "2026-11-27T00:00:00.000Z" })
)

/** Rows of one person and of one group with a message, which are then taken out of the database. */
const smallWorld = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [ada, group, message] = [randomUUID(), randomUUID(), randomUUID()]
  yield* sql`INSERT INTO users (id, username, email, password_hash) VALUES (${ada}, 'ada', 'ada@example.com', 'hash')`
  yield* sql`
    INSERT INTO conversations (id, created_by, is_direct_message, history, head) VALUES (${group}, ${ada}, false, 'whole', 1)`
  yield* sql`
    INSERT INTO conversation_participants (conversation_id, user_id, role, last_delivered_seq, last_read_seq, visible_after)
    VALUES (${group}, ${ada}, 'owner', 0, 0, 0)`
  yield* sql`
    INSERT INTO chat_messages (id, conversation_id, sender_id, content, message_type, seq, version)
    VALUES (${message}, ${group}, ${ada}, 'hello', 'text', 1, 1)`
  const rows: Record<string, ReadonlyArray<Row>> = {}
  for (const name of ["users", "conversations", "conversation_participants", "chat_messages"]) {
    rows[name] = yield* exported(name)
  }
  yield* sql`DELETE FROM conversations`
  yield* sql`DELETE FROM users`
  return rows
})

const fileOf = Effect.fnUntraced(function* (rows: Readonly<Record<string, ReadonlyArray<unknown>>>) {
  const lines = Object.entries(rows).flatMap(([table, some]) => some.map((row) => lineOf(table, row)))
  const counts = Object.fromEntries(Object.entries(rows).map(([table, some]) => [table, some.length]))
  return [yield* head, ...lines, JSON.stringify({ end: counts })].join("\n")
})

/** Bytes as a file or a pipe gives them: in pieces that end anywhere. */
const inPieces = (content: string | Uint8Array) => {
  const bytes = typeof content === "string" ? Buffer.from(content) : content
  const size = 65_536
  return Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size)
    )
  )
}

layer(TestDatabase.layer)("A file that is not a whole export", (it) => {
  /** The error of importing such a file. Nothing of the file is kept. */
  const refusal = Effect.fnUntraced(function* (content: string | Uint8Array) {
    const before = yield* digests
    const error = yield* Effect.flip(importArchive(inPieces(content), false))
    assert.deepStrictEqual(yield* digests, before)
    if (!(error instanceof Archive.ArchiveRefused)) return assert.fail(String(error))
    return error.message
  })

  it.effect("is refused with its reason, and leaves nothing", () =>
    Effect.gen(function* () {
      const rows = yield* smallWorld
      const whole = yield* fileOf(rows)
      const first = yield* head
      const [ada, group, message] = ["users", "conversations", "chat_messages"].map((name) => rows[name]![0]!)
      const user = lineOf("users", ada)
      const withUser = (row: unknown) => fileOf({ ...rows, users: [row] })
      const { username: _, ...nameless } = ada as { username: string }
      const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`

      const files: Record<string, readonly [content: string | Uint8Array, reason: RegExp]> = {
        "an endless line": [
          Buffer.concat([Buffer.from(`${first}\n`), Buffer.alloc(maxLineBytes + 1_000_000, "a")]),
          /it has a line of more than 64 MiB/
        ],
        "an endless first line": [Buffer.alloc(maxLineBytes + 1_000_000, "{"), /it has a line of more than 64 MiB/],
        "a very deep value": [
          whole.replace('"hash"', nested(500_000)),
          /users in lines 2 to 2 do not fit.*stack depth/
        ],
        "bytes that are not UTF-8": [Buffer.from(whole.replace("hello", "hell\u00e9"), "latin1"), /not UTF-8/],
        "bytes that are compressed": [Buffer.from([0x1f, 0x8b, 0x08, 0xff, 0xfe, 0x0a]), /not UTF-8.*compressed/],
        "a NUL": [whole.replace("hello", "hel\u0000lo"), /line 5 is incomplete/],
        "an escaped NUL": [whole.replace("hello", String.raw`hel\u0000lo`), /chat_messages in lines 5 to 5 do not fit/],
        "half a surrogate pair": [
          whole.replace("hello", String.raw`\ud800`),
          /chat_messages in lines 5 to 5 do not fit/
        ],
        "a member that the table lacks": [
          yield* withUser({ ...ada, is_admin: true }),
          /line 2 has a member that users does not have/
        ],
        "a member named __proto__": [
          whole.replace('"username":', '"__proto__":1,"username":'),
          /line 2 has a member that users does not have/
        ],
        "a member that is missing": [yield* withUser(nameless), /line 2 lacks the member username of users/],
        "a line with a member of its own": [
          whole.replace(user, user.replace('{"table"', '{"owner":"me","table"')),
          /line 2 is incomplete, or is not a row/
        ],
        "a row that is none": [yield* withUser([1, 2]), /line 2 is incomplete, or is not a row/],
        "a value of another type": [yield* withUser({ ...ada, id: "me" }), /users in lines 2 to 2 do not fit.*22P02/],
        "a null where none may be": [yield* withUser(yield* nulls("users")), /users in lines 2 to 2 do not fit.*23502/],
        "an id twice": [yield* fileOf({ ...rows, users: [ada, ada] }), /users in lines 2 to 3 do not fit.*23505/],
        "a name twice": [
          yield* fileOf({ ...rows, users: [ada, { ...ada, id: randomUUID(), username: "ADA", email: null }] }),
          /users in lines 2 to 3 do not fit.*23505/
        ],
        "a row of somebody who is not in it": [
          yield* fileOf({ ...rows, chat_messages: [{ ...message, sender_id: randomUUID() }] }),
          /do not fit.*23503|refer to others that it lacks.*23503/
        ],
        "a message beyond its log": [
          yield* fileOf({ ...rows, chat_messages: [{ ...message, seq: 7, version: 7 }] }),
          new RegExp(`conversation ${String(group!["id"])} has messages beyond its head`)
        ],
        "a wrong count": [whole.replace('"users":1', '"users":2'), /counts 2 rows of users, but there are 1/],
        "a count of a table that it lacks": [
          whole.replace('{"users":1', '{"blocks":3,"users":1'),
          /counts 3 rows of blocks/
        ],
        "a count that is none": [whole.replace('"users":1', '"users":1e400'), /line 6 is incomplete/],
        "a second end": [`${whole}\n${whole.split("\n").at(-1)}`, /something follows its last line, at line 7/],
        "an empty line": [whole.replace("\n", "\n\n"), /line 2 is incomplete/],
        "a cut within a character": [Buffer.from(whole.replace("hello", "日")).subarray(0, -3), /incomplete|cut off/],
        "no content": ["", /the file is empty/]
      }
      for (const [what, [content, reason]] of Object.entries(files)) {
        assert.match(yield* refusal(content), reason, what)
      }

      const windows = `\uFEFF${whole.replaceAll("\n", "\r\n")}\r\n`
      assert.deepStrictEqual(yield* importArchive(inPieces(windows), false), { written: 4, skipped: 0 })
    })
  )
})

describe("xfchat import", () => {
  it.live("that is killed leaves nothing, and can be started again at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { url } = yield* TestDatabase
      const rows = yield* smallWorld
      const [ada] = rows["users"]!
      const users = Array.from({ length: 5_000 }, (_, index) => ({
        ...ada,
        id: randomUUID(),
        username: `user_${index}`,
        email: null
      }))
      const whole = yield* fileOf({ users })
      const first = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(`${root}node_modules/.bin/node`, ["src/cli.ts", "import"], {
            cwd: root,
            env: { PATH: process.env["PATH"], DATABASE_URL: Redacted.value(url) },
            stdio: ["pipe", "ignore", "ignore"]
          })
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      first.stdin.on("error", () => {}).write(whole.slice(0, -1_000))
      // It has written rows, and waits for more.
      yield* sql`
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'idle in transaction' AND query LIKE 'INSERT INTO users%'`.pipe(
        Effect.repeat({ until: (found) => found.length > 0, schedule: Schedule.spaced("50 millis") })
      )
      const killed = once(first, "exit")
      first.kill("SIGKILL")
      yield* Effect.promise(() => killed)
      const again = yield* xfchat(["import"], { input: whole })
      assert.deepStrictEqual([again.exit, again.output], [0, "Rows imported: 5000.\n"], again.errorOutput)
      assert.strictEqual((yield* digests)["users"]!.rows, 5_000)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
