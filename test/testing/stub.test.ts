import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted } from "effect"
import { Accounts, Sessions, Unauthorized } from "xfchat"
import { clientOf, TestServer, TestServices } from "xfchat/testing"
import { UserId } from "../../src/contract/Account.ts"
import { SessionId } from "../../src/contract/Session.ts"

const ada = UserId.make("7d44b28e-8e7c-4b0e-9d4a-2f6b8ac7a001")

const stubs = Layer.mergeAll(
  TestServices,
  Layer.mock(Accounts, {
    get: (id) =>
      Effect.succeed({
        id,
        username: "ada",
        email: "ada@example.com",
        displayName: "Ada",
        avatarUrl: null,
        directMessagesFrom: "everyone",
        isDiscoverable: false,
        showsPresence: true,
        createdAt: DateTime.makeUnsafe("2026-01-01T00:00:00Z")
      })
  }),
  Layer.mock(Sessions, {
    authenticate: (token) =>
      Redacted.value(token) === "let me in"
        ? Effect.succeed({ id: SessionId.make("7d44b28e-8e7c-4b0e-9d4a-2f6b8ac7a002"), userId: ada })
        : Effect.fail(new Unauthorized())
  })
)

layer(TestServer.layerRoutes.pipe(Layer.provide(stubs)))("A server with stubs in place of services", (it) => {
  it.effect("answers with what a stub returns", () =>
    Effect.gen(function* () {
      const client = yield* clientOf({ token: "let me in" })
      assert.strictEqual((yield* client.auth.me()).displayName, "Ada")
    })
  )

  it.effect("refuses what a stub refuses", () =>
    Effect.gen(function* () {
      const client = yield* clientOf({ token: "guess" })
      assert.strictEqual((yield* Effect.flip(client.auth.me()))._tag, "Unauthorized")
    })
  )
})
