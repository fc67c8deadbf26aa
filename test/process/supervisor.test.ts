import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer } from "node:net"
import { mergeMetrics } from "../../src/process/MergedMetrics.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { startLoad } from "../faults/load.ts"
import { runtimes, startProcess, startServer, type Runtime } from "../serverProcess.ts"
import { disconnected } from "./database.ts"
import { closed, listen } from "./tcp.ts"

const metricsOf = (baseUrl: string) =>
  Effect.promise(async () => (await fetch(`${baseUrl}/metrics`, { headers: { connection: "close" } })).text())

/** Starts processes on one port, and waits until all serve. */
const startProcesses = Effect.fnUntraced(function* (runtime: Runtime, count: number) {
  const { url } = yield* TestDatabase
  const server = yield* startServer(runtime, url, { SERVER_PROCESSES: String(count), LOG_FORMAT: "json" })
  /** Waits until a process serves, for the given time since the start. */
  const pidOf = Effect.fnUntraced(function* (number: number, start = 1) {
    const [, pid = ""] = yield* server.line(new RegExp(`(?:[^]*?Process ${number} serves \\(pid (\\d+)\\)){${start}}`))
    return Number(pid)
  })
  const pids = yield* Effect.forEach(
    Array.from({ length: count }, (_, index) => index + 1),
    (number) => pidOf(number)
  )
  return { ...server, pids, pidOf, database: url }
})

describe.each(["node", "deno"] as const)("several processes on one port, on %s", (runtime) => {
  it.live("answer /metrics for all, each with its number, and stop together by SIGTERM", () =>
    Effect.gen(function* () {
      const { baseUrl, exit, kill, output, port } = yield* startProcesses(runtime, 2)
      const metrics = yield* metricsOf(baseUrl)
      for (const number of [1, 2]) {
        assert.match(metrics, new RegExp(`^xfchat_streams_open\\{process="${number}"\\} 0$`, "m"))
      }
      assert.lengthOf(metrics.match(/^# TYPE xfchat_streams_open /gm) ?? [], 1)

      yield* kill("SIGTERM")
      assert.strictEqual(yield* exit, 0, output())
      yield* closed(Number(port))
      yield* disconnected
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live(
    "lose nothing when one is killed, replace it, and stop when their supervisor is killed",
    () =>
      Effect.gen(function* () {
        const { baseUrl, database, kill, pidOf, pids, port } = yield* startProcesses(runtime, 2)
        yield* Effect.gen(function* () {
          const { acknowledges, settle } = yield* startLoad({ database, servers: [baseUrl] })
          for (const [index, pid] of pids.entries()) {
            yield* acknowledges(50)
            process.kill(pid, "SIGKILL")
            assert.notStrictEqual(yield* pidOf(index + 1, 2), pid)
          }
          yield* acknowledges(50)
          const { cutOff } = yield* settle
          assert.isAtLeast(cutOff, 1)
        }).pipe(Effect.scoped)

        yield* kill("SIGKILL")
        yield* closed(Number(port))
        yield* disconnected
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer)),
    300_000
  )
})

describe("several processes that cannot serve", () => {
  const settings = {
    DATABASE_STARTUP_TIMEOUT: "100 millis",
    DATABASE_URL: "postgresql://a:b@127.0.0.1:1/c",
    SERVER_HOST: "127.0.0.1",
    SERVER_PROCESSES: "3"
  }

  it.live("say once why, and end", () =>
    Effect.gen(function* () {
      const server = yield* startProcess(runtimes.node(), { ...settings, SERVER_PORT: "0" })
      assert.strictEqual(yield* server.exit, 1)
      assert.lengthOf(server.errorOutput().match(/^No connection to PostgreSQL/gm) ?? [], 1, server.output())
    }).pipe(Effect.scoped)
  )

  it.live("do not share a port with another program", () =>
    Effect.gen(function* () {
      const port = yield* listen(createServer())
      const server = yield* startProcess(runtimes.node(), { ...settings, SERVER_PORT: String(port) })
      assert.strictEqual(yield* server.exit, 1)
      assert.match(server.errorOutput(), new RegExp(`^Cannot listen on 127.0.0.1:${port} \\(the port is taken\\)`))
    }).pipe(Effect.scoped)
  )
})

describe("the metrics of several processes", () => {
  it("stand together below one head, each with the number of its process", () => {
    const text = (value: number) =>
      `# HELP a_total All a\n# TYPE a_total counter\na_total{of="x, y} z"} ${value}\na_total ${value}\n# TYPE b gauge\nb +Inf\n`
    assert.strictEqual(
      mergeMetrics(
        new Map([
          [1, text(5)],
          [3, text(7)]
        ])
      ),
      [
        "# HELP a_total All a",
        "# TYPE a_total counter",
        'a_total{process="1",of="x, y} z"} 5',
        'a_total{process="1"} 5',
        'a_total{process="3",of="x, y} z"} 7',
        'a_total{process="3"} 7',
        "# TYPE b gauge",
        'b{process="1"} +Inf',
        'b{process="3"} +Inf',
        ""
      ].join("\n")
    )
  })
})
