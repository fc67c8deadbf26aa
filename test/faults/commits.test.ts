import { assert, describe, it } from "@effect/vitest"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Fiber, Schedule } from "effect"
import { Reactivity } from "effect/reactivity"
import { randomUUID } from "node:crypto"
import { Person, twoPeople, type Message, type Page } from "../../src/conformance/Client.ts"
import { startServer } from "../serverProcess.ts"
import { startLoad } from "./load.ts"
import { ownPostgres } from "./postgres.ts"

/** A commit is given up ten seconds after its start, and a connection is awaited for one: the commits keep theirs for longer. */
const timeouts = {
  DATABASE_ACQUIRE_TIMEOUT: "1 second",
  DATABASE_STATEMENT_TIMEOUT: "5 seconds"
}

/** A PostgreSQL whose commits can be made to wait for a standby that does not exist. Its other statements are not slower. */
const slowPostgres = Effect.gen(function* () {
  const { url } = yield* ownPostgres
  const sql = yield* PgClient.makeClient({ url, applicationName: "test" }).pipe(Effect.provide(Reactivity.layer))
  const awaitStandby = (name: string) =>
    Effect.andThen(
      sql.unsafe(`ALTER SYSTEM SET synchronous_standby_names = '${name}'`).unprepared,
      sql`SELECT pg_reload_conf()`
    )
  const often = Schedule.spaced("20 millis")
  return {
    url,
    holdCommits: awaitStandby("nobody").pipe(
      Effect.andThen(
        Effect.repeat(sql<{ name: string }>`SELECT current_setting('synchronous_standby_names') AS name`, {
          until: ([row]) => row?.name === "nobody",
          schedule: often
        })
      )
    ),
    letCommitsEnd: awaitStandby(""),
    /** The next request of this person records the use of the session. */
    forgetUse: (user: string) =>
      sql`UPDATE sessions SET last_used_at = now() - interval '1 hour' WHERE user_id = ${user}`,
    /** How many commits of the server wait. */
    backends: Effect.map(
      sql`SELECT FROM pg_stat_activity WHERE application_name = 'xfchat' AND wait_event = 'SyncRep'`,
      (rows) => rows.length
    ),
    /** Waits until so many commits of the server wait. */
    waitingCommits: (count: number) =>
      Effect.repeat(
        sql<{ waiting: number }>`
          SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE application_name = 'xfchat' AND wait_event = 'SyncRep'`,
        { until: ([row]) => row !== undefined && row.waiting >= count, schedule: often }
      )
  }
})

describe("a server whose database commits slowly", () => {
  it.live(
    "acknowledges a message once its commit has ended",
    () =>
      Effect.gen(function* () {
        const { holdCommits, letCommitsEnd, url, waitingCommits } = yield* slowPostgres
        const { baseUrl } = yield* startServer("node", url)
        const { ada, grace, messages } = yield* Effect.promise(() => twoPeople({ url: baseUrl }))
        const path = `${messages}/${randomUUID()}`
        yield* holdCommits
        const sending = yield* Effect.forkChild(
          Effect.promise(() => ada.put<Message>(path, { content: "late" })),
          { startImmediately: true }
        )
        yield* waitingCommits(1)
        const before = yield* Effect.promise(() => grace.get<Page>(messages))
        assert.deepStrictEqual([before.status, before.body.messages], [200, []])
        yield* letCommitsEnd
        const sent = yield* Fiber.join(sending)
        assert.strictEqual(sent.status, 201)
        const after = yield* Effect.promise(() => grace.get<Page>(messages))
        assert.deepStrictEqual(after.body.messages, [sent.body])
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "refuses writes with 503 while no commit ends, goes on reading, and loses and doubles nothing",
    () =>
      Effect.gen(function* () {
        const { backends, forgetUse, holdCommits, letCommitsEnd, url, waitingCommits } = yield* slowPostgres
        const { baseUrl } = yield* startServer("node", url, timeouts)
        const { acknowledges, ada, messages, settle } = yield* startLoad({ database: url, servers: [baseUrl] })
        // More people than the server has connections: each writes a row of their own.
        const people = yield* Effect.promise(() =>
          Promise.all(Array.from({ length: 16 }, () => Person.signUp({ url: baseUrl })))
        )
        const other = yield* Effect.promise(() => twoPeople({ url: baseUrl }))
        const reader = yield* Effect.promise(() => Person.signUp({ url: baseUrl }))
        yield* acknowledges(30)
        yield* forgetUse(reader.id)
        yield* holdCommits
        const path = `${other.messages}/${randomUUID()}`
        const sendOnce = () => other.ada.put<Message>(path, { content: "once" })
        const writes = yield* Effect.forkChild(
          Effect.promise(() =>
            Promise.all([
              sendOnce(),
              ...people.map((person) =>
                person.request("POST", "/api/conversations", { json: { name: "x", participantIds: [] } })
              )
            ])
          ),
          { startImmediately: true }
        )
        yield* waitingCommits(8)
        for (const path of [messages, "/api/inbox", "/api/auth/me", "/readyz"]) {
          const person = path === messages ? ada : reader
          assert.strictEqual((yield* Effect.promise(() => person.get(path))).status, 200, path)
        }
        for (const { headers, status, text } of yield* Fiber.join(writes)) {
          assert.strictEqual(status, 503, text)
          assert.match(headers.get("retry-after") ?? "", /^\d+$/)
        }
        // The commits that were given up go on in PostgreSQL. Further writes add none to them.
        const hanging = yield* backends
        assert.isAtLeast(hanging, 8)
        for (const { status } of yield* Effect.promise(() =>
          Promise.all(
            people.map((person) =>
              person.request("POST", "/api/conversations", { json: { name: "x", participantIds: [] } })
            )
          )
        )) {
          assert.strictEqual(status, 503)
        }
        assert.strictEqual(yield* backends, hanging)
        assert.strictEqual((yield* Effect.promise(() => reader.get("/api/auth/me"))).status, 200)
        yield* letCommitsEnd
        yield* acknowledges(30)
        const sent = yield* Effect.promise(sendOnce)
        assert.include([200, 201], sent.status)
        const page = yield* Effect.promise(() => other.grace.get<Page>(other.messages))
        assert.deepStrictEqual(page.body.messages, [sent.body])
        yield* settle
      }).pipe(Effect.scoped),
    120_000
  )
})
