import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { foldLogin } from "../../src/contract/Account.ts"
import { Accounts } from "../../src/auth/Accounts.ts"
import { LoginAttempts } from "../../src/auth/LoginAttempts.ts"
import { Passwords } from "../../src/auth/Passwords.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import { ChangeBus } from "../../src/changes/ChangeBus.ts"
import { signedIn, TestDatabase, testPassword } from "../../src/testing/index.ts"

/** The calls of the passwords since it was last emptied. */
const work: Array<string> = []

/** The legacy costs that the passwords got. */
const costs: Array<number | undefined> = []

const CountedPasswords = Layer.effect(
  Passwords,
  Effect.map(Passwords, (passwords) =>
    Passwords.of({
      hash: (password) =>
        Effect.andThen(
          Effect.sync(() => work.push("hash")),
          passwords.hash(password)
        ),
      verify: (password, stored, legacyCost) =>
        Effect.andThen(
          Effect.sync(() => {
            work.push("verify")
            costs.push(legacyCost)
          }),
          passwords.verify(password, stored, legacyCost)
        )
    })
  )
).pipe(Layer.provide(Passwords.layer))

const services = Accounts.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Sessions.layer, LoginAttempts.layer)),
  Layer.provide([CountedPasswords, ChangeBus.layerMemory]),
  Layer.provideMerge(TestDatabase.layer)
)

const wrong = Redacted.make("not the password")
const here = "192.0.2.1"
const elsewhere = "192.0.2.2"

/** The result of a login: "in", or the refusal with its delay. */
const tryLogin = Effect.fnUntraced(function* (login: string, password: Redacted.Redacted, address?: string) {
  const accounts = yield* Accounts
  return yield* accounts.verifyLogin({ login, password }, address).pipe(
    Effect.match({
      onSuccess: () => "in",
      onFailure: (error) => (error._tag === "RateLimited" ? `wait ${error.retryAfter}` : error._tag)
    })
  )
})

/** Lets blocked logins be tried again, as if the time had passed. */
const delaysPass = SqlClient.SqlClient.use((sql) => sql`UPDATE login_attempts SET blocked_until = now()`)

