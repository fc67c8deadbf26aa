import { assert, layer } from "@effect/vitest"
import { Clock, DateTime, Duration, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import { Accounts } from "../../src/auth/Accounts.ts"
import { LoginAttempts } from "../../src/auth/LoginAttempts.ts"
import { Passwords } from "../../src/auth/Passwords.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import { ChangeBus } from "../../src/changes/ChangeBus.ts"
import * as Database from "../../src/database/Database.ts"
import { holding } from "../database/holding.ts"
import { signedIn, TestDatabase, testPassword } from "../../src/testing/index.ts"

const services = Accounts.layer.pipe(
  Layer.provideMerge(Sessions.layer),
  Layer.provide([Passwords.layer, LoginAttempts.layer, ChangeBus.layerMemory]),
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

  it.effect("ending a session ends only that one", () =>
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
      const sql = yield* SqlClient.SqlClient
      const sessions = yield* Sessions
      const { id, token } = yield* signedIn()
      const [session] = yield* sessions.list(yield* sessions.authenticate(Redacted.make(token)))
      const { createdAt, expiresAt } = session ?? assert.fail()
      assert.strictEqual(Duration.toDays(DateTime.distance(createdAt, expiresAt)), 30)
      const expiresIn = (millis: number) =>
        Effect.flatMap(
          Clock.currentTimeMillis,
          (now) => sql`UPDATE sessions SET expires_at = ${new Date(now + millis)} WHERE user_id = ${id}`
        )
      yield* expiresIn(1)
      assert.strictEqual((yield* sessions.authenticate(Redacted.make(token))).userId, id)
      yield* expiresIn(0)
      assert.strictEqual((yield* Effect.flip(sessions.authenticate(Redacted.make(token))))._tag, "Unauthorized")
    })
  )

  it.effect("the last use is written at most once a minute", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const sessions = yield* Sessions
      const { id, token } = yield* signedIn()
      const lastUse = Effect.gen(function* () {
        yield* sessions.authenticate(Redacted.make(token))
        yield* sessions.flush
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

  it.effect("the last uses of many sessions are written by one statement, as they would be one by one", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const sessions = yield* Sessions
      const people = yield* Effect.forEach([1, 2, 3, 4], () => signedIn())
      const [known, moved, ended, locked] = people.map(({ token }) => Redacted.make(token))
      const ids = people.map(({ id }) => id)
      const stored = sql<{ user: string; at: Date; address: string | null; transaction: string }>`
        SELECT user_id AS user, last_used_at AS at, host(address) AS address, xmin::text AS transaction
        FROM sessions WHERE user_id = ANY(${ids}::uuid[])`.pipe(
        Effect.map((rows) => ids.map((id) => rows.find(({ user }) => user === id)))
      )
      const before = yield* stored
      yield* TestClock.adjust("2 minutes")
      const now = yield* Clock.currentTimeMillis
      yield* sessions.authenticate(known!)
      yield* sessions.authenticate(moved!, "192.0.2.1")
      yield* sessions.authenticate(moved!, "192.0.2.2")
      yield* sessions.end((yield* sessions.authenticate(ended!)).id)
      yield* sessions.authenticate(locked!)
      // A row that another transaction has locked is left to it.
      yield* holding(
        (other) => other`SELECT FROM sessions WHERE user_id = ${ids[3]} FOR UPDATE`,
        () => sessions.flush
      )
      const after = yield* stored
      assert.deepStrictEqual(
        after.map((row) => row?.at.getTime()),
        [now, now, undefined, before[3]?.at.getTime()]
      )
      assert.deepStrictEqual(
        after.map((row) => row?.address),
        [before[0]?.address, "192.0.2.2", undefined, before[3]?.address]
      )
      assert.strictEqual(after[0]?.transaction, after[1]?.transaction)
      yield* sessions.authenticate(locked!)
      yield* sessions.flush
      assert.strictEqual((yield* stored)[3]?.at.getTime(), now)
    })
  )

  it.effect("the address is that of the last use, without a zone", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      const { id } = yield* signedIn()
      const { token } = yield* sessions.open(id, { name: "phone", address: "fe80::1%eth0" })
      const session = yield* sessions.authenticate(token)
      const address = sessions.flush.pipe(
        Effect.andThen(sessions.list(session)),
        Effect.map((list) => list.find(({ isCurrent }) => isCurrent)?.address)
      )
      assert.strictEqual(yield* address, "fe80::1")
      yield* TestClock.adjust("2 minutes")
      yield* sessions.authenticate(token)
      assert.strictEqual(yield* address, "fe80::1")
      yield* TestClock.adjust("2 minutes")
      yield* sessions.authenticate(token, "192.0.2.1")
      assert.strictEqual(yield* address, "192.0.2.1")
      const elsewhere = yield* sessions.open(id, { name: "pipe", address: "/run/socket" })
      const opened = (yield* sessions.list(yield* sessions.authenticate(elsewhere.token))).find(
        ({ isCurrent }) => isCurrent
      )
      assert.isNull(opened?.address)
    })
  )

  it.effect("the hundred-and-first session ends the least recently used one", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      const { id, token } = yield* signedIn()
      const open = Effect.andThen(
        TestClock.adjust("1 second"),
        sessions.open(id, { name: undefined, address: undefined })
      )
      const [second, ...others] = yield* Effect.forEach(Array.from({ length: 99 }), () => open)
      yield* TestClock.adjust("2 minutes")
      const first = yield* sessions.authenticate(Redacted.make(token))
      yield* sessions.flush
      assert.lengthOf(yield* sessions.list(first), 100)

      yield* open
      assert.lengthOf(yield* sessions.list(first), 100)
      assert.strictEqual((yield* Effect.flip(sessions.authenticate(second!.token)))._tag, "Unauthorized")
      yield* TestClock.adjust("2 minutes")
      yield* sessions.authenticate(others[0]!.token)
      yield* sessions.flush
      assert.strictEqual((yield* sessions.list(first))[0]?.id, (yield* sessions.authenticate(others[0]!.token)).id)
    })
  )

  it.effect("an outdated password proof opens no session", () =>
    Effect.gen(function* () {
      const accounts = yield* Accounts
      const sessions = yield* Sessions
      const { account, token } = yield* signedIn()
      const current = yield* sessions.authenticate(Redacted.make(token))
      const device = { name: undefined, address: undefined }
      const { proof } = yield* accounts.verifyLogin({ login: account.username, password: testPassword })
      yield* sessions.open(account.id, device, proof)
      yield* accounts.changePassword(current, { currentPassword: testPassword, newPassword: testPassword })
      assert.strictEqual((yield* Effect.flip(sessions.open(account.id, device, proof)))._tag, "Unauthorized")
      assert.lengthOf(yield* sessions.list(current), 1)
    })
  )

  it.effect("an unknown or missing token is refused", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      for (const token of ["", "x", "\u0000", "ä".repeat(10_000)]) {
        assert.strictEqual((yield* Effect.flip(sessions.authenticate(Redacted.make(token))))._tag, "Unauthorized")
      }
    })
  )
})

