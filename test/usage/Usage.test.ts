import { assert, describe, it, layer } from "@effect/vitest"
import { Array as Arrays, ConfigProvider, Context, DateTime, Effect, Exit, Layer, Result, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { UserId } from "../../src/contract/Account.ts"
import { SessionId } from "../../src/contract/Session.ts"
import { Friends } from "../../src/friends/Friends.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { ServicesLive } from "../../src/Server.ts"
import { LiveStreams } from "../../src/live/LiveStreams.ts"
import { signedIn, TestServices, type TestUser } from "../../src/testing/index.ts"
import { countsOf, emptyTally, periodOf } from "../../src/contract/Metric.ts"
import { Usage } from "../../src/usage/Usage.ts"
import { groupOf, newId, people, post, refusal, text } from "../world.ts"

/** The usage of a user, without counts of 0. */
const usedBy = Effect.fnUntraced(function* ({ id }: Pick<TestUser, "id">) {
  const { counts } = yield* (yield* Usage).of(id)
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
})

/** The counts of a user in the table. */
const writtenOf = Effect.fnUntraced(function* ({ id }: Pick<TestUser, "id">) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ metric: string; count: number }>`
    SELECT metric_type AS metric, count FROM usage_tracking WHERE user_id = ${id}`
  return Object.fromEntries(rows.map(({ count, metric }) => [metric, count]))
})

