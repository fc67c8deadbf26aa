import * as PgClient from "@effect/sql-pg/PgClient"
import { Data, Effect, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { execFile, execFileSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { conversationId, numberedSql, participantOf, userId, type Conversations } from "./Population.ts"

/** pgbench ended without a result. */
export class PgbenchFailed extends Data.TaggedError("PgbenchFailed")<{ readonly message: string }> {}

const clients = 32

export interface Baseline {
  readonly name: string
  /** Transactions a second. */
  readonly rate: (seconds: number) => Effect.Effect<number, unknown>
}

// The least that a server without group commit does for a message: no session, no membership, no response.
const script = ({ count, first, participants, users }: Conversations) => `
\\set conversation random(${first}, ${first + count - 1})
\\set sender (:conversation * ${participants} + random(0, ${participants - 1})) % ${users} + 1
BEGIN;
UPDATE conversations SET head = head + 1, updated_at = now()
  WHERE id = ${numberedSql.conversation(":conversation::int")} RETURNING head \\gset
INSERT INTO chat_messages (conversation_id, id, sender_id, content, message_type, seq, version)
  VALUES (${numberedSql.conversation(":conversation::int")}, gen_random_uuid(), ${numberedSql.user(":sender::int")},
    'a message of a common length, as people write them', 'text', :head::bigint, :head::bigint);
COMMIT;
`

const isInstalled = () => {
  try {
    execFileSync("pgbench", ["--version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

const pgbench = (url: URL, conversations: Conversations): Baseline => ({
  name: "pgbench",
  rate: (seconds) =>
    Effect.acquireUseRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "xfchat-pgbench-"))),
      (folder) =>
        Effect.callback<number, PgbenchFailed>((resume) => {
          const file = join(folder, "send.sql")
          writeFileSync(file, script(conversations))
          const options = ["--no-vacuum", "--protocol=prepared", "--jobs=2", `--client=${clients}`, `--time=${seconds}`]
          const child = execFile(
            "pgbench",
            [...options, `--file=${file}`],
            {
              env: {
                PATH: process.env["PATH"],
                PGHOST: url.hostname,
                PGPORT: url.port,
                PGUSER: url.username,
                PGPASSWORD: decodeURIComponent(url.password),
                PGDATABASE: url.pathname.slice(1)
              }
            },
            (error, output, errorOutput) => {
              const rate = /^tps = ([\d.]+)/m.exec(output)?.[1]
              resume(
                error === null && rate !== undefined
                  ? Effect.succeed(Number(rate))
                  : new PgbenchFailed({ message: `pgbench failed:\n${output}${errorOutput}` })
              )
            }
          )
          return Effect.sync(() => void child.kill())
        }),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    )
})

/** The same transaction on as many connections of our own driver, which is slower than pgbench and so a lower bar. */
const driver = (url: URL, conversations: Conversations): Baseline => ({
  name: "this driver, no pgbench here",
  rate: Effect.fn(function* (seconds: number) {
    const sql = yield* PgClient.make({ url: Redacted.make(url.href), maxConnections: clients }).pipe(
      Effect.provide(Reactivity.layer)
    )
    const end = performance.now() + seconds * 1000
    let count = 0
    const send = Effect.gen(function* () {
      const conversation = conversations.first + Math.floor(Math.random() * conversations.count)
      const sender = participantOf(conversations, conversation, 0)
      const [row] = yield* sql<{ head: bigint }>`
        UPDATE conversations SET head = head + 1, updated_at = now() WHERE id = ${conversationId(conversation)}
        RETURNING head`
      yield* sql`
        INSERT INTO chat_messages (conversation_id, id, sender_id, content, message_type, seq, version)
        VALUES (${conversationId(conversation)}, ${randomUUID()}, ${userId(sender)},
          'a message of a common length, as people write them', 'text', ${row!.head}, ${row!.head})`
    }).pipe(sql.withTransaction)
    const client = Effect.whileLoop({
      while: () => performance.now() < end,
      body: () => send,
      step: () => void count++
    })
    yield* Effect.all(
      Array.from({ length: clients }, () => client),
      { concurrency: "unbounded", discard: true }
    )
    return count / seconds
  }, Effect.scoped)
})

/** The comparison for durable sends: the same single-row transaction, by 32 clients on the same database. */
export const baseline = (url: Redacted.Redacted, conversations: Conversations): Baseline =>
  (isInstalled() ? pgbench : driver)(new URL(Redacted.value(url)), conversations)
