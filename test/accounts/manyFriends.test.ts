import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { AccountDeletion } from "../../src/accounts/AccountDeletion.ts"
import { Profiles } from "../../src/accounts/Profiles.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import type { UserId } from "../../src/contract/Account.ts"
import { Blocks } from "../../src/friends/Blocks.ts"
import { Friends } from "../../src/friends/Friends.ts"
import { Announcements } from "../../src/people/Announcements.ts"
import { testPassword, TestServices, type TestUser } from "../../src/testing/index.ts"
import { holding } from "../database/holding.ts"
import { people } from "../world.ts"

/** More than several transactions take. */
const many = 1_700

/** People who are friends of somebody, in the order of their ids. */
const friendsOf = Effect.fnUntraced(function* ({ id }: TestUser) {
  const sql = yield* SqlClient.SqlClient
  const friends = yield* sql<{ id: UserId }>`
    WITH made AS (
      INSERT INTO users (username, password_hash)
      SELECT left('friend' || replace(gen_random_uuid()::text, '-', ''), 30), '' FROM generate_series(1, ${many}::int) RETURNING id
    ), asked AS (
      INSERT INTO friend_requests (from_user_id, to_user_id, status, responded_at) SELECT id, ${id}, 'accepted', now() FROM made
    ), seen AS (
      INSERT INTO people_revisions (user_id) SELECT id FROM made
    )
    SELECT id FROM made ORDER BY id`
  return friends.map(({ id }) => id)
})

/** How many of some people's lists have which revision. */
const revisionsOf = Effect.fnUntraced(function* (ids: ReadonlyArray<UserId>) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql`
    SELECT revision::int AS revision, count(*)::int AS count FROM people_revisions WHERE user_id = ANY(${ids}::uuid[])
    GROUP BY 1 ORDER BY 1`
})

const announced = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.repeat(sql`SELECT FROM announcements`, {
    until: (rows) => rows.length === 0,
    schedule: Schedule.spaced("20 millis")
  })
})

/** Holds up the announcement to a friend. */
const holdingUp = (friend: UserId) => (other: SqlClient.SqlClient) =>
  other`SELECT FROM people_revisions WHERE user_id = ${friend} FOR UPDATE`

layer(TestServices, { excludeTestServices: true })("Somebody with thousands of friends", (it) => {
  it.effect("deletes the account: gone for all of them at once, and no friend waits for the others", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada] = yield* people("ada")
      const friends = yield* friendsOf(ada)
      const [held, last] = [friends[700]!, friends.at(-1)!]
      const listOf = Effect.fnUntraced(function* (id: UserId) {
        return (yield* (yield* Friends).list(id, 10, undefined)).items.map(({ id }) => id)
      })
      assert.deepStrictEqual(yield* listOf(last), [ada.id])
      const current = yield* (yield* Sessions).authenticate(Redacted.make(ada.token))
      yield* holding(holdingUp(held), () =>
        Effect.gen(function* () {
          yield* (yield* AccountDeletion).deleteAccount(current, testPassword)
          assert.strictEqual((yield* sql`SELECT FROM announcements WHERE user_id = ${ada.id}`).length, 1)
          assert.isAbove((yield* sql`SELECT FROM friend_requests WHERE to_user_id = ${ada.id}`).length, 0)
          assert.deepStrictEqual(yield* listOf(last), [])
          yield* (yield* Blocks).block(last, friends[0]!)
          assert.strictEqual((yield* sql`SELECT FROM announcements WHERE user_id = ${ada.id}`).length, 1)
        })
      )
      yield* announced
      assert.deepStrictEqual(yield* sql`SELECT FROM friend_requests WHERE ${ada.id} IN (from_user_id, to_user_id)`, [])
      assert.deepStrictEqual(yield* revisionsOf(friends), [
        { revision: 2, count: many - 1 },
        { revision: 3, count: 1 }
      ])
    })
  )

  it.effect("shows a new name to all of them, however many there are", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const friends = yield* friendsOf(ada)
      yield* (yield* Profiles).update(ada.id, { displayName: "Countess" })
      const [{ items } = { items: [] }] = [yield* (yield* Friends).list(friends.at(-1)!, 10, undefined)]
      assert.strictEqual(items[0]?.displayName, "Countess")
      yield* announced
      assert.deepStrictEqual(yield* revisionsOf(friends), [{ revision: 2, count: many }])
    })
  )

  it.effect("is gone for the last of them also if the process ends before", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, bob] = yield* people("ada", "bob")
      const friends = yield* friendsOf(ada)
      yield* sql`INSERT INTO blocks (blocker_id, blocked_id) VALUES (${ada.id}, ${bob.id})`
      yield* Layer.build(Layer.fresh(Announcements.layer)).pipe(
        Effect.flatMap((services) =>
          holding(holdingUp(friends[1_200]!), () =>
            Effect.gen(function* () {
              const { announce } = yield* Effect.provide(Announcements, services)
              yield* sql`UPDATE users SET deleted_at = now() WHERE id = ${ada.id}`.pipe(
                Effect.andThen(announce(ada.id, "deletion")),
                sql.withTransaction
              )
              // Until the slices have come to the held row.
              yield* Effect.repeat(sql`SELECT FROM friend_requests WHERE to_user_id = ${ada.id}`, {
                until: (rows) => rows.length < many - 900,
                schedule: Schedule.spaced("20 millis")
              })
            })
          )
        ),
        Effect.scoped,
        Effect.forkChild({ startImmediately: true }),
        Effect.flatMap(Fiber.join)
      )
      yield* Layer.build(Layer.fresh(Announcements.layer))
      yield* announced
      assert.deepStrictEqual(yield* sql`SELECT FROM friend_requests WHERE to_user_id = ${ada.id}`, [])
      assert.deepStrictEqual(yield* sql`SELECT FROM blocks WHERE blocker_id = ${ada.id}`, [])
      assert.deepStrictEqual(yield* revisionsOf(friends), [{ revision: 2, count: many }])
      // Somebody whom the person had blocked does not notice.
      assert.deepStrictEqual(yield* revisionsOf([bob.id]), [])
    }).pipe(Effect.scoped)
  )
})
