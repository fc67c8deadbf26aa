import * as PgClient from "@effect/sql-pg/PgClient"
import { Data, Duration, Effect, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { execFile, execFileSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { conversationId, numberedSql, participantOf, userId, type Conversations } from "./Population.ts"

/** pgbench ended without a result. */
export class PgbenchFailed extends Data.TaggedError("PgbenchFailed")<{ readonly message: string }> {}

const clients = 32

export interface Baseline {
  readonly name: string
  /** Transactions a second, of 32 clients. */
  readonly rate: (seconds: number) => Effect.Effect<number, unknown>
  /** The milliseconds of each transaction of one client, at a pace that leaves it alone. */
  readonly latencies: (seconds: number, perSecond: number) => Effect.Effect<ReadonlyArray<number>, unknown>
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

const pgbench = (url: URL, conversations: Conversations): Baseline => {
  const run = <A>(flags: ReadonlyArray<string>, read: (output: string, folder: string) => A | undefined) =>
    Effect.acquireUseRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "xfchat-pgbench-"))),
      (folder) =>
        Effect.callback<A, PgbenchFailed>((resume) => {
          writeFileSync(join(folder, "send.sql"), script(conversations))
          const child = execFile(
            "pgbench",
            ["--no-vacuum", "--protocol=prepared", "--file=send.sql", ...flags],
            {
              cwd: folder,
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
              const result = error === null ? read(output, folder) : undefined
              resume(
                result === undefined
                  ? new PgbenchFailed({ message: `pgbench failed:\n${output}${errorOutput}` })
                  : Effect.succeed(result)
              )
            }
          )
          return Effect.sync(() => void child.kill())
        }),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    )
  return {
    name: "pgbench",
    rate: (seconds) =>
      run(["--jobs=2", `--client=${clients}`, `--time=${seconds}`], (output) => {
        const rate = /^tps = ([\d.]+)/m.exec(output)?.[1]
        return rate === undefined ? undefined : Number(rate)
      }),
    latencies: (seconds, perSecond) =>
      run(["--client=1", `--time=${seconds}`, `--rate=${perSecond}`, "--log"], (_, folder) =>
        readdirSync(folder)
          .filter((name) => name.startsWith("pgbench_log"))
          .flatMap((name) => readFileSync(join(folder, name), "utf8").trim().split("\n"))
          // Microseconds from the planned start to the end, and from the planned start to the real one.
          .map((line) => line.split(" "))
          .map((fields) => (Number(fields[2]) - Number(fields[6])) / 1_000)
      )
  }
}

/** The same transaction on as many connections of our own driver, which is slower than pgbench and so a lower bar. */
const driver = (url: URL, conversations: Conversations): Baseline => {
  const connect = Effect.fnUntraced(function* (maxConnections: number) {
    const sql = yield* PgClient.make({ url: Redacted.make(url.href), maxConnections }).pipe(
      Effect.provide(Reactivity.layer)
    )
    return Effect.gen(function* () {
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
  })
  return {
    name: "this driver, no pgbench here",
    rate: Effect.fn(function* (seconds: number) {
      const send = yield* connect(clients)
      const end = performance.now() + seconds * 1000
      let count = 0
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
    }, Effect.scoped),
    latencies: Effect.fn(function* (seconds: number, perSecond: number) {
      const send = yield* connect(1)
      const timed = Effect.timed(send).pipe(Effect.map(([time]) => Duration.toMillis(time)))
      return yield* Effect.forEach(Array.from({ length: seconds * perSecond }), () =>
        Effect.delay(timed, 1_000 / perSecond)
      )
    }, Effect.scoped)
  }
}

/** The comparison for durable sends: the same single-row transaction on the same database. */
export const baseline = (url: Redacted.Redacted, conversations: Conversations): Baseline =>
  (isInstalled() ? pgbench : driver)(new URL(Redacted.value(url)), conversations)
