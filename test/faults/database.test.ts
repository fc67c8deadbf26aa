import { assert, describe, it } from "@effect/vitest"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Fiber, Redacted, Schedule } from "effect"
import { Reactivity } from "effect/reactivity"
import { randomUUID } from "node:crypto"
import { TestDatabase } from "../../src/testing/index.ts"
import { connection } from "../process/database.ts"
import { proxy } from "../process/tcp.ts"
import { startServer } from "../serverProcess.ts"
import { hasDisk, smallDisk } from "./disk.ts"
import { startLoad } from "./load.ts"
import { ownPostgres } from "./postgres.ts"

/** Short, since the tests wait for them. A silent connection is given up five seconds after the last. */
const timeouts = {
  DATABASE_CONNECT_TIMEOUT: "1 second",
  DATABASE_ACQUIRE_TIMEOUT: "1 second",
  DATABASE_STATEMENT_TIMEOUT: "1 second"
}

/** Ways in which a database becomes unreachable without closing its connections, and comes back. */
const silences = {
  "is frozen": Effect.map(ownPostgres, ({ freeze, thaw, url }) => ({ url, begin: freeze, end: thaw })),
  "is lost behind a network that swallows": Effect.gen(function* () {
    const { url } = yield* ownPostgres
    const between = yield* proxy(url)
    return { url: between.url, begin: between.fallSilent, end: between.recover }
  })
}

describe("under load, a server recovers and delivers what it acknowledged, once and in order,", () => {
  it.live(
    "when PostgreSQL is killed with all its backends, repeatedly",
    () =>
      Effect.gen(function* () {
        const { crash, url } = yield* ownPostgres
        const { baseUrl } = yield* startServer("node", url)
        const { acknowledges, settle } = yield* startLoad({ database: url, servers: [baseUrl] })
        yield* Effect.repeat(Effect.andThen(acknowledges(30), crash), { times: 2 })
        yield* acknowledges(30)
        yield* settle
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "when all its connections are cut, repeatedly",
    () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const sql = yield* connection
        const cut = sql`
          SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'xfchat'`
        const { baseUrl } = yield* startServer("node", url)
        const { acknowledges, settle } = yield* startLoad({ database: url, servers: [baseUrl] })
        yield* Effect.repeat(Effect.andThen(acknowledges(10), cut), { times: 19 })
        yield* acknowledges(10)
        yield* settle
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer)),
    120_000
  )

  it.live.skipIf(!hasDisk)(
    "when its disk is full for a while (needs root, to mount a small one)",
    () =>
      Effect.gen(function* () {
        const disk = yield* smallDisk
        const postgres = yield* ownPostgres
        const folder = yield* disk.folderFor(postgres.data)
        const url = new URL(Redacted.value(postgres.url))
        yield* Effect.gen(function* () {
          const sql = yield* PgClient.makeClient({ url: postgres.url })
          yield* sql.unsafe(`CREATE TABLESPACE small LOCATION '${folder}'`).unprepared
          yield* sql.unsafe("CREATE DATABASE small TABLESPACE small").unprepared
        }).pipe(Effect.scoped, Effect.provide(Reactivity.layer))
        url.pathname = "/small"
        const database = Redacted.make(url.href)
        const { baseUrl } = yield* startServer("node", database)
        const { acknowledges, counts, settle } = yield* startLoad({ database, servers: [baseUrl] })
        yield* acknowledges(30)
        yield* disk.fill
        const refusals = Effect.sync(() => counts.unavailable)
        yield* Effect.repeat(refusals, { until: (count) => count > 5, schedule: Schedule.spaced("50 millis") })
        yield* disk.free
        yield* acknowledges(30)
        yield* settle
      }).pipe(Effect.scoped),
    120_000
  )

  for (const [what, silence] of Object.entries(silences)) {
    it.live(
      `when PostgreSQL ${what} for longer than the time-outs, and answers every request with 503 meanwhile`,
      () =>
        Effect.gen(function* () {
          const { begin, end, url } = yield* silence
          const { baseUrl } = yield* startServer("node", url, timeouts)
          const load = yield* startLoad({ database: url, servers: [baseUrl] })
          const { acknowledges, ada, grace, messages, settle } = load
          yield* acknowledges(30)
          yield* begin
          const asking = yield* Effect.forkChild(
            Effect.promise(() =>
              Promise.all([
                ada.get("/api/auth/me"),
                ada.get(messages),
                ada.get(messages, { subscribe: "true" }),
                grace.put(`${messages}/${randomUUID()}`, { content: "not now" }),
                ada.put(`/api/conversations/direct/${grace.id}`),
                ada.get("/readyz")
              ])
            )
          )
          for (const { headers, status } of yield* Fiber.join(asking)) {
            assert.strictEqual(status, 503)
            assert.match(headers.get("retry-after") ?? "", /^\d+$/)
          }
          assert.strictEqual((yield* Effect.promise(() => ada.get("/livez"))).status, 200)
          yield* end
          yield* acknowledges(30)
          yield* settle
        }).pipe(Effect.scoped),
      120_000
    )
  }
})