layer(TestServices)("The usage of a user", (it) => {
  it.effect("counts the messages that they sent, and the bytes in them", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada, grace])
      yield* post(grace, id, "Grüße")
      yield* post(grace, id, "👋")
      assert.deepStrictEqual(yield* usedBy(grace), { messagesSent: 2, contentBytes: 7 + 4 })
    })
  )

  it.effect("counts no message that was sent again, and none that was refused", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada])
      const messages = yield* Messages
      const messageId = newId()
      const send = messages.send(ada.id, id, messageId, text("once"))
      yield* Effect.all(Arrays.replicate(send, 50), { concurrency: "unbounded" })
      yield* send
      assert.strictEqual(yield* refusal(messages.send(ada.id, id, messageId, text("twice"))), "MessageIdReused")
      assert.strictEqual(yield* refusal(messages.send(grace.id, id, newId(), text("hello"))), "NotFound")
      assert.deepStrictEqual(yield* usedBy(ada), { conversationsCreated: 1, messagesSent: 1, contentBytes: 4 })
      assert.deepStrictEqual(yield* usedBy(grace), {})
    })
  )

  it.effect("counts the bytes of an edit, and no further message", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      const message = yield* post(ada, id, "12345")
      const edit = (yield* MessageChanges).edit(ada.id, { conversationId: id, id: message.id }, "1234567890")
      yield* Effect.replicateEffect(edit, 3)
      assert.deepStrictEqual(yield* usedBy(ada), { conversationsCreated: 1, messagesSent: 1, contentBytes: 15 })
    })
  )

  it.effect("counts the conversations that they created, not those that existed or could not be created", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const conversations = yield* Conversations
      yield* groupOf([ada, grace])
      const direct = conversations.direct(ada.id, grace.id)
      yield* Effect.all([direct, direct], { concurrency: 2 })
      yield* conversations.direct(grace.id, ada.id)
      const nobody = UserId.make(newId())
      assert.strictEqual(yield* refusal(conversations.direct(ada.id, nobody)), "NotFound")
      assert.strictEqual(yield* refusal(conversations.create(ada.id, { participantIds: [nobody] })), "ValidationFailed")
      assert.deepStrictEqual(yield* usedBy(ada), { conversationsCreated: 2 })
      assert.deepStrictEqual(yield* usedBy(grace), {})
    })
  )

  it.effect("counts each friend request that they sent once, and none that they accepted", () =>
    Effect.gen(function* () {
      const [ada, grace, eve] = yield* people("ada", "grace", "eve")
      const friends = yield* Friends
      const ask = friends.ask(ada.id, { to: grace.account.username })
      yield* Effect.replicateEffect(ask, 2)
      yield* friends.ask(ada.id, { to: eve.account.username })
      yield* friends.ask(grace.id, { to: ada.account.username })
      assert.deepStrictEqual(yield* usedBy(ada), { friendRequests: 2 })
      assert.deepStrictEqual(yield* usedBy(grace), { conversationsCreated: 1 })
    })
  )

  it.effect("counts the streams that they opened, and the full minutes of all of them together", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const streams = yield* LiveStreams
      const usage = yield* Usage
      const scope = yield* Scope.make()
      const open = Scope.provide(streams.admit({ id: SessionId.make(newId()), userId: ada.id }, undefined), scope)
      yield* open
      yield* TestClock.adjust("40 seconds")
      yield* open
      assert.deepStrictEqual(yield* usedBy(ada), { streamsOpened: 2 })
      yield* TestClock.adjust("10 seconds")
      yield* usage.flush
      // 50 seconds of one, 10 of the other.
      assert.deepStrictEqual(yield* usedBy(ada), { streamsOpened: 2, streamMinutes: 1 })
      yield* TestClock.adjust("30 seconds")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 minute")
      yield* usage.flush
      assert.deepStrictEqual(yield* usedBy(ada), { streamsOpened: 2, streamMinutes: 2 })
      assert.strictEqual((yield* writtenOf(ada))["stream_seconds"], 120)
    })
  )

  it.effect("is written as rows of the month that it belongs to", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const usage = yield* Usage
      const [ada, grace] = yield* people("ada", "grace")
      yield* usage.count(ada.id, { requests: 2, contentBytes: 3_000_000_000 })
      yield* usage.count(grace.id, { requests: 1 })
      assert.deepStrictEqual(yield* writtenOf(ada), {})
      yield* usage.flush
      assert.deepStrictEqual(yield* writtenOf(ada), { requests: 2, content_bytes: 3_000_000_000 })
      assert.deepStrictEqual(yield* writtenOf(grace), { requests: 1 })
      yield* usage.count(ada.id, { requests: 1 })
      yield* usage.flush
      assert.deepStrictEqual(yield* writtenOf(ada), { requests: 3, content_bytes: 3_000_000_000 })
      const periods = yield* sql`
        SELECT DISTINCT period_start::text AS start, period_end::text AS "end" FROM usage_tracking
        WHERE user_id = ${ada.id}`
      assert.deepStrictEqual(periods, [{ start: "1970-01-01", end: "1970-01-31" }])
    })
  )

  it.effect("is added to any count of an older XFChat", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const usage = yield* Usage
      const ada = yield* signedIn()
      yield* sql`
        INSERT INTO usage_tracking (user_id, metric_type, count, period_start) VALUES
          (${ada.id}, 'requests', NULL, '1970-01-01'), (${ada.id}, 'messages', 7, '1970-01-01'),
          (${ada.id}, 'streams_opened', 2, '1970-01-01'), (${ada.id}, 'messages_sent', 5, '1969-12-01')`
      assert.deepStrictEqual(yield* usedBy(ada), { streamsOpened: 2 })
      yield* usage.count(ada.id, { requests: 1, messagesSent: 1, streamsOpened: 1 })
      yield* usage.flush
      assert.deepStrictEqual(yield* usedBy(ada), { requests: 1, messagesSent: 1, streamsOpened: 3 })
    })
  )

  it.effect("is not lost for others when an account is gone", () =>
    Effect.gen(function* () {
      const usage = yield* Usage
      const ada = yield* signedIn()
      yield* usage.count(UserId.make(newId()), { requests: 1 })
      yield* usage.count(ada.id, { requests: 1 })
      yield* usage.flush
      assert.deepStrictEqual(yield* writtenOf(ada), { requests: 1 })
    })
  )
})

const withQuotas = (environment: Record<string, string>) =>
  TestServices.pipe(
    Layer.provide(ConfigProvider.layerAdd(ConfigProvider.fromUnknown(environment), { asPrimary: true }))
  )

