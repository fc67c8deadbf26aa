import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestDatabase } from "../../src/testing/index.ts"
import { twoPeople } from "../../src/conformance/Client.ts"
import { subscribe } from "../../src/conformance/Stream.ts"
import { startServer, type Runtime } from "../serverProcess.ts"
import { disconnected, lockUsers, stored } from "./database.ts"
import { closed } from "./tcp.ts"

const runtimes: ReadonlyArray<Runtime> = ["node", "deno", "edge"]

describe("a server that is asked to stop", () => {
  for (const runtime of runtimes) {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      it.live(`by ${signal} ends its streams, finishes its requests and leaves no connection, on ${runtime}`, () =>
        Effect.gen(function* () {
          const { url } = yield* TestDatabase
          const { baseUrl, exit, kill, output, port } = yield* startServer(runtime, url)
          const { ada, grace, conversation, messages } = yield* Effect.promise(() => twoPeople({ url: baseUrl }))
          const stream = yield* Effect.promise(() => subscribe(ada, messages))
          yield* Effect.promise(() => stream.snapshot())

          const users = yield* lockUsers
          const request = yield* Effect.forkChild(Effect.promise(() => grace.send(conversation, "in flight")))
          yield* users.somebodyWaits
          yield* kill(signal)
          assert.isUndefined(yield* Effect.promise(() => stream.next()))
          yield* closed(Number(port))

          yield* users.release
          const { id } = yield* Fiber.join(request)
          assert.strictEqual(yield* exit, 0, output())
          assert.deepStrictEqual(yield* stored(id), [{ content: "in flight" }])
          yield* disconnected
        }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
      )
    }
  }
})
