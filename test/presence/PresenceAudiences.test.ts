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
  const audiences = yield* (yield* PresenceAudiences).find([one.id, other.id])
  const sees = audiences.get(one.id)?.people.has(other.id)
  assert.strictEqual(audiences.get(other.id)?.people.has(one.id), sees)
  return sees
})

const audienceOf = Effect.fnUntraced(function* ({ id }: TestUser) {
  const audience = (yield* (yield* PresenceAudiences).find([id])).get(id)
  return audience ?? assert.fail("no audience")
})

const befriend = Effect.fnUntraced(function* (from: TestUser, to: TestUser, status: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO friend_requests (from_user_id, to_user_id, status) VALUES (${from.id}, ${to.id}, ${status})
    ON CONFLICT (least(from_user_id, to_user_id), greatest(from_user_id, to_user_id)) DO UPDATE SET status = ${status}`
})

/** Adds people of whom a test needs only the number. */
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

layer(TestServices)("An audience", (it) => {
  it.effect("has friends, whoever asked, and nobody with an open or rejected request", () =>
    Effect.gen(function* () {
      const [ada, grace, alan, eve, mallory] = yield* people("ada", "grace", "alan", "eve", "mallory")
      yield* befriend(ada, grace, "accepted")
      yield* befriend(alan, ada, "accepted")
      yield* befriend(ada, eve, "pending")
      yield* befriend(mallory, ada, "rejected")
      assert.deepStrictEqual([...(yield* audienceOf(ada)).people].sort(), [grace.id, alan.id].sort())
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

  it.effect("has the fellow participants of all conversations, each once, and nobody else", () =>
    Effect.gen(function* () {
      const [ada, grace, alan, eve] = yield* people("ada", "grace", "alan", "eve")
      const { conversation } = yield* (yield* Conversations).direct(ada.id, grace.id)
      const group = yield* groupOf([ada, grace, alan])
      yield* groupOf([alan, eve])
      const { conversations, people: seen } = yield* audienceOf(ada)
      assert.deepStrictEqual([...seen].sort(), [grace.id, alan.id].sort())
      assert.deepStrictEqual([...conversations].sort(), [conversation.id, group].sort())
      assert.isFalse(yield* seeEachOther(ada, eve))
    })
  )

  it.effect(`has neither a conversation of more than ${mostPeople} people nor its participants`, () =>
    Effect.gen(function* () {
      const [ada, grace, alan] = yield* people("ada", "grace", "alan")
      const group = yield* groupOf([ada, grace])
      yield* fill(group, mostPeople - 2)
      assert.isTrue(yield* seeEachOther(ada, grace))
      assert.strictEqual((yield* audienceOf(ada)).people.size, mostPeople - 1)
      yield* fill(group, 1)
      yield* befriend(ada, alan, "accepted")
      assert.deepStrictEqual(yield* audienceOf(ada), { ...empty, people: new Set([alan.id]) })
      assert.isFalse(yield* seeEachOther(ada, grace))
    })
  )

  it.effect("has nobody on either side of a block, whatever they share, until the block ends", () =>
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
          assert.deepStrictEqual(yield* audienceOf(user), {
            people: new Set([alan.id]),
            conversations: new Set([group])
          })
        }
        yield* blocks.unblock(blocker.id, blocked.id)
        assert.isTrue(yield* seeEachOther(ada, grace))
      }
    })
  )

  it.effect("is empty for people who hide their presence, and nobody has them in theirs", () =>
    Effect.gen(function* () {
      const [ada, grace, alan] = yield* people("ada", "grace", "alan")
      const group = yield* groupOf([ada, grace, alan])
      yield* befriend(ada, grace, "accepted")
      yield* (yield* Profiles).update(ada.id, { showsPresence: false })
      assert.deepStrictEqual(yield* audienceOf(ada), empty)
      assert.deepStrictEqual(yield* audienceOf(grace), { people: new Set([alan.id]), conversations: new Set([group]) })
      yield* (yield* Profiles).update(ada.id, { showsPresence: true })
      assert.isTrue(yield* seeEachOther(ada, grace))
    })
  )

  it.effect("is empty for a user who does not exist", () =>
    Effect.gen(function* () {
      const audiences = yield* (yield* PresenceAudiences).find([nobody])
      assert.deepStrictEqual([...audiences], [[nobody, empty]])
      assert.strictEqual((yield* (yield* PresenceAudiences).find([])).size, 0)
    })
  )

  it.effect("is found by the conversations that people join and leave", () =>
    Effect.gen(function* () {
      const audiences = yield* PresenceAudiences
      const [ada, grace, alan] = yield* people("ada", "grace", "alan")
      const [group, other] = [yield* groupOf([ada, grace]), yield* groupOf([alan])]
      const everybody = [ada.id, grace.id, alan.id]
      assert.sameMembers([...(yield* audiences.findParticipants([group], everybody))], [ada.id, grace.id])
      assert.sameMembers([...(yield* audiences.findParticipants([group, other], everybody))], everybody)
      assert.deepStrictEqual(yield* audiences.findParticipants([group], [alan.id]), [])
    })
  )
})
