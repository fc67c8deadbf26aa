import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Profiles } from "../../src/accounts/Profiles.ts"
import { Blocks } from "../../src/friends/Blocks.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { PresenceAudiences, mostPeople } from "../../src/presence/PresenceAudiences.ts"
import type { PresenceAudience } from "../../src/contract/PresencePage.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { groupOf, nobody, people } from "../world.ts"

const empty: PresenceAudience = { people: new Set(), conversations: new Set() }

/** Whether each sees the other: it is always mutual. */
const seeEachOther = Effect.fnUntraced(function* (one: TestUser, other: TestUser) {
  const circles = yield* (yield* PresenceAudiences).of([one.id, other.id])
  const sees = circles.get(one.id)?.people.has(other.id)
  assert.strictEqual(circles.get(other.id)?.people.has(one.id), sees)
  return sees
})

const circleOf = Effect.fnUntraced(function* ({ id }: TestUser) {
  const circle = (yield* (yield* PresenceAudiences).of([id])).get(id)
  return circle ?? assert.fail("no circle")
})

const befriend = Effect.fnUntraced(function* (from: TestUser, to: TestUser, status: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO friend_requests (from_user_id, to_user_id, status) VALUES (${from.id}, ${to.id}, ${status})
    ON CONFLICT (least(from_user_id, to_user_id), greatest(from_user_id, to_user_id)) DO UPDATE SET status = ${status}`
})

/** Adds people who have no other part in a test. */
const fill = Effect.fnUntraced(function* (conversation: string, count: number) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    WITH made AS (
      INSERT INTO users (username, email, password_hash)
      SELECT 'filler_' || id, 'filler_' || id || '@example.com', ''
      FROM (SELECT left(gen_random_uuid()::text, 8) AS id FROM generate_series(1, ${count})) ids
      RETURNING id
    )
    INSERT INTO conversation_participants (conversation_id, user_id) SELECT ${conversation}::uuid, id FROM made`
})

layer(TestServices)("In a circle", (it) => {
  it.effect("are friends, whoever asked, and not who was only asked, or refused", () =>
    Effect.gen(function* () {
      const [ada, grace, alan, eve, mallory] = yield* people("ada", "grace", "alan", "eve", "mallory")
      yield* befriend(ada, grace, "accepted")
      yield* befriend(alan, ada, "accepted")
      yield* befriend(ada, eve, "pending")
      yield* befriend(mallory, ada, "rejected")
      assert.deepStrictEqual([...(yield* circleOf(ada)).people].sort(), [grace.id, alan.id].sort())
      for (const [other, sees] of [
        [grace, true],
        [alan, true],
        [eve, false],
        [mallory, false]
      ] as const) {
        assert.strictEqual(yield* seeEachOther(ada, other), sees)
      }
    })
  )

  it.effect("are who takes part in a conversation of theirs, each once, and nobody else", () =>
    Effect.gen(function* () {
      const [ada, grace, alan, eve] = yield* people("ada", "grace", "alan", "eve")
      const { conversation } = yield* (yield* Conversations).direct(ada.id, grace.id)
      const group = yield* groupOf([ada, grace, alan])
      yield* groupOf([alan, eve])
      const { conversations, people: seen } = yield* circleOf(ada)
      assert.deepStrictEqual([...seen].sort(), [grace.id, alan.id].sort())
      assert.deepStrictEqual([...conversations].sort(), [conversation.id, group].sort())
      assert.isFalse(yield* seeEachOther(ada, eve))
    })
  )

  it.effect(`are not those of a conversation of more than ${mostPeople}, nor is that conversation`, () =>
    Effect.gen(function* () {
      const [ada, grace, alan] = yield* people("ada", "grace", "alan")
      const group = yield* groupOf([ada, grace])
      yield* fill(group, mostPeople - 2)
      assert.isTrue(yield* seeEachOther(ada, grace))
      assert.strictEqual((yield* circleOf(ada)).people.size, mostPeople - 1)
      yield* fill(group, 1)
      yield* befriend(ada, alan, "accepted")
      assert.deepStrictEqual(yield* circleOf(ada), { ...empty, people: new Set([alan.id]) })
      assert.isFalse(yield* seeEachOther(ada, grace))
    })
  )

  it.effect("is nobody whom one of the two blocks, whatever they share, until the block ends", () =>
    Effect.gen(function* () {
      const blocks = yield* Blocks
      const [ada, grace, alan] = yield* people("ada", "grace", "alan")
      const group = yield* groupOf([ada, grace, alan])
      for (const [blocker, blocked] of [
        [ada, grace],
        [grace, ada]
      ] as const) {
        yield* befriend(ada, grace, "accepted")
        assert.isTrue(yield* seeEachOther(ada, grace))
        yield* blocks.block(blocker.id, blocked.id)
        for (const user of [ada, grace]) {
          assert.deepStrictEqual(yield* circleOf(user), {
            people: new Set([alan.id]),
            conversations: new Set([group])
          })
        }
        yield* blocks.unblock(blocker.id, blocked.id)
        assert.isTrue(yield* seeEachOther(ada, grace))
      }
    })
  )

  it.effect("of who hides their presence is nobody, and they are in nobody's", () =>
    Effect.gen(function* () {
      const [ada, grace, alan] = yield* people("ada", "grace", "alan")
      const group = yield* groupOf([ada, grace, alan])
      yield* befriend(ada, grace, "accepted")
      yield* (yield* Profiles).update(ada.id, { showsPresence: false })
      assert.deepStrictEqual(yield* circleOf(ada), empty)
      assert.deepStrictEqual(yield* circleOf(grace), { people: new Set([alan.id]), conversations: new Set([group]) })
      yield* (yield* Profiles).update(ada.id, { showsPresence: true })
      assert.isTrue(yield* seeEachOther(ada, grace))
    })
  )

  it.effect("of who is not there is nobody", () =>
    Effect.gen(function* () {
      const circles = yield* (yield* PresenceAudiences).of([nobody])
      assert.deepStrictEqual([...circles], [[nobody, empty]])
      assert.strictEqual((yield* (yield* PresenceAudiences).of([])).size, 0)
    })
  )

  it.effect("come and go as people join and leave", () =>
    Effect.gen(function* () {
      const circles = yield* PresenceAudiences
      const [ada, grace, alan] = yield* people("ada", "grace", "alan")
      const [group, other] = [yield* groupOf([ada, grace]), yield* groupOf([alan])]
      const everybody = [ada.id, grace.id, alan.id]
      assert.sameMembers([...(yield* circles.participants([group], everybody))], [ada.id, grace.id])
      assert.sameMembers([...(yield* circles.participants([group, other], everybody))], everybody)
      assert.deepStrictEqual(yield* circles.participants([group], [alan.id]), [])
    })
  )
})
