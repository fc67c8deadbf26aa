import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Passwords } from "../../src/auth/Passwords.ts"

layer(Passwords.layer)("Passwords", (it) => {
  it.effect("the same password in another Unicode form is the same password", () =>
    Effect.gen(function* () {
      const passwords = yield* Passwords
      const hash = yield* passwords.hash(Redacted.make("caf\u00e9 \ufb01ne"))
      const { matches } = yield* passwords.verify(Redacted.make("cafe\u0301 fine"), hash)
      assert.isTrue(matches)
    })
  )

  it.effect("an account that is not there never matches", () =>
    Effect.gen(function* () {
      const passwords = yield* Passwords
      const { matches } = yield* passwords.verify(Redacted.make("anything"), undefined)
      assert.isFalse(matches)
    })
  )

  it.effect("a stored hash that is none never matches", () =>
    Effect.gen(function* () {
      const passwords = yield* Passwords
      for (const stored of ["", "!", "$2b$nonsense", "$argon2id$nonsense"]) {
        const { matches } = yield* passwords.verify(Redacted.make("anything"), stored)
        assert.isFalse(matches)
      }
    })
  )

  it.effect("beyond a bounded queue the server says that it is busy, and recovers", () =>
    Effect.gen(function* () {
      const passwords = yield* Passwords
      const hash = passwords
        .hash(Redacted.make("a password"))
        .pipe(Effect.match({ onSuccess: () => "hashed", onFailure: ({ _tag }) => _tag }))
      const outcomes = yield* Effect.all(
        Array.from({ length: 110 }, () => hash),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(outcomes.filter((outcome) => outcome === "ServerBusy").length, 10)
      assert.strictEqual(yield* hash, "hashed")
    })
  )
})
