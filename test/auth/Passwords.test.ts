import { assert, describe, it, layer } from "@effect/vitest"
import * as argon2 from "@node-rs/argon2"
import { Effect, Fiber, Redacted, Schema } from "effect"
import { comparisonWith, Passwords } from "../../src/auth/Passwords.ts"

const Cost = Schema.Int.check(Schema.isBetween({ minimum: 4, maximum: 14 }))
const bcryptOf = (cost: number) =>
  `$2b$${String(cost).padStart(2, "0")}$CwArU1wRTSN9MSPe.o13f.OCZJsKHmyz1xT4aDHmhrfXBcPCspn/S`

describe("the work of a comparison", () => {
  it.prop(
    "is the same for argon2id, for each legacy hash and for nobody, at the cost that the table holds",
    [Cost, Cost],
    ([first, second]) => {
      const [cost, legacyCost] = [Math.min(first, second), Math.max(first, second)]
      const workOf = (stored: string | undefined) =>
        comparisonWith(stored, legacyCost).bcrypt.reduce((sum, hash) => sum + 2 ** Number(hash.slice(4, 6)), 0)
      for (const stored of [undefined, "", "$2b$nonsense", "$argon2id$v=19$m=19456,t=2,p=1$", bcryptOf(cost)]) {
        assert.strictEqual(workOf(stored), 2 ** legacyCost)
      }
      assert.strictEqual(comparisonWith(bcryptOf(cost), legacyCost).bcrypt[0], bcryptOf(cost))
    }
  )

  it("is argon2id alone if there is no legacy hash", () => {
    assert.deepStrictEqual(comparisonWith("$argon2id$", 0), { argon2: "$argon2id$", bcrypt: [] })
    assert.deepStrictEqual(comparisonWith(undefined, 0), { argon2: undefined, bcrypt: [] })
  })
})

layer(Passwords.layer)("Passwords", (it) => {
  it.effect("a legacy hash matches only its password, also among costlier hashes", () =>
    Effect.gen(function* () {
      const passwords = yield* Passwords
      const hash = "$2b$04$emO90ZftXyb554HxIJBJC.wgMJF9apWgTxqwILQOLUAK98rEXG3.2"
      assert.isTrue((yield* passwords.verify(Redacted.make("caf\u00e9"), hash, 6)).matches)
      assert.isFalse((yield* passwords.verify(Redacted.make("coffee"), hash, 6)).matches)
      const today = yield* passwords.hash(Redacted.make("a password"))
      assert.isTrue((yield* passwords.verify(Redacted.make("a password"), today, 6)).matches)
      assert.isFalse((yield* passwords.verify(Redacted.make("a password"), undefined, 4)).matches)
    })
  )

  it.effect("the same password in another Unicode form is the same password", () =>
    Effect.gen(function* () {
      const passwords = yield* Passwords
      const hash = yield* passwords.hash(Redacted.make("caf\u00e9 \ufb01ne"))
      const { matches } = yield* passwords.verify(Redacted.make("cafe\u0301 fine"), hash)
      assert.isTrue(matches)
    })
  )

  it.effect("an account that does not exist never matches", () =>
    Effect.gen(function* () {
      const passwords = yield* Passwords
      const { matches } = yield* passwords.verify(Redacted.make("anything"), undefined)
      assert.isFalse(matches)
    })
  )

  it.effect("a malformed stored hash never matches", () =>
    Effect.gen(function* () {
      const passwords = yield* Passwords
      for (const stored of ["", "!", "$2b$nonsense", "$argon2id$nonsense"]) {
        const { matches } = yield* passwords.verify(Redacted.make("anything"), stored)
        assert.isFalse(matches)
      }
    })
  )

  it.effect("a legacy bcrypt hash matches the password as typed, and is outdated", () =>
    Effect.gen(function* () {
      const passwords = yield* Passwords
      const hash = "$2b$04$emO90ZftXyb554HxIJBJC.wgMJF9apWgTxqwILQOLUAK98rEXG3.2"
      assert.deepStrictEqual(yield* passwords.verify(Redacted.make("caf\u00e9"), hash), {
        matches: true,
        outdated: true
      })
      assert.isFalse((yield* passwords.verify(Redacted.make("cafe\u0301"), hash)).matches)
    })
  )

  it.effect("a bcrypt hash that would take hours never matches", () =>
    Effect.gen(function* () {
      const passwords = yield* Passwords
      const hash = "$2b$31$CwArU1wRTSN9MSPe.o13f.OCZJsKHmyz1xT4aDHmhrfXBcPCspn/S"
      assert.isFalse((yield* passwords.verify(Redacted.make("a password"), hash)).matches)
    })
  )

  it.effect("a hash of another cost matches, and is outdated; one of today's is not", () =>
    Effect.gen(function* () {
      const passwords = yield* Passwords
      const password = Redacted.make("a password")
      const cheap = argon2.hashSync("a password", { memoryCost: 4_096, timeCost: 1, parallelism: 1 })
      assert.deepStrictEqual(yield* passwords.verify(password, cheap), { matches: true, outdated: true })
      const today = yield* passwords.hash(password)
      assert.deepStrictEqual(yield* passwords.verify(password, today), { matches: true, outdated: false })
    })
  )

  it.effect("a client that disconnects leaves the queue", () =>
    Effect.gen(function* () {
      const passwords = yield* Passwords
      const hash = passwords.hash(Redacted.make("a password"))
      const all = Effect.all(
        Array.from({ length: 100 }, () => hash),
        { concurrency: "unbounded" }
      )
      yield* Fiber.interrupt(yield* Effect.forkChild(all, { startImmediately: true }))
      assert.lengthOf(yield* all, 100)
    })
  )

  it.effect("a full queue refuses requests, and recovers", () =>
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
