import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestDatabase } from "../../src/testing/index.ts"
import { twoPeople } from "../../src/conformance/Client.ts"
import { connect, requestHead } from "../../src/conformance/Connection.ts"
import { startServer, type Runtime } from "../serverProcess.ts"

const runtimes: ReadonlyArray<Runtime> = ["node", "deno"]

describe.each(runtimes)("A client that vanishes without a FIN or RST while its stream is idle, on %s,", (runtime) => {
  it.live(
    "holds its stream for STREAM_MAX_AGE at most, and its connection for SERVER_KEEP_ALIVE_TIMEOUT after that",
    () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const { baseUrl } = yield* startServer(runtime, url, {
          STREAM_MAX_AGE: "2 seconds",
          SERVER_ANSWER_TIMEOUT: "2 seconds",
          SERVER_KEEP_ALIVE_TIMEOUT: "2 seconds"
        })
        yield* Effect.promise(async () => {
          const server = { url: baseUrl }
          const { grace, messages } = await twoPeople(server)
          const socket = await connect(server)
          const closed = new Promise<void>((resolve) => socket.on("error", () => {}).once("close", resolve))
          const asked = requestHead(server, "GET", messages, { ...grace.authorization, accept: "application/x-ndjson" })
          socket.write(asked)
          await new Promise((resolve) => socket.once("data", resolve))
          // From here on, the client reads nothing and sends nothing: TCP takes what fits into the buffers.
          socket.pause()
          const open = async () => {
            const metrics = await (await fetch(`${server.url}/metrics`)).text()
            return /^xfchat_streams_open (\d+)$/m.exec(metrics)?.[1]
          }
          assert.strictEqual(await open(), "1")
          while ((await open()) !== "0") continue
          // Reading again shows what the server has done to the connection since.
          socket.resume()
          await closed
        })
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