layer(services)("A login", (it) => {
  it.effect("ignores spaces around it and its spelling", () =>
    Effect.gen(function* () {
      yield* signedIn("Irina")
      assert.strictEqual(yield* tryLogin(" irina\u00a0", testPassword), "in")
      assert.strictEqual(yield* tryLogin("\tIRINA@Example.com ", testPassword), "in")
      const spellings = ["irina", "IRINA", "iRiNa ", "irina@example.com", " IRINA@EXAMPLE.COM"]
      for (const login of spellings) assert.strictEqual(yield* tryLogin(login, wrong, here), "Unauthorized")
      for (const login of spellings) assert.strictEqual(yield* tryLogin(login, testPassword, here), "wait 1")
    })
  )

  it.effect("is folded by one rule, whatever the database's locale makes of a letter", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* signedIn("inga")
      for (const login of ["\u0130nga", "\u0130nga@example.com", "\u0131nga", "inga@example.com\u0307"]) {
        assert.strictEqual(yield* tryLogin(login, testPassword), "Unauthorized")
      }
      for (const text of ["AZaz", "\u0130\u0131I\u0307", "\u00c4\u1e9e\u03a3", "K\u212a", "0_@.-"]) {
        const [row] = yield* sql<{ folded: string }>`SELECT lower(${text}::text COLLATE "C") AS folded`
        assert.strictEqual(foldLogin(text), row?.folded)
      }
    })
  )

  it.effect("knows the cost of the costliest remaining legacy hash", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { id } = yield* signedIn("fromlegacy")
      yield* signedIn("other")
      const seen = Effect.fnUntraced(function* (login: string) {
        costs.length = 0
        yield* tryLogin(login, wrong)
        return costs
      })
      for (const login of ["other", "nobodyatall"]) assert.deepStrictEqual(yield* seen(login), [0])
      yield* sql`
        UPDATE users SET password_hash = '$2b$05$CwArU1wRTSN9MSPe.o13f.OCZJsKHmyz1xT4aDHmhrfXBcPCspn/S' WHERE id = ${id}`
      for (const login of ["other", "nobodyatall", "fromlegacy"]) assert.deepStrictEqual(yield* seen(login), [5])
      yield* sql`UPDATE users SET password_hash = '$2b$nonsense' WHERE id = ${id}`
      assert.deepStrictEqual(yield* seen("fromlegacy"), [0])
    })
  )

  it.effect("costs and answers the same for unknown logins, wrong passwords and deleted accounts", () =>
    Effect.gen(function* () {
      const accounts = yield* Accounts
      yield* signedIn("known")
      const { id } = yield* signedIn("gone")
      yield* accounts.anonymise(id, yield* accounts.verifyPassword(id, testPassword))

      const attempts = yield* Effect.forEach(
        ["known", "known@example.com", "unknown", "un@example.com", "gone", "gone@example.com", `deleted-${id}`],
        (login) =>
          Effect.gen(function* () {
            work.length = 0
            const error = yield* Effect.flip(accounts.verifyLogin({ login, password: wrong }))
            return { work: [...work], error: { ...error } }
          })
      )
      for (const attempt of attempts) {
        assert.deepStrictEqual(attempt.work, ["verify"])
        assert.deepStrictEqual(attempt, attempts[0])
      }
    })
  )

  it.effect("has no delay five times, and then a doubling one of up to 15 minutes", () =>
    Effect.gen(function* () {
      for (const login of ["guessed", "nobody"]) {
        if (login === "guessed") yield* signedIn(login)
        const free = yield* Effect.forEach(Array.from({ length: 5 }), () => tryLogin(login, wrong, here))
        assert.deepStrictEqual(
          free,
          Array.from({ length: 5 }, () => "Unauthorized")
        )
        const delays: Array<string> = []
        for (let n = 0; n < 13; n++) {
          delays.push(yield* tryLogin(login, wrong, here))
          yield* delaysPass
          assert.strictEqual(yield* tryLogin(login, wrong, here), "Unauthorized")
        }
        const seconds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
        assert.deepStrictEqual(
          delays,
          seconds.map((delay) => `wait ${delay}`)
        )
      }
    })
  )

  it.effect("does not delay an attempt that began earlier and finishes later", () =>
    Effect.gen(function* () {
      const attempts = yield* LoginAttempts
      const sql = yield* SqlClient.SqlClient
      const attempt = attempts.begin({ login: "at once", address: here })
      const hasBegun = yield* Deferred.make<void>()
      const later = yield* Effect.forkChild(Effect.andThen(Deferred.await(hasBegun), attempt), {
        startImmediately: true
      })
      yield* sql`SELECT now()`.pipe(
        Effect.andThen(Deferred.succeed(hasBegun, undefined)),
        Effect.andThen(Fiber.join(later)),
        Effect.andThen(attempt),
        sql.withTransaction
      )
    })
  )

  it.effect("during a delay is not verified, and does not lengthen the delay", () =>
    Effect.gen(function* () {
      yield* signedIn("patient")
      yield* Effect.forEach(Array.from({ length: 5 }), () => tryLogin("patient", wrong, here))
      work.length = 0
      for (let n = 0; n < 10; n++) assert.strictEqual(yield* tryLogin("patient", testPassword, here), "wait 1")
      assert.deepStrictEqual(work, [])
      yield* delaysPass
      assert.strictEqual(yield* tryLogin("patient", testPassword, here), "in")
    })
  )

  it.effect("from another address is not delayed", () =>
    Effect.gen(function* () {
      yield* signedIn("victim")
      yield* Effect.forEach(Array.from({ length: 20 }), () => tryLogin("victim", wrong, here))
      // On a slow machine a second passes meanwhile, and a further attempt doubles the delay.
      assert.match(yield* tryLogin("victim", testPassword, here), /^wait \d+$/)
      assert.strictEqual(yield* tryLogin("victim", testPassword, elsewhere), "in")
      assert.strictEqual(yield* tryLogin("victim", testPassword, "2001:db8::1"), "in")
      assert.strictEqual(yield* tryLogin("victim", testPassword), "in")
    })
  )

  it.effect("is delayed in any spelling, and from a whole IPv6 network", () =>
    Effect.gen(function* () {
      const logins = ["Same", "SAME", "same", "sAmE", "samE"]
      for (const [index, login] of logins.entries()) {
        assert.strictEqual(yield* tryLogin(login, wrong, `2001:db8::${index}`), "Unauthorized")
      }
      assert.strictEqual(yield* tryLogin("same", wrong, "2001:db8::ffff:1"), "wait 1")
      assert.strictEqual(yield* tryLogin("same", wrong, "2001:db8:0:1::1"), "Unauthorized")
    })
  )

  it.effect("that succeeds clears the failures", () =>
    Effect.gen(function* () {
      yield* signedIn("returning")
      for (let n = 0; n < 3; n++) {
        const outcomes = yield* Effect.forEach([wrong, wrong, wrong, wrong, testPassword], (password) =>
          tryLogin("returning", password, here)
        )
        assert.strictEqual(outcomes.at(-1), "in")
      }
    })
  )

  it.effect("after an hour counts as the first again", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Effect.forEach(Array.from({ length: 5 }), () => tryLogin("later", wrong, here))
      assert.strictEqual(yield* tryLogin("later", wrong, here), "wait 1")
      yield* sql`UPDATE login_attempts SET blocked_until = blocked_until - interval '1 hour', forgotten_at = forgotten_at - interval '1 hour'`
      for (let n = 0; n < 5; n++) assert.strictEqual(yield* tryLogin("later", wrong, here), "Unauthorized")
      assert.strictEqual(yield* tryLogin("later", wrong, here), "wait 1")
    })
  )

  it.effect("with fifty simultaneous attempts is verified five times", () =>
    Effect.gen(function* () {
      yield* signedIn("stormed")
      work.length = 0
      const start = performance.now()
      const outcomes = yield* Effect.all(
        Array.from({ length: 50 }, () => tryLogin("stormed", wrong, here)),
        { concurrency: "unbounded" }
      )
      const seconds = (performance.now() - start) / 1_000
      const verified = outcomes.filter((outcome) => outcome === "Unauthorized").length
      assert.isAtLeast(verified, 5)
      // The delays of 1, 2, 4, … seconds end on a slow machine: each lets one more through.
      assert.isAtMost(verified, 5 + Math.log2(1 + seconds))
      assert.lengthOf(
        outcomes.filter((outcome) => /^wait \d+$/.test(outcome)),
        50 - verified
      )
      assert.lengthOf(work, verified)
    })
  )

  it.effect("leaves no login and no address in the database", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* tryLogin("traceless", wrong, "203.0.113.77")
      const rows = yield* sql<{ row: string }>`SELECT login_attempts::text AS row FROM login_attempts`
      assert.isNotEmpty(rows)
      for (const { row } of rows) {
        assert.notInclude(row, "traceless")
        assert.notInclude(row, "203.0.113.77")
        assert.notInclude(row, Buffer.from("traceless").toString("hex"))
      }
    })
  )
})

