import { assert, describe, it, layer } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { Health } from "../../src/operations/Health.ts"
import { ChangeBus } from "../../src/changes/ChangeBus.ts"
import { Draining } from "../../src/live/Draining.ts"
import { clientOf, TestDatabase, TestServer } from "../../src/testing/index.ts"
import { Client, type Problem } from "../../src/conformance/Client.ts"
import { startServer, type Runtime } from "../serverProcess.ts"
import { having } from "../process/database.ts"
import { proxy } from "../process/tcp.ts"

const runtimes: ReadonlyArray<Runtime> = ["node", "deno", "edge"]

type Checks = Record<"database" | "migrations" | "changes" | "serving", string>
const well: Checks = { database: "ok", migrations: "ok", changes: "ok", serving: "ok" }

describe("a load balancer learns that", () => {
  for (const runtime of runtimes) {
    it.live(
      `a server is alive and ready; without its database it is alive, and says what is wrong, on ${runtime}`,
      () =>
        Effect.gen(function* () {
          const database = yield* proxy((yield* TestDatabase).url)
          const { baseUrl } = yield* startServer(runtime, database.url)
          const ask = <Body>(path: string) => Effect.promise(() => new Client({ url: baseUrl }).get<Body>(path))
          const readiness = ask<{ readonly status: unknown; readonly checks: Checks }>("/readyz")

          const ready = yield* readiness
          assert.strictEqual(ready.status, 200)
          assert.deepStrictEqual(ready.body, { status: "ready", checks: well })

          yield* database.breakDown
          const broken = yield* Effect.repeat(readiness, { until: ({ status }) => status === 503 })
          assert.strictEqual((yield* ask<Problem>("/readyz")).body.type, "NotReady")
          assert.match(broken.headers.get("retry-after") ?? "", /^\d+$/)
          assert.deepStrictEqual(broken.body.checks, {
            ...well,
            database: "It cannot be reached.",
            migrations: "Unknown."
          })
          const { body, status } = yield* ask("/livez")
          assert.deepStrictEqual([status, body], [200, { status: "alive" }])

          yield* database.recover
          yield* Effect.repeat(readiness, { until: ({ status }) => status === 200 })
        }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }

  it.live("a server whose database was reverted is not ready, and names the migration", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* startServer("node", (yield* TestDatabase).url)
      yield* having("DELETE FROM schema_migrations WHERE id = 20240106000000")
      const { body, status } = yield* Effect.promise(() =>
        new Client({ url: baseUrl }).get<{ readonly checks: Checks }>("/readyz")
      )
      assert.strictEqual(status, 503)
      assert.deepStrictEqual(body.checks, { ...well, migrations: "20240106000000_conversation_log is pending" })
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("a server is still ready after a newer one has migrated the database", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* startServer("node", (yield* TestDatabase).url)
      yield* having("INSERT INTO schema_migrations VALUES (29990101000000, 'later', 'x', 0)")
      const { status } = yield* Effect.promise(() => new Client({ url: baseUrl }).get("/readyz"))
      assert.strictEqual(status, 200)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})

layer(TestServer.layer)("a server that is about to stop", (it) => {
  it.effect("is not ready, before it stops", () =>
    Effect.gen(function* () {
      const client = yield* clientOf()
      const draining = yield* Draining
      yield* client.operations.readyz()
      yield* draining.begin
      const refusal = yield* Effect.flip(client.operations.readyz())
      assert.strictEqual(refusal._tag, "NotReady")
      assert.deepStrictEqual("checks" in refusal ? refusal.checks : undefined, {
        ...well,
        serving: "The server is about to stop."
      })
      yield* client.operations.livez()
    })
  )
})

const late = (delay: Duration.Input) =>
  Health.layer.pipe(
    Layer.provide([
      Layer.mock(ChangeBus, { delay: Effect.succeed(Duration.fromInputUnsafe(delay)) }),
      Draining.layer,
      TestDatabase.layer
    ])
  )

describe("changes that do not reach other servers", () => {
  it.live("for a moment leave a server ready", () =>
    Effect.flatMap(Health, ({ ready }) => ready).pipe(Effect.provide(late("9 seconds")))
  )

  it.live("for longer than sweeps make up for make it not ready", () =>
    Effect.gen(function* () {
      const { ready } = yield* Health
      const { checks } = yield* Effect.flip(ready)
      assert.deepStrictEqual(checks, {
        ...well,
        changes: "Other servers have learned of changes only by their sweeps for 12 s."
      })
    }).pipe(Effect.provide(late("12 seconds")))
  )
})
