import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Sessions, Unauthorized } from "xfchat"
import { clientOf, TestServer, TestServices } from "xfchat/testing"

// The routes on all services, with a stub in place of one of them.
const Services = Layer.merge(
  TestServices,
  Layer.mock(Sessions, { authenticate: () => Effect.fail(new Unauthorized()) })
)

layer(TestServer.layerRoutes.pipe(Layer.provide(Services)))("a revoked session", (it) => {
  it.effect("is refused", () =>
    Effect.gen(function* () {
      const client = yield* clientOf({ token: "revoked" })
      assert.strictEqual((yield* Effect.flip(client.auth.me()))._tag, "Unauthorized")
    })
  )
})
