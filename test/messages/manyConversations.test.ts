import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Redacted, Schedule, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { Profiles } from "../../src/accounts/Profiles.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import { Position, type ConversationId } from "../../src/contract/Conversation.ts"
import { firstIncarnation } from "../../src/contract/Incarnation.ts"
import { Receipts } from "../../src/conversations/Receipts.ts"
import { Blocks } from "../../src/friends/Blocks.ts"
import { heartbeat } from "../../src/live/Feed.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Subscriptions } from "../../src/messages/Subscriptions.ts"
import { Visibility } from "../../src/messages/Visibility.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { holding } from "../database/holding.ts"
import { people, post } from "../world.ts"

/** More than many statements can process. */
const many = 2_100

/** Groups of some people, in the order of their ids. */
const groupsOf = Effect.fnUntraced(function* (users: ReadonlyArray<TestUser>) {
  const sql = yield* SqlClient.SqlClient
  const made = yield* sql<{ id: ConversationId }>`
    WITH made AS (
      INSERT INTO conversations (is_direct_message, head) SELECT false, 1 FROM generate_series(1, ${many}::int) RETURNING id
    ), revised AS (
      INSERT INTO conversation_revisions (conversation_id, revision) SELECT id, 1 FROM made
    ), joined AS (
      INSERT INTO conversation_participants (conversation_id, user_id)
      SELECT made.id, u.id FROM made, unnest(${users.map(({ id }) => id)}::uuid[]) AS u (id)
    )
    SELECT id FROM made ORDER BY id`
  return made.map(({ id }) => id)
})

/** How many of somebody's conversations have seen each number of changes. */
const changesOf = Effect.fnUntraced(function* ({ id }: TestUser) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql`
    SELECT coalesce(v.epoch, 0)::int AS epoch, coalesce(r.revision, 0)::int - 1 AS revision,
      p.rewritten_at > 0 AS "isRewritten", count(*)::int AS count,
      (SELECT count(*)::int FROM frozen_receipts WHERE blocker_id = ${id}) AS frozen
    FROM conversation_participants p
    LEFT JOIN visibility_epochs v USING (conversation_id) LEFT JOIN conversation_revisions r USING (conversation_id)
    WHERE p.user_id = ${id} GROUP BY 1, 2, 3`
})

/** Waits until all blocks have been applied to all logs. */
const applied = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.repeat(sql`SELECT FROM visibility_rewrites`, {
    until: (rows) => rows.length === 0,
    schedule: Schedule.spaced("20 millis")
  })
})

