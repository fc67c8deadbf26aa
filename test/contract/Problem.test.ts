import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { UserId } from "../../src/contract/Account.ts"
import { SessionId } from "../../src/contract/Session.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import { InboxSubscriptions } from "../../src/inbox/InboxSubscriptions.ts"
import { RateLimited } from "../../src/contract/Problem.ts"
import { TestServer, TestServices } from "../../src/testing/index.ts"

const session = {
  id: SessionId.make("7d44b28e-8e7c-4b0e-9d4a-2f6b8ac7a002"),
  userId: UserId.make("7d44b28e-8e7c-4b0e-9d4a-2f6b8ac7a001")
}

const refusing = (error: RateLimited) =>
  TestServer.layerRoutes.pipe(
    Layer.provide(
      Layer.mergeAll(
        TestServices,
        Layer.mock(Sessions, { authenticate: () => Effect.succeed(session) }),
        Layer.mock(InboxSubscriptions, { open: () => Effect.fail(error) })
      )
    )
  )

const answer = Effect.gen(function* () {
  const { baseUrl, fetch } = yield* TestServer
  const response = yield* Effect.promise(() => fetch(`${baseUrl}/api/inbox`, { headers: { subscribe: "true" } }))
  assert.strictEqual(response.status, 429)
  return { retryAfter: response.headers.get("retry-after"), body: yield* Effect.promise(() => response.json()) }
})

layer(refusing(new RateLimited({ detail: "Later.", retryAfter: 7 })))("A refusal with a time to try again", (it) => {
  it.effect("says so in its header and in its body", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* answer, {
        retryAfter: "7",
        body: { type: "RateLimited", status: 429, title: "Too many requests", detail: "Later.", retryAfter: 7 }
      })
    })
  )
})

layer(refusing(new RateLimited()))("A refusal without one", (it) => {
  it.effect("asks for one second", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* answer, {
        retryAfter: "1",
        body: { type: "RateLimited", status: 429, title: "Too many requests" }
      })
    })
  )
})