layer(services)("The look-up of a session", (it) => {
  it.effect("needs no new plan: PostgreSQL keeps that of earlier ones", () =>
    Effect.gen(function* () {
      const { token } = yield* signedIn()
      const { url } = yield* TestDatabase
      const sql = yield* SqlClient.SqlClient
      // With a small table, PostgreSQL would choose the same plan for any number of rows.
      yield* sql`
        INSERT INTO users (username, email, password_hash)
        SELECT 'filler_' || n, 'filler_' || n || '@example.com', '' FROM generate_series(1, 3000) n`
      yield* sql`
        INSERT INTO sessions (user_id, token_hash, expires_at)
        SELECT id, sha256(username::bytea), now() + interval '1 day' FROM users WHERE username LIKE 'filler%'`
      yield* sql`ANALYZE`
      // Plans belong to one connection.
      const onOneConnection = Layer.fresh(Sessions.layer).pipe(
        Layer.provideMerge(Layer.fresh(Database.layerUnchecked({ url, maxConnections: 1 })))
      )
      const plans = yield* Effect.gen(function* () {
        const connection = yield* SqlClient.SqlClient
        const sessions = yield* Sessions
        yield* Effect.repeat(sessions.authenticate(Redacted.make(token)), { times: 19 })
        return yield* connection`
          SELECT generic_plans::int AS kept, custom_plans::int AS own FROM pg_prepared_statements
          WHERE statement ~ '^[[:space:]]*SELECT s.id'`
      }).pipe(Effect.provide(onOneConnection))
      // PostgreSQL first makes five plans for the given parameters, to compare them.
      assert.deepStrictEqual(plans, [{ kept: 15, own: 5 }])
    })
  )
})

layer(services)("Sessions that have expired", (it) => {
  it.effect("are swept away a day later, and no others", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const sessions = yield* Sessions
      const { id, token } = yield* signedIn()
      const current = yield* sessions.authenticate(Redacted.make(token))
      yield* sql`
        INSERT INTO sessions (user_id, token_hash, device_name, expires_at)
        SELECT ${id}::uuid, sha256(ago::text::bytea), ago::text, ${new Date(0)}::timestamptz - ago * interval '1 hour'
        FROM unnest(ARRAY[1, 22, 27, 1000]) ago`
      const left = sql<{ name: string }>`
        SELECT device_name AS name FROM sessions WHERE user_id = ${id} AND device_name IS NOT NULL ORDER BY expires_at DESC`
      yield* TestClock.adjust("1 hour")
      const names = yield* Effect.repeat(left, { until: (rows) => rows.length < 4 })
      assert.deepStrictEqual(
        names.map(({ name }) => name),
        ["1", "22"]
      )
      assert.lengthOf(yield* sessions.list(current), 1)
    })
  )
})