layer(TestServices, { excludeTestServices: true })("Somebody in thousands of conversations", (it) => {
  it.effect("blocks and unblocks in each of them, and shows a new name in each", () =>
    Effect.gen(function* () {
      const [ada, bob] = yield* people("ada", "bob")
      yield* groupsOf([ada])
      const blocks = yield* Blocks
      yield* blocks.block(ada.id, bob.id)
      yield* applied
      const rest = { isRewritten: true, count: many, frozen: 0 }
      assert.deepStrictEqual(yield* changesOf(ada), [{ epoch: 1, revision: 0, ...rest }])
      yield* blocks.unblock(ada.id, bob.id)
      yield* applied
      yield* (yield* Profiles).update(ada.id, { displayName: "Countess" })
      assert.deepStrictEqual(yield* changesOf(ada), [{ epoch: 2, revision: 1, ...rest }])
    })
  )

  it.effect("blocks somebody in all of them at once, while no log is locked", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const messages = yield* Messages
      const receipts = yield* Receipts
      const [ada, bob, grace] = yield* people("ada", "bob", "grace")
      const groups = yield* groupsOf([ada, bob, grace])
      const [first, last] = [groups[0]!, groups.at(-1)!]
      const seen = Effect.fnUntraced(function* (who: TestUser, id: ConversationId) {
        const page = yield* messages.page(id, yield* messages.view(who.id, id), { limit: 10 })
        return page.messages.map(({ content, isRead }) => ({ content, isRead }))
      })
      const from = yield* post(bob, last, "from Bob")
      for (const who of [grace, bob]) yield* receipts.put(who.id, last, { readSeq: from.seq })

      // A stream of Ada's, from before the block.
      const session = yield* (yield* Sessions).authenticate(Redacted.make(ada.token))
      const stream = yield* (yield* Subscriptions).open(session, last, {
        from: { incarnation: firstIncarnation, position: from.seq },
        heartbeat: Duration.minutes(1),
        sendsReceipts: false
      })
      const told = yield* stream.feed.updates.pipe(
        Stream.filter((update) => update !== heartbeat),
        Stream.takeUntil((update) => update._tag === "Snapshot"),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )

      // Holds up the second slice, whatever it locks of Ada.
      yield* holding(
        (other) => other`
          SELECT FROM conversation_participants WHERE conversation_id = ${groups[300]!} AND user_id = ${ada.id} FOR UPDATE`,
        () =>
          Effect.gen(function* () {
            yield* (yield* Blocks).block(ada.id, bob.id)
            const [{ waiting } = { waiting: 0 }] = yield* sql<{ waiting: number }>`
              SELECT count(*)::int AS waiting FROM visibility_rewrites WHERE viewer_id = ${ada.id}`
            assert.strictEqual(waiting, 1)
            // No log is locked.
            yield* sql`SELECT FROM conversations WHERE id = ANY(${groups}::uuid[]) FOR UPDATE NOWAIT`

            // Everyone sees the block, or its silence, in a log that is still to be rewritten.
            assert.deepStrictEqual(yield* seen(ada, last), [{ content: null, isRead: false }])
            assert.deepStrictEqual(yield* seen(bob, last), [{ content: "from Bob", isRead: false }])
            const { head, rewrittenAt } = yield* messages.view(ada.id, last)
            assert.strictEqual(rewrittenAt, head)

            const late = yield* post(bob, last, "late")
            const [snapshot] = yield* Fiber.join(told)
            assert.strictEqual(snapshot?._tag, "Snapshot")
            if (snapshot?._tag === "Snapshot") {
              assert.deepStrictEqual(
                snapshot.page.messages.map(({ messageType }) => messageType),
                ["hidden", "hidden"]
              )
            }

            // The receipts of Ada do not reach Bob, whether she puts them or sends a message.
            for (const who of [ada, grace]) yield* receipts.put(who.id, last, { readSeq: late.seq })
            for (const id of [first, last]) yield* post(ada, id, "from Ada")
            for (const who of [grace, bob]) yield* receipts.put(who.id, last, { readSeq: Position.make(late.seq + 1) })
            assert.deepStrictEqual(yield* seen(bob, last), [
              { content: "from Bob", isRead: false },
              { content: "late", isRead: false },
              { content: "from Ada", isRead: true }
            ])
            assert.strictEqual((yield* sql`SELECT FROM visibility_rewrites WHERE viewer_id = ${ada.id}`).length, 1)
          })
      )
      yield* applied
      assert.deepStrictEqual(yield* changesOf(ada), [
        { epoch: 1, revision: 0, isRewritten: true, count: many - 1, frozen: many },
        // Five receipts were put.
        { epoch: 1, revision: 5, isRewritten: true, count: 1, frozen: many }
      ])
      assert.strictEqual((yield* seen(bob, last))[1]?.isRead, false)
      yield* (yield* Blocks).unblock(ada.id, bob.id)
      assert.strictEqual((yield* seen(bob, last))[1]?.isRead, true)
      yield* applied
    }).pipe(Effect.scoped)
  )

  it.effect("has a block applied by another process if the first one ends", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, bob] = yield* people("ada", "bob")
      const groups = yield* groupsOf([ada, bob])
      const interrupted = yield* Layer.build(Layer.fresh(Visibility.layer)).pipe(
        Effect.flatMap((services) =>
          holding(
            (other) => other`
              SELECT FROM conversation_participants WHERE conversation_id = ${groups[900]!} AND user_id = ${ada.id} FOR UPDATE`,
            () =>
              Effect.gen(function* () {
                const visibility = yield* Effect.provide(Visibility, services)
                yield* sql`INSERT INTO blocks (blocker_id, blocked_id) VALUES (${ada.id}, ${bob.id})`.pipe(
                  Effect.andThen(visibility.change(ada.id)),
                  sql.withTransaction
                )
                yield* visibility.apply(ada.id)
                // Until the slices have come to the held row.
                const [reached] = yield* Effect.repeat(
                  sql<{
                    upTo: string
                  }>`SELECT rewritten_up_to AS "upTo" FROM visibility_rewrites WHERE viewer_id = ${ada.id}`,
                  { until: ([row]) => row?.upTo === groups[799], schedule: Schedule.spaced("20 millis") }
                )
                return reached?.upTo
              })
          )
        ),
        Effect.scoped,
        Effect.forkChild({ startImmediately: true }),
        Effect.flatMap(Fiber.join)
      )
      assert.strictEqual(interrupted, groups[799])
      yield* Layer.build(Layer.fresh(Visibility.layer))
      yield* applied
      assert.deepStrictEqual(yield* changesOf(ada), [
        { epoch: 1, revision: 0, isRewritten: true, count: many, frozen: many }
      ])
    }).pipe(Effect.scoped)
  )
})
