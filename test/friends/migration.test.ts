import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Migrator from "../../src/database/Migrator.ts"
import { EmptyDatabase, query, run } from "../database/migrations/postgres.ts"

const [ann, bob, cid, dee] = ["a", "b", "c", "d"].map((digit) => `${digit.repeat(8)}-0000-0000-0000-000000000000`)
const request = (n: number) => `00000000-0000-0000-0000-00000000000${n}`

/** The state before friends had their own tables: Bob blocks Ann, Cid has declined Ann, and Dee is Ann's friend. */
const before = Effect.gen(function* () {
  yield* Migrator.migrate
  yield* Migrator.rollback({ to: 20240108000000n })
  yield* run(`
    INSERT INTO users (id, username, email, password_hash)
    SELECT id::uuid, name, name || '@x.org', '' FROM (VALUES ('${ann}', 'ann'), ('${bob}', 'bob'), ('${cid}', 'cid'), ('${dee}', 'dee'))
      AS u (id, name);
    INSERT INTO friend_requests (id, from_user_id, to_user_id, from_username, from_email, to_email, message, status, created_at,
      responded_at) VALUES
      ('${request(1)}', '${ann}', '${bob}', 'ann', 'ann@x.org', 'bob@x.org', 'hi', 'blocked', '2024-01-01Z', '2024-01-02 00:00:00.123456Z'),
      ('${request(2)}', '${ann}', '${cid}', 'ann', 'ann@x.org', 'cid@x.org', NULL, 'rejected', '2024-01-01Z', '2024-01-02Z'),
      ('${request(3)}', '${ann}', '${dee}', 'ann', 'ann@x.org', 'dee@x.org', NULL, 'accepted', '2024-01-01Z', '2024-01-02Z')`)
})

const requests = query(`
  SELECT id, from_user_id, to_user_id, from_username, from_email, to_email, message, status FROM friend_requests ORDER BY id`)
const blocks = query("SELECT blocker_id, blocked_id, created_at FROM blocks ORDER BY blocker_id")

describe("an older XFChat's friends", () => {
  it.live("keep their blocks, which the blocked people do not notice", () =>
    Effect.gen(function* () {
      yield* before
      yield* Migrator.migrate
      assert.deepStrictEqual(yield* blocks, [
        { blocker_id: bob, blocked_id: ann, created_at: new Date("2024-01-02T00:00:00.123Z") }
      ])
      assert.deepStrictEqual(yield* query("SELECT status FROM friend_requests ORDER BY id"), [
        { status: "ended" },
        { status: "rejected" },
        { status: "accepted" }
      ])
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("find their old state again when the migration is reverted", () =>
    Effect.gen(function* () {
      yield* before
      const were = yield* requests
      yield* Migrator.migrate
      yield* Migrator.rollback({ to: 20240108000000n })
      assert.deepStrictEqual(yield* requests, were)
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("lose no newer block, even if both block each other", () =>
    Effect.gen(function* () {
      yield* before
      yield* Migrator.migrate
      yield* run(`
        INSERT INTO blocks (blocker_id, blocked_id, created_at) VALUES
          ('${ann}', '${bob}', '2025-01-01Z'), ('${cid}', '${ann}', '2025-01-01Z'), ('${dee}', '${cid}', '2025-01-01Z');
        INSERT INTO friend_requests (from_user_id, to_user_id, status) VALUES ('${bob}', '${cid}', 'ended')`)
      const made = yield* blocks
      yield* Migrator.rollback({ to: 20240108000000n })
      assert.deepStrictEqual(
        yield* query("SELECT from_user_id, to_user_id, status FROM friend_requests ORDER BY from_user_id, to_user_id"),
        [
          { from_user_id: ann, to_user_id: bob, status: "blocked" },
          { from_user_id: ann, to_user_id: cid, status: "blocked" },
          { from_user_id: ann, to_user_id: dee, status: "accepted" },
          { from_user_id: cid, to_user_id: dee, status: "blocked" }
        ]
      )
      yield* Migrator.migrate
      assert.deepStrictEqual(yield* blocks, made)
      assert.deepStrictEqual(yield* query("SELECT FROM set_aside"), [])
    }).pipe(Effect.provide(EmptyDatabase))
  )
})
