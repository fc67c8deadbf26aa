import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import { Accounts } from "../../src/auth/Accounts.ts"
import { Passwords } from "../../src/auth/Passwords.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import { ChangeBus } from "../../src/streaming/ChangeBus.ts"
import { signedIn, TestDatabase } from "../../src/testing/index.ts"

const services = Layer.merge(Accounts.layer, Sessions.layer).pipe(
  Layer.provide([Passwords.layer, ChangeBus.layerMemory]),
  Layer.provideMerge(TestDatabase.layer)
)

layer(services)("Sessions", (it) => {
  it.effect("a token has 256 random bits, and only its SHA-256 is stored", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { id, token } = yield* signedIn()
      assert.strictEqual(Buffer.from(token, "base64url").length, 32)
      const rows = yield* sql<{ token_hash: Uint8Array; row: string }>`
        SELECT token_hash, sessions::text AS row FROM sessions WHERE user_id = ${id}`
      assert.strictEqual(rows.length, 1)
      assert.deepStrictEqual(Buffer.from(rows[0]!.token_hash), createHash("sha256").update(token).digest())
      assert.notInclude(rows[0]!.row, token)
    })
  )

  it.effect("a session ends when it is ended, and only that one", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      const { id, token } = yield* signedIn()
      const other = yield* sessions.open(id, { name: "phone", address: "192.0.2.1" })
      const session = yield* sessions.authenticate(Redacted.make(token))
      yield* sessions.end(session.id)
      yield* sessions.end(session.id)
      assert.strictEqual((yield* Effect.flip(sessions.authenticate(Redacted.make(token))))._tag, "Unauthorized")
      assert.strictEqual((yield* sessions.authenticate(other.token)).userId, id)
    })
  )

  it.effect("a session ends after its lifetime, thirty days", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      const { id } = yield* signedIn()
      const { token } = yield* sessions.open(id, { name: undefined, address: undefined })
      yield* TestClock.adjust("29 days")
      assert.strictEqual((yield* sessions.authenticate(token)).userId, id)
      yield* TestClock.adjust("1 day")
      assert.strictEqual((yield* Effect.flip(sessions.authenticate(token)))._tag, "Unauthorized")
    })
  )

  it.effect("the last use is written down at most once a minute", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const sessions = yield* Sessions
      const { id, token } = yield* signedIn()
      const lastUse = Effect.gen(function* () {
        yield* sessions.authenticate(Redacted.make(token))
        const [row] = yield* sql<{ at: Date }>`SELECT last_used_at AS at FROM sessions WHERE user_id = ${id}`
        return row!.at.getTime()
      })
      const opened = yield* lastUse
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(yield* lastUse, opened)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* lastUse, opened + 61_000)
    })
  )

  it.effect("no token, and any other token, is nobody's", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      for (const token of ["", "x", "\u0000", "ä".repeat(10_000)]) {
        assert.strictEqual((yield* Effect.flip(sessions.authenticate(Redacted.make(token))))._tag, "Unauthorized")
      }
    })
  )
})
