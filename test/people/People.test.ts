import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Blocks } from "../../src/friends/Blocks.ts"
import { People } from "../../src/people/People.ts"
import { signedIn, TestServices, type TestUser } from "../../src/testing/index.ts"
import { nobody, refusal } from "../world.ts"

const discoverable = Effect.fnUntraced(function* ({ id }: TestUser) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`UPDATE users SET is_discoverable = true WHERE id = ${id}`
})

const remove = Effect.fnUntraced(function* ({ id }: TestUser) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`UPDATE users SET deleted_at = now() WHERE id = ${id}`
})

const find = Effect.fnUntraced(function* (caller: TestUser, query: string) {
  return (yield* (yield* People).search(caller.id, query)).map(({ username }) => username)
})

layer(TestServices)("People", (it) => {
  it.effect("are found by their whole username or address, in any case and with any settings", () =>
    Effect.gen(function* () {
      const [ada, me] = [yield* signedIn("Lovelace"), yield* signedIn()]
      for (const query of ["Lovelace", "lovelACE", "lovelace@EXAMPLE.com"]) {
        assert.deepStrictEqual(yield* find(me, query), ["Lovelace"], query)
      }
      const [found] = yield* (yield* People).search(me.id, "lovelace")
      assert.hasAllKeys({ ...found }, ["id", "username", "displayName", "avatarUrl"])
      assert.strictEqual(found?.id, ada.id)
    })
  )

  it.effect("are found by the beginning of their username only if they allow it", () =>
    Effect.gen(function* () {
      const [, b, c, me] = [
        yield* signedIn("hopper"),
        yield* signedIn("HopperTwo"),
        yield* signedIn("hop_per"),
        yield* signedIn()
      ]
      yield* discoverable(b)
      yield* discoverable(c)
      assert.deepStrictEqual(yield* find(me, "hop"), ["hop_per", "HopperTwo"])
      assert.deepStrictEqual(yield* find(me, "HOPPER"), ["hopper", "HopperTwo"])
      assert.deepStrictEqual(yield* find(me, "hop_"), ["hop_per"])
      for (const query of ["ho", "opper", "hop%", "h%r", "hopper@", "hoppertwo@example"]) {
        assert.deepStrictEqual(yield* find(me, query), [], query)
      }
    })
  )

  it.effect("are ten at most, without a way to get the others", () =>
    Effect.gen(function* () {
      const me = yield* signedIn()
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO users (username, email, password_hash, is_discoverable)
        SELECT 'crowd_' || n, 'crowd_' || n || '@example.com', '', true FROM generate_series(100, 150) n`
      const found = yield* find(me, "crowd")
      assert.deepStrictEqual(
        found,
        Array.from({ length: 10 }, (_, n) => `crowd_${100 + n}`)
      )
      assert.deepStrictEqual(yield* find(me, "crowd_133"), ["crowd_133"])
    })
  )

  it.effect("are not found once their account is deleted", () =>
    Effect.gen(function* () {
      const people = yield* People
      const [gone, me] = [yield* signedIn("leaving"), yield* signedIn()]
      yield* discoverable(gone)
      yield* remove(gone)
      for (const query of ["leaving", "leav", "leaving@example.com"]) {
        assert.deepStrictEqual(yield* find(me, query), [], query)
      }
      assert.strictEqual(yield* refusal(people.get(gone.id)), "NotFound")
      for (const name of ["leaving", "leaving@example.com", gone.id]) {
        assert.strictEqual(yield* refusal(people.find(name)), "NotFound", name)
      }
    })
  )

  it.effect("who block somebody are to them like people who do not want to be found", () =>
    Effect.gen(function* () {
      const [blocker, blocked, other] = [yield* signedIn("turing"), yield* signedIn(), yield* signedIn()]
      yield* discoverable(blocker)
      yield* (yield* Blocks).block(blocker.id, blocked.id)
      assert.deepStrictEqual(yield* find(blocked, "tur"), [])
      assert.deepStrictEqual(yield* find(other, "tur"), ["turing"])
      // As for anybody: the blocked person may know the name from elsewhere.
      assert.deepStrictEqual(yield* find(blocked, "turing"), ["turing"])
      assert.deepStrictEqual(yield* find(blocked, "turing@example.com"), ["turing"])
    })
  )

  it.effect("are identified by their username, their address or their id", () =>
    Effect.gen(function* () {
      const people = yield* People
      const user = yield* signedIn("Neumann")
      for (const name of ["neumann", "NEUMANN@example.com", user.id, user.id.toUpperCase()]) {
        assert.strictEqual(yield* people.find(name), user.id)
      }
      for (const name of [nobody, "neumanns", "neumann@example.org", "neum"]) {
        assert.strictEqual(yield* refusal(people.find(name)), "NotFound", name)
      }
      assert.strictEqual((yield* people.get(user.id)).username, "Neumann")
      assert.strictEqual(yield* refusal(people.get(nobody)), "NotFound")
    })
  )
})