layer(
  withQuotas({
    QUOTA_MESSAGES_PER_MONTH: "3",
    QUOTA_CONVERSATIONS_PER_MONTH: "2",
    QUOTA_CONTENT_BYTES_PER_MONTH: "1000",
    QUOTA_FRIEND_REQUESTS_PER_MONTH: "1"
  })
)("A quota", (it) => {
  it.effect("refuses what goes beyond it, and says when the month ends", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada, grace])
      yield* Effect.replicateEffect(post(ada, id, "hello"), 3)
      const refused = yield* Effect.flip(post(ada, id, "hello"))
      assert(refused._tag === "QuotaExceeded")
      assert.strictEqual(refused.limit, 3)
      assert.strictEqual(DateTime.formatIso(refused.resetsAt), "1970-02-01T00:00:00.000Z")
      assert.strictEqual(refused.retryAfter, 31 * 24 * 60 * 60)
      yield* post(grace, id, "I may")
      assert.strictEqual((yield* usedBy(ada))["messagesSent"], 3)
    })
  )

  it.effect("keeps nobody from sending an existing message again", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      const send = (yield* Messages).send(ada.id, id, newId(), text("hello"))
      yield* send
      yield* Effect.replicateEffect(post(ada, id, "hello"), 2)
      assert.strictEqual(yield* refusal(post(ada, id, "hello")), "QuotaExceeded")
      assert.isFalse((yield* send).created)
    })
  )

  it.effect("of bytes counts both sent and edited texts", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      const message = yield* post(ada, id, "x".repeat(500))
      const changes = yield* MessageChanges
      const edit = (content: string) => changes.edit(ada.id, { conversationId: id, id: message.id }, content)
      yield* edit("y".repeat(500))
      assert.strictEqual(yield* refusal(edit("z")), "QuotaExceeded")
      assert.strictEqual(yield* refusal(post(ada, id, "z")), "QuotaExceeded")
    })
  )

  it.effect("of conversations keeps nobody from opening existing ones", () =>
    Effect.gen(function* () {
      const [ada, grace, eve] = yield* people("ada", "grace", "eve")
      const conversations = yield* Conversations
      yield* conversations.direct(ada.id, grace.id)
      yield* groupOf([ada])
      assert.strictEqual(yield* refusal(conversations.direct(ada.id, eve.id)), "QuotaExceeded")
      assert.strictEqual(yield* refusal(groupOf([ada])), "QuotaExceeded")
      assert.isFalse((yield* conversations.direct(ada.id, grace.id)).created)
    })
  )

  it.effect("of friend requests keeps nobody from sending one again, or accepting one", () =>
    Effect.gen(function* () {
      const [ada, grace, eve] = yield* people("ada", "grace", "eve")
      const friends = yield* Friends
      const ask = (person: TestUser) => friends.ask(ada.id, { to: person.account.username })
      yield* ask(grace)
      assert.strictEqual(yield* refusal(ask(eve)), "QuotaExceeded")
      assert.isFalse((yield* ask(grace)).created)
      yield* friends.ask(eve.id, { to: ada.account.username })
      assert.strictEqual((yield* ask(eve)).request.status, "accepted")
    })
  )

  it.effect("holds for all processes: ten seconds later each knows the counts of the others", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      yield* post(ada, id, "one")
      yield* (yield* Usage).flush
      yield* sql`
        UPDATE usage_tracking SET count = count + 2 WHERE user_id = ${ada.id} AND metric_type = 'messages_sent'`
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* refusal(post(ada, id, "two")), "QuotaExceeded")
    })
  )
})

describe("A month", () => {
  const at = (time: string) => DateTime.toEpochMillis(DateTime.makeUnsafe(time))
  const monthOf = (time: string, last?: string) => {
    const { end, start } = periodOf(at(time), last === undefined ? undefined : periodOf(at(last)))
    return `${DateTime.formatIso(start)} ${DateTime.formatIso(end)}`
  }

  it("is a calendar month, UTC", () => {
    const december = "2026-12-01T00:00:00.000Z 2027-01-01T00:00:00.000Z"
    assert.strictEqual(monthOf("2026-12-01T00:00:00Z"), december)
    assert.strictEqual(monthOf("2026-12-31T23:59:59.999Z"), december)
    assert.strictEqual(monthOf("2027-01-01T01:00:00+02:00"), december)
    assert.strictEqual(monthOf("2024-02-29T12:00:00Z"), "2024-02-01T00:00:00.000Z 2024-03-01T00:00:00.000Z")
  })

  it("follows the clock, also back", () => {
    for (const last of ["2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"]) {
      assert.strictEqual(monthOf("2026-12-05T00:00:00Z", last), monthOf("2026-12-05T00:00:00Z"))
    }
  })

  it("has minutes that are full", () => {
    assert.strictEqual(countsOf({ ...emptyTally(), streamSeconds: 119 }).streamMinutes, 1)
  })
})

