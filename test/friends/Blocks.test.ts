import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Blocks } from "../../src/friends/Blocks.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { nobody, people, refusal } from "../world.ts"

const idsOf = Effect.fnUntraced(function* ({ id }: TestUser) {
  const { items } = yield* (yield* Blocks).list(id, 50, undefined)
  return items.map(({ id }) => id)
})

layer(TestServices)("Blocks", (it) => {
  it.effect("have a direction: one blocks the other, or both each other", () =>
    Effect.gen(function* () {
      const blocks = yield* Blocks
      const [ada, grace] = yield* people("ada", "grace")
      yield* blocks.block(ada.id, grace.id)
      assert.deepStrictEqual(yield* idsOf(ada), [grace.id])
      assert.deepStrictEqual(yield* idsOf(grace), [])
      yield* blocks.block(grace.id, ada.id)
      yield* blocks.unblock(ada.id, grace.id)
      assert.deepStrictEqual(yield* idsOf(ada), [])
      assert.deepStrictEqual(yield* blocks.blockedBy(grace.id), [ada.id])
    })
  )

  it.effect("may be made twice, and ended twice", () =>
    Effect.gen(function* () {
      const blocks = yield* Blocks
      const [ada, grace] = yield* people("ada", "grace")
      yield* blocks.unblock(ada.id, grace.id)
      yield* blocks.block(ada.id, grace.id)
      const [first] = (yield* blocks.list(ada.id, 1, undefined)).items
      yield* blocks.block(ada.id, grace.id)
      assert.deepStrictEqual((yield* blocks.list(ada.id, 50, undefined)).items, [first!])
      yield* blocks.unblock(ada.id, grace.id)
      yield* blocks.unblock(ada.id, grace.id)
      assert.deepStrictEqual(yield* idsOf(ada), [])
    })
  )

  it.effect("are listed with the latest first, a page at a time", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const blocks = yield* Blocks
      const [ada, ...others] = yield* people("ada", "b", "c", "d", "e", "f")
      yield* Effect.forEach(others, ({ id }) => blocks.block(ada.id, id), { concurrency: "unbounded" })
      // Some at the same time.
      yield* sql`UPDATE blocks SET created_at = date_trunc('minute', created_at) WHERE blocked_id = ANY(${[others[1]!.id, others[2]!.id, others[3]!.id]}::uuid[])`
      const { items: all } = yield* blocks.list(ada.id, 50, undefined)
      assert.lengthOf(all, others.length)
      let next = (yield* blocks.list(ada.id, 2, undefined)).next
      const paged = [...(yield* blocks.list(ada.id, 2, undefined)).items]
      while (next !== null) {
        const page = yield* blocks.list(ada.id, 2, next)
        paged.push(...page.items)
        next = page.next
      }
      assert.deepStrictEqual(paged, [...all])
      assert.deepStrictEqual(
        [...paged].sort((a, b) => b.since.epochMilliseconds - a.since.epochMilliseconds).map(({ since }) => since),
        paged.map(({ since }) => since)
      )
    })
  )

  it.effect("need another person who exists", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const blocks = yield* Blocks
      const [ada, grace] = yield* people("ada", "grace")
      assert.strictEqual(yield* refusal(blocks.block(ada.id, ada.id)), "ValidationFailed")
      assert.strictEqual(yield* refusal(blocks.block(ada.id, nobody)), "NotFound")
      yield* sql`UPDATE users SET deleted_at = now() WHERE id = ${grace.id}`
      assert.strictEqual(yield* refusal(blocks.block(ada.id, grace.id)), "NotFound")
      assert.deepStrictEqual(yield* blocks.blockedBy(ada.id), [])
    })
  )
})
