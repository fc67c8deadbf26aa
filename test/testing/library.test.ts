import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as library from "xfchat"
import { TestServices } from "xfchat/testing"

const keys = new Set(
  Object.values(library).flatMap((value) => (typeof value === "function" && "key" in value ? [value.key] : []))
)

layer(TestServices)("The library", (it) => {
  it.effect("exports every service of ServicesLive", () =>
    Effect.gen(function* () {
      const services = [...(yield* Effect.context<library.Messages>()).mapUnsafe.keys()]
      const ours = services.filter((key) => key.startsWith("xfchat/") && !key.startsWith("xfchat/testing/"))
      assert.include(ours, library.Messages.key)
      assert.deepStrictEqual(
        ours.filter((key) => !keys.has(key)),
        []
      )
    })
  )
})
