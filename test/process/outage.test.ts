import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { randomUUID } from "node:crypto"
import { TestDatabase } from "../../src/testing/index.ts"
import { Client, password, twoPeople, uniqueName, type Page } from "../../src/conformance/Client.ts"
import { subscribe } from "../../src/conformance/Stream.ts"
import { startServer, type Runtime } from "../serverProcess.ts"
import { lockUsers } from "./database.ts"
import { proxy } from "./tcp.ts"

const runtimes: ReadonlyArray<Runtime> = ["node", "deno", "edge"]

describe("when the database goes down under a running server", () => {
  for (const runtime of runtimes) {
    it.live(`requests get 503, and everything continues when it is back, on ${runtime}`, () =>
      Effect.gen(function* () {
        const database = yield* proxy((yield* TestDatabase).url)
        const server = { url: (yield* startServer(runtime, database.url)).baseUrl }
        const { ada, grace, conversation, messages } = yield* Effect.promise(() => twoPeople(server))
        const { seq } = yield* Effect.promise(() => grace.send(conversation, "before"))
        const stream = yield* Effect.promise(() => subscribe(ada, messages))
        yield* Effect.promise(() => stream.snapshot())

        const unsent = randomUUID()
        const requests = Effect.promise(() => {
          const nobody = new Client(server)
          const username = uniqueName()
          return Promise.all([
            ada.get("/api/auth/me"),
            ada.get(messages),
            ada.get(messages, { subscribe: "true" }),
            ada.put(`/api/conversations/direct/${grace.id}`),
            grace.put(`${messages}/${unsent}`, { content: "after" }),
            nobody.post("/api/auth/login", { login: ada.user.username, password }),
            nobody.post("/api/auth/signup", { username, email: `${username}@example.com`, password })
          ])
        })
        const users = yield* lockUsers
        const inFlight = yield* Effect.forkChild(Effect.promise(() => ada.get("/api/auth/me")))
        yield* users.somebodyWaits
        yield* database.breakDown
        const answers = [yield* Fiber.join(inFlight), ...(yield* requests)]
        yield* users.release
        for (const { body, headers, status } of answers) {
          assert.strictEqual(status, 503)
          assert.strictEqual(body.type, "DatabaseUnavailable")
          assert.match(headers.get("retry-after") ?? "", /^\d+$/)
        }

        yield* database.recover
        yield* Effect.promise(() => grace.send(conversation, "after", unsent))
        const [live] = yield* Effect.promise(() => stream.appendsAfter(seq, 1))
        assert.strictEqual(live?.content, "after")
        const { body } = yield* Effect.promise(() => ada.get<Page>(messages))
        assert.deepStrictEqual(
          body.messages.map(({ content }) => content),
          ["before", "after"]
        )
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }
})
