import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Sessions, Unauthorized } from "xfchat"
import { clientOf, TestServer, unusedServices } from "xfchat/testing"

// The routes without a database: each service dies when it is called, but for the one that is given here.
const stubs = Layer.merge(unusedServices, Layer.mock(Sessions, { authenticate: () => Effect.fail(new Unauthorized()) }))

layer(TestServer.layerRoutes.pipe(Layer.provide(stubs)))("a revoked session", (it) => {
  it.effect("is refused", () =>
    Effect.gen(function* () {
      const client = yield* clientOf({ token: "revoked" })
      assert.strictEqual((yield* Effect.flip(client.auth.me()))._tag, "Unauthorized")
    })
  )
})