layer(services)("The current password", (it) => {
  it.effect("cannot be guessed with a stolen session", () =>
    Effect.gen(function* () {
      const accounts = yield* Accounts
      const { id } = yield* signedIn("robbed")
      const confirm = (password: Redacted.Redacted, address: string) =>
        accounts
          .verifyPassword(id, password, address)
          .pipe(Effect.match({ onSuccess: () => "proven", onFailure: ({ _tag }) => _tag }))
      for (let n = 0; n < 5; n++) assert.strictEqual(yield* confirm(wrong, here), "Forbidden")
      assert.strictEqual(yield* confirm(testPassword, here), "RateLimited")
      // Their owner is not kept from anything.
      assert.strictEqual(yield* tryLogin("robbed", testPassword, here), "in")
      assert.strictEqual(yield* confirm(testPassword, elsewhere), "proven")
    })
  )
})

layer(services)("Attempts that are forgotten", (it) => {
  it.effect("are swept away, and no others", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO login_attempts (key, failures, blocked_until, forgotten_at)
        SELECT sha256(n::text::bytea), 1, now(), now() + n * interval '1 minute' FROM generate_series(-3, 2) n`
      // The sweep of the start may still be running: the next one is due ten minutes after its end.
      const left = Effect.andThen(TestClock.adjust("10 minutes"), sql`SELECT FROM login_attempts`)
      assert.lengthOf(yield* Effect.repeat(left, { until: (rows) => rows.length < 6 }), 2)
    })
  )
})
