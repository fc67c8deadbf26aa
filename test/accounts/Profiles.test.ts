import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Redacted, Stream } from "effect"
import { SqlClient } from "effect/sql"
import type { AccountChange, UserId } from "../../src/contract/Account.ts"
import { Accounts } from "../../src/auth/Accounts.ts"
import { Profiles } from "../../src/accounts/Profiles.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { Inbox } from "../../src/inbox/Inbox.ts"
import { ChangeHint, ChangeBus } from "../../src/changes/ChangeBus.ts"
import { testPassword, TestServices, type TestUser } from "../../src/testing/index.ts"
import { groupOf, people, refusal } from "../world.ts"

const update = (id: UserId, change: AccountChange) => Profiles.use((profiles) => profiles.update(id, change))

/** The people whose lists a change affects. */
const toldOf = Effect.fnUntraced(function* (id: UserId, change: AccountChange) {
  const bus = yield* ChangeBus
  const end = ChangeHint.RollCall()
  const heard = yield* bus.changes.pipe(
    Stream.takeUntil((change) => change._tag === end._tag),
    Stream.runCollect,
    Effect.forkChild({ startImmediately: true })
  )
  yield* update(id, change)
  yield* bus.publish([end])
  return (yield* Fiber.join(heard)).flatMap((change) => (change._tag === "Person" ? [change.userId] : []))
})

const revisionOf = Effect.fnUntraced(function* ({ id }: TestUser) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ revision: number }>`SELECT revision FROM people_revisions WHERE user_id = ${id}`
  return row?.revision ?? 0
})

layer(TestServices)("A profile that changes", (it) => {
  it.effect("reaches friends, open requests and blockers, and nobody else", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, friend, asked, asking, declined, ended, blocker, blocked, fellow] = yield* people(
        "ada",
        "friend",
        "asked",
        "asking",
        "declined",
        "ended",
        "blocker",
        "blocked",
        "fellow"
      )
      yield* sql`
        INSERT INTO friend_requests (from_user_id, to_user_id, status) VALUES
          (${friend.id}, ${ada.id}, 'accepted'), (${ada.id}, ${asked.id}, 'pending'), (${asking.id}, ${ada.id}, 'pending'),
          (${ada.id}, ${declined.id}, 'rejected'), (${ended.id}, ${ada.id}, 'ended')`
      yield* sql`
        INSERT INTO blocks (blocker_id, blocked_id) VALUES (${blocker.id}, ${ada.id}), (${ada.id}, ${blocked.id})`
      yield* groupOf([fellow, ada])
      const told = [friend, asked, asking, blocker]
      assert.sameMembers(yield* toldOf(ada.id, { displayName: "Ada" }), [ada.id, ...told.map(({ id }) => id)])
      for (const person of told) assert.strictEqual(yield* revisionOf(person), 1)
      for (const person of [declined, ended, blocked, fellow]) assert.strictEqual(yield* revisionOf(person), 0)
    })
  )

  it.effect("reaches nobody else if others see no difference", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, friend] = yield* people("ada", "friend")
      yield* sql`
        INSERT INTO friend_requests (from_user_id, to_user_id, status) VALUES (${friend.id}, ${ada.id}, 'accepted')`
      yield* update(ada.id, { displayName: "Ada" })
      const revision = yield* revisionOf(friend)
      for (const change of [
        {},
        { displayName: "Ada", avatarUrl: null },
        { username: ada.account.username },
        { isDiscoverable: true, directMessagesFrom: "friends" },
        { email: "ada-anew@example.com", currentPassword: testPassword }
      ] as const) {
        assert.deepStrictEqual(yield* toldOf(ada.id, change), [ada.id])
      }
      assert.strictEqual(yield* revisionOf(friend), revision)
    })
  )

  it.effect("shows in the inbox of the other person of a direct conversation", () =>
    Effect.gen(function* () {
      const inbox = yield* Inbox
      const [ada, grace] = yield* people("ada", "grace")
      const { conversation } = yield* (yield* Conversations).direct(ada.id, grace.id)
      const known = yield* inbox.read(grace.id, undefined)
      let wakes = 0
      const listener = yield* inbox.follow(grace.id, { wake: () => wakes++ })
      yield* update(ada.id, { displayName: "Ada" })
      // It comes by the hint, since the clock of the sweep is stopped.
      yield* Effect.repeat(Effect.yieldNow, { until: () => wakes > 0 })
      assert.isTrue(listener.consumeWakeUp())
      const { conversations } = yield* inbox.read(grace.id, known)
      assert.deepInclude(conversations.find(({ id }) => id === conversation.id)?.other, { displayName: "Ada" })
    })
  )

  it.effect("changes its e-mail address only with the password", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const email = "taken-over@example.com"
      assert.strictEqual(yield* refusal(update(ada.id, { email })), "Forbidden")
      const currentPassword = Redacted.make("not the password")
      assert.strictEqual(yield* refusal(update(ada.id, { email, currentPassword })), "Forbidden")
      assert.strictEqual((yield* (yield* Accounts).get(ada.id)).email, ada.account.email)
    })
  )
})
