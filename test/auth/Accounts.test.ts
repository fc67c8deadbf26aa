import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { Accounts } from "../../src/auth/Accounts.ts"
import { signedIn, testPassword, TestServices } from "../../src/testing/index.ts"

const password = Redacted.make("pässwörd 1")

layer(TestServices)("Accounts", (it) => {
  it.effect("a password is stored only as argon2id with OWASP's parameters", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { id } = yield* signedIn()
      const [row] = yield* sql<{ password_hash: string }>`SELECT password_hash FROM users WHERE id = ${id}`
      assert.match(row?.password_hash ?? "", /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    })
  )

  it.effect("usernames and e-mail addresses are unique, whatever the case", () =>
    Effect.gen(function* () {
      const accounts = yield* Accounts
      yield* accounts.create({ username: "Grace", email: "Grace@Example.com", password })
      const name = yield* Effect.flip(accounts.create({ username: "gRACE", email: "other@example.com", password }))
      assert.strictEqual(name._tag, "UsernameTaken")
      const address = yield* Effect.flip(accounts.create({ username: "other", email: "GRACE@example.com", password }))
      assert.strictEqual(address._tag, "EmailTaken")
    })
  )

  it.effect("of fifty simultaneous signups for a username one succeeds", () =>
    Effect.gen(function* () {
      const accounts = yield* Accounts
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 50 }, (_, index) => `same_${index}@example.com`),
        (email) =>
          accounts
            .create({ username: "same", email, password })
            .pipe(Effect.match({ onSuccess: () => "made", onFailure: ({ _tag }) => _tag })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(outcomes.filter((outcome) => outcome === "made").length, 1)
      assert.strictEqual(outcomes.filter((outcome) => outcome === "UsernameTaken").length, 49)
    })
  )

  it.effect("a login is the username or the e-mail address, whatever the case", () =>
    Effect.gen(function* () {
      const accounts = yield* Accounts
      const { id } = yield* signedIn("Hopper")
      for (const login of ["Hopper", "hopper", "HOPPER@example.com"]) {
        assert.strictEqual((yield* accounts.verifyLogin({ login, password: testPassword })).account.id, id)
      }
    })
  )

  it.effect("an unknown login and a wrong password fail alike", () =>
    Effect.gen(function* () {
      const accounts = yield* Accounts
      yield* signedIn("known")
      const wrong = yield* Effect.flip(accounts.verifyLogin({ login: "known", password }))
      const unknown = yield* Effect.flip(accounts.verifyLogin({ login: "unknown", password }))
      assert.strictEqual(wrong._tag, "Unauthorized")
      assert.deepStrictEqual({ ...wrong }, { ...unknown })
    })
  )

  it.effect("a login replaces a legacy bcrypt hash with argon2id", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const accounts = yield* Accounts
      const { id } = yield* signedIn("legacy")
      const bcrypt = "$2b$04$BSD1sMpunizjxKEXRVXjDOYQMuWp33hykqbSYrATNcZz4ZK6S56YW"
      yield* sql`UPDATE users SET password_hash = ${bcrypt} WHERE id = ${id}`

      assert.strictEqual(
        (yield* Effect.flip(accounts.verifyLogin({ login: "legacy", password: testPassword })))._tag,
        "Unauthorized"
      )
      assert.strictEqual((yield* accounts.verifyLogin({ login: "legacy", password })).account.id, id)
      const [row] = yield* sql<{ password_hash: string }>`SELECT password_hash FROM users WHERE id = ${id}`
      assert.match(row?.password_hash ?? "", /^\$argon2id\$/)
      assert.strictEqual((yield* accounts.verifyLogin({ login: "legacy", password })).account.id, id)
    })
  )
})
