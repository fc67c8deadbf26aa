import { assert, layer } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { SqlClient } from "effect/sql"
import { Blocks } from "../../src/friends/Blocks.ts"
import { Friends } from "../../src/friends/Friends.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { people } from "../world.ts"
import { ask, befriend, friends, requests } from "./friendship.ts"

layer(TestServices)("Of two at once", (it) => {
  /** Each pair of people does the same two things at once, many pairs at the same time. */
  const manyTimes = <E, R>(race: (ada: TestUser, grace: TestUser) => Effect.Effect<void, E, R>) =>
    Effect.gen(function* () {
      const all = yield* people("a", "b", "c", "d", "e", "f")
      const pairs = all.flatMap((ada, index) => all.slice(index + 1).map((grace) => [ada, grace] as const))
      yield* Effect.forEach(pairs, ([ada, grace]) => race(ada, grace), { concurrency: "unbounded", discard: true })
    })

  const both = <A, E, R, B, E2, R2>(one: Effect.Effect<A, E, R>, other: Effect.Effect<B, E2, R2>) =>
    Effect.all([Effect.exit(one), Effect.exit(other)], { concurrency: "unbounded" })

  const areFriends = (ada: TestUser, grace: TestUser) =>
    Effect.map(friends(ada), (all) => all.some(({ id }) => id === grace.id))

  const conversationsOf = Effect.fnUntraced(function* (ada: TestUser, grace: TestUser) {
    const sql = yield* SqlClient.SqlClient
    return yield* sql`
      SELECT id FROM conversations
      WHERE direct_low = least(${ada.id}::uuid, ${grace.id}::uuid) AND direct_high = greatest(${ada.id}::uuid, ${grace.id}::uuid)`
  })

  it.effect("who ask each other, one asks and the other accepts", () =>
    manyTimes((ada, grace) =>
      Effect.gen(function* () {
        const answers = yield* Effect.all([ask(ada, grace), ask(grace, ada)], { concurrency: "unbounded" })
        assert.sameMembers(
          answers.map(({ request }) => request.status),
          ["pending", "accepted"]
        )
        assert.lengthOf(
          answers.filter(({ created }) => created),
          1
        )
        assert.isTrue(yield* areFriends(grace, ada))
        assert.lengthOf(yield* conversationsOf(ada, grace), 1)
      })
    )
  )

  it.effect("requests to the same person, one is created", () =>
    manyTimes((ada, grace) =>
      Effect.gen(function* () {
        const answers = yield* Effect.all([ask(ada, grace), ask(ada, grace)], { concurrency: "unbounded" })
        assert.lengthOf(
          answers.filter(({ created }) => created),
          1
        )
        assert.strictEqual(answers[0].request.id, answers[1].request.id)
      })
    )
  )

  it.effect("who accept, also while the conversation is opened, both succeed, with one conversation", () =>
    manyTimes((ada, grace) =>
      Effect.gen(function* () {
        const service = yield* Friends
        const { request } = yield* ask(ada, grace)
        const accept = service.answer(grace.id, request.id, "accepted")
        const open = (yield* Conversations).direct(ada.id, grace.id)
        const [one, other] = yield* Effect.all([accept, accept, open], { concurrency: "unbounded" })
        assert.deepStrictEqual(one, other)
        assert.isTrue(yield* areFriends(ada, grace))
        assert.lengthOf(yield* conversationsOf(ada, grace), 1)
      })
    )
  )

  it.effect("one asks and one blocks: in either order, nothing reaches the blocker", () =>
    manyTimes((ada, grace) =>
      Effect.gen(function* () {
        const block = (yield* Blocks).block(grace.id, ada.id)
        const { request } = (yield* Effect.all([ask(ada, grace), block], { concurrency: "unbounded" }))[0]
        assert.strictEqual(request.status, "pending")
        assert.isFalse((yield* requests(grace, "incoming")).some(({ user }) => user.id === ada.id))
        assert.isTrue((yield* requests(ada, "outgoing")).some(({ user }) => user.id === grace.id))
      })
    )
  )

  it.effect("one accepts and one withdraws: one of them is too late", () =>
    manyTimes((ada, grace) =>
      Effect.gen(function* () {
        const service = yield* Friends
        const { request } = yield* ask(ada, grace)
        const [accepted, withdrawn] = yield* both(
          service.answer(grace.id, request.id, "accepted"),
          service.withdraw(ada.id, request.id)
        )
        assert.notStrictEqual(Exit.isSuccess(accepted), Exit.isSuccess(withdrawn))
        assert.strictEqual(yield* areFriends(ada, grace), Exit.isSuccess(accepted))
        assert.lengthOf(yield* conversationsOf(ada, grace), Exit.isSuccess(accepted) ? 1 : 0)
      })
    )
  )

  it.effect("one accepts and one blocks: they are not friends", () =>
    manyTimes((ada, grace) =>
      Effect.gen(function* () {
        const service = yield* Friends
        const { request } = yield* ask(ada, grace)
        yield* both(service.answer(grace.id, request.id, "accepted"), (yield* Blocks).block(ada.id, grace.id))
        assert.isFalse(yield* areFriends(ada, grace))
      })
    )
  )

  it.effect("who block each other, both succeed", () =>
    manyTimes((ada, grace) =>
      Effect.gen(function* () {
        const blocks = yield* Blocks
        yield* befriend(ada, grace)
        yield* Effect.all([blocks.block(ada.id, grace.id), blocks.block(grace.id, ada.id)], {
          concurrency: "unbounded"
        })
        assert.include(yield* blocks.blockedBy(ada.id), grace.id)
        assert.include(yield* blocks.blockedBy(grace.id), ada.id)
        assert.isFalse(yield* areFriends(ada, grace))
      })
    )
  )
})