const ofHundred = { QUOTA_MESSAGES_PER_MONTH: "100" }

layer(withQuotas(ofHundred))("A quota of a hundred messages", (it) => {
  it.effect("is exceeded by two processes together by at most ten, however fast they send", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      const other = yield* Layer.build(
        Layer.fresh(ServicesLive).pipe(
          Layer.provide(ConfigProvider.layerAdd(ConfigProvider.fromUnknown(ofHundred), { asPrimary: true }))
        )
      )
      const processes = [yield* Messages, Context.get(other, Messages)]
      // The clock stands still: no count is written for its age.
      const results = yield* Effect.forEach(Arrays.range(1, 75), (n) =>
        Effect.forEach(processes, (messages) => Effect.result(messages.send(ada.id, id, newId(), text(String(n)))))
      )
      const sent = results.flat().filter(Result.isSuccess).length
      assert.isAtLeast(sent, 100)
      assert.isAtMost(sent, 110)
    })
  )
})

const ofTen = {
  QUOTA_MESSAGES_PER_MONTH: "10",
  QUOTA_CONVERSATIONS_PER_MONTH: "10",
  QUOTA_FRIEND_REQUESTS_PER_MONTH: "10"
}

layer(withQuotas(ofTen))("A quota of ten, and 28 requests at once", (it) => {
  /** The number of requests that succeed. The quota must refuse all others. */
  const admitted = Effect.fnUntraced(function* <E extends { readonly _tag: string }, R>(
    attempts: ReadonlyArray<Effect.Effect<unknown, E, R>>
  ) {
    const results = yield* Effect.all(attempts.map(Effect.result), { concurrency: "unbounded" })
    for (const result of results) if (Result.isFailure(result)) assert.strictEqual(result.failure._tag, "QuotaExceeded")
    return results.filter(Result.isSuccess).length
  })

  it.effect("admit ten conversations, in two processes together", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada] = yield* people("ada")
      const others = yield* Effect.replicateEffect(signedIn(), 14)
      const services = [
        yield* Conversations,
        Context.get(
          yield* Layer.build(
            Layer.fresh(ServicesLive).pipe(
              Layer.provide(ConfigProvider.layerAdd(ConfigProvider.fromUnknown(ofTen), { asPrimary: true }))
            )
          ),
          Conversations
        )
      ] as const
      const made = yield* admitted(
        others.flatMap(({ id }, n) => [
          services[n % 2]!.create(ada.id, { participantIds: [] }),
          services[(n + 1) % 2]!.direct(ada.id, id)
        ])
      )
      const stored = yield* sql`SELECT FROM conversations WHERE created_by = ${ada.id}`
      assert.deepStrictEqual([made, stored.length], [10, 10])
      assert.deepStrictEqual(yield* usedBy(ada), { conversationsCreated: 10 })
    })
  )

  it.effect("admit ten friend requests", () =>
    Effect.gen(function* () {
      const friends = yield* Friends
      const [ada] = yield* people("ada")
      const others = yield* Effect.replicateEffect(signedIn(), 28)
      assert.strictEqual(
        yield* admitted(others.map(({ account }) => friends.ask(ada.id, { to: account.username }))),
        10
      )
      assert.lengthOf((yield* friends.requests(ada.id, "outgoing", 50, undefined)).items, 10)
    })
  )

  it.effect("admit ten messages", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      assert.strictEqual(yield* admitted(Arrays.makeBy(28, (n) => post(ada, id, String(n)))), 10)
      assert.deepStrictEqual((yield* usedBy(ada))["messagesSent"], 10)
    })
  )
})
