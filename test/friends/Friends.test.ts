import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Option } from "effect"
import { SqlClient } from "effect/sql"
import { Blocks } from "../../src/friends/Blocks.ts"
import { maxOutgoingRequests } from "../../src/contract/Friend.ts"
import { Friends } from "../../src/friends/Friends.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { Messages } from "../../src/messages/Messages.ts"
import type { PageCursor } from "../../src/contract/Paging.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { newId, people, refusal, text } from "../world.ts"
import { ask, befriend, friends, requests } from "./friendship.ts"

/** Lets so many days pass since the answer to the pair's request. */
const daysPass = Effect.fnUntraced(function* (one: TestUser, other: TestUser, days: number) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    UPDATE friend_requests SET responded_at = responded_at - ${days} * interval '1 day'
    WHERE from_user_id IN (${one.id}, ${other.id}) AND to_user_id IN (${one.id}, ${other.id})`
})

layer(TestServices)("A request", (it) => {
  it.effect("is shown to both, with its message, and makes them friends when it is accepted", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const { created, request } = yield* ask(ada, grace, "It is me")
      assert.isTrue(created)
      assert.deepStrictEqual(yield* requests(ada, "outgoing"), [request])
      const [incoming] = yield* requests(grace, "incoming")
      assert.deepInclude(
        { ...incoming },
        {
          id: request.id,
          direction: "incoming",
          status: "pending",
          message: "It is me",
          createdAt: request.createdAt
        }
      )
      assert.strictEqual(incoming?.user.username, ada.account.username)
      assert.deepStrictEqual(yield* requests(ada, "incoming"), [])
      assert.deepStrictEqual(yield* requests(grace, "outgoing"), [])

      const accepted = yield* (yield* Friends).answer(grace.id, request.id, "accepted")
      assert.strictEqual(accepted.status, "accepted")
      for (const [one, other] of [
        [ada, grace],
        [grace, ada]
      ] as const) {
        assert.deepStrictEqual(
          (yield* friends(one)).map(({ id }) => id),
          [other.id]
        )
        assert.deepStrictEqual(yield* requests(one, "incoming"), [])
        assert.deepStrictEqual(yield* requests(one, "outgoing"), [])
      }
    })
  )

  it.effect("is accepted by a request in the other direction", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      yield* ask(ada, grace)
      const { created, request } = yield* ask(grace, ada)
      assert.isFalse(created)
      assert.strictEqual(request.status, "accepted")
      assert.lengthOf(yield* friends(ada), 1)
    })
  )

  it.effect("may be made twice, and the first one stays unchanged", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const first = yield* ask(ada, grace, "one")
      const second = yield* ask(ada, grace, "two")
      assert.deepStrictEqual(second, { request: first.request, created: false })
      assert.lengthOf(yield* requests(grace, "incoming"), 1)
    })
  )

  it.effect("names its recipient by username, address or id", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const service = yield* Friends
      const { request } = yield* ask(ada, grace)
      for (const to of [grace.account.username.toUpperCase(), `${grace.account.email}`, grace.id]) {
        assert.strictEqual((yield* service.ask(ada.id, { to })).request.id, request.id)
      }
      assert.strictEqual(yield* refusal(service.ask(ada.id, { to: "nobody_has_this_name" })), "NotFound")
      assert.strictEqual(yield* refusal(ask(ada, ada)), "ValidationFailed")
    })
  )

  it.effect("is answered by its recipient, withdrawn by its sender, and unknown to everybody else", () =>
    Effect.gen(function* () {
      const [ada, grace, eve] = yield* people("ada", "grace", "eve")
      const service = yield* Friends
      const { request } = yield* ask(ada, grace)
      for (const answer of ["accepted", "rejected"] as const) {
        assert.strictEqual(yield* refusal(service.answer(ada.id, request.id, answer)), "Forbidden")
        assert.strictEqual(yield* refusal(service.answer(eve.id, request.id, answer)), "NotFound")
      }
      assert.strictEqual(yield* refusal(service.withdraw(grace.id, request.id)), "Forbidden")
      assert.strictEqual(yield* refusal(service.withdraw(eve.id, request.id)), "NotFound")
      assert.lengthOf(yield* requests(grace, "incoming"), 1)
    })
  )

  it.effect("is gone for both when it is withdrawn, which may be repeated", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const service = yield* Friends
      const { request } = yield* ask(ada, grace, "secret")
      yield* service.withdraw(ada.id, request.id)
      yield* service.withdraw(ada.id, request.id)
      assert.deepStrictEqual(yield* requests(ada, "outgoing"), [])
      assert.deepStrictEqual(yield* requests(grace, "incoming"), [])
      assert.strictEqual(yield* refusal(service.answer(grace.id, request.id, "accepted")), "NotFound")
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`SELECT FROM friend_requests WHERE message = 'secret'`, [])
    })
  )

  it.effect("that was withdrawn gets another id when it is made again", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const service = yield* Friends
      const first = yield* ask(ada, grace)
      yield* service.withdraw(ada.id, first.request.id)
      const second = yield* ask(ada, grace)
      assert.isTrue(second.created)
      assert.notStrictEqual(second.request.id, first.request.id)
      assert.strictEqual(yield* refusal(service.answer(grace.id, first.request.id, "accepted")), "NotFound")
      assert.strictEqual(yield* refusal(service.withdraw(ada.id, first.request.id)), "NotFound")
    })
  )

  it.effect("that was accepted can be accepted again, but no longer be declined or withdrawn", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const service = yield* Friends
      const { request } = yield* ask(ada, grace)
      const accepted = yield* service.answer(grace.id, request.id, "accepted")
      assert.deepStrictEqual(yield* service.answer(grace.id, request.id, "accepted"), accepted)
      assert.strictEqual(yield* refusal(service.answer(grace.id, request.id, "rejected")), "Forbidden")
      assert.strictEqual(yield* refusal(service.withdraw(ada.id, request.id)), "Forbidden")
      assert.strictEqual((yield* ask(ada, grace)).request.status, "accepted")
      assert.lengthOf(yield* friends(ada), 1)
    })
  )

  it.effect("that is declined stays pending for its sender, and is gone for its recipient", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const service = yield* Friends
      const { request } = yield* ask(ada, grace)
      assert.strictEqual((yield* service.answer(grace.id, request.id, "rejected")).status, "rejected")
      assert.strictEqual((yield* service.answer(grace.id, request.id, "rejected")).status, "rejected")
      assert.deepStrictEqual(yield* requests(ada, "outgoing"), [request])
      assert.deepStrictEqual(yield* requests(grace, "incoming"), [])
    })
  )

  it.effect("reaches a person who declined one only after seven days, whatever its sender does", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const service = yield* Friends
      const { request } = yield* ask(ada, grace)
      yield* service.answer(grace.id, request.id, "rejected")
      yield* daysPass(ada, grace, 6)
      assert.deepStrictEqual(yield* ask(ada, grace), { request, created: false })
      yield* service.withdraw(ada.id, request.id)
      const again = yield* ask(ada, grace)
      assert.isTrue(again.created)
      assert.deepStrictEqual(yield* requests(ada, "outgoing"), [again.request])
      assert.deepStrictEqual(yield* requests(grace, "incoming"), [])
      // A block by the sender does not start another request, either.
      const blocks = yield* Blocks
      yield* blocks.block(ada.id, grace.id)
      yield* blocks.unblock(ada.id, grace.id)
      yield* ask(ada, grace)
      assert.deepStrictEqual(yield* requests(grace, "incoming"), [])

      yield* daysPass(ada, grace, 1)
      assert.deepStrictEqual(yield* requests(grace, "incoming"), [])
      assert.isFalse((yield* ask(ada, grace)).created)
      assert.lengthOf(yield* requests(grace, "incoming"), 1)
    })
  )

  it.effect("may come from a person who has declined one, and makes the two friends", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const { request } = yield* ask(ada, grace)
      yield* (yield* Friends).answer(grace.id, request.id, "rejected")
      assert.strictEqual((yield* ask(grace, ada)).request.status, "accepted")
    })
  )

  it.effect("may be accepted after it was declined, until it is withdrawn", () =>
    Effect.gen(function* () {
      const [ada, grace, eve] = yield* people("ada", "grace", "eve")
      const service = yield* Friends
      const { request } = yield* ask(ada, grace)
      yield* service.answer(grace.id, request.id, "rejected")
      assert.strictEqual((yield* service.answer(grace.id, request.id, "accepted")).status, "accepted")
      const other = yield* ask(ada, eve)
      yield* service.answer(eve.id, other.request.id, "rejected")
      yield* service.withdraw(ada.id, other.request.id)
      assert.strictEqual(yield* refusal(service.answer(eve.id, other.request.id, "accepted")), "NotFound")
    })
  )

  it.effect("is one of at most a hundred, declined ones included, also when many are made at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, ...others] = yield* people("ada", "b", "c", "d", "e", "f")
      yield* sql`
        INSERT INTO users (username, email, password_hash)
        SELECT 'asked_' || n, 'asked_' || n || '@example.com', '' FROM generate_series(1, ${maxOutgoingRequests - 2}::int) n`
      yield* sql`
        INSERT INTO friend_requests (from_user_id, to_user_id, status)
        SELECT ${ada.id}::uuid, id, CASE WHEN username LIKE '%0' THEN 'rejected' ELSE 'pending' END FROM users
        WHERE username LIKE 'asked_%'`
      const asked = yield* Effect.forEach(others, (other) => Effect.exit(ask(ada, other)), { concurrency: "unbounded" })
      assert.lengthOf(asked.filter(Exit.isSuccess), 2)
      const refused = others.find((_, index) => Exit.isFailure(asked[index]!))
      assert.strictEqual(yield* refusal(ask(ada, refused!)), "RequestLimitReached")
      // Accepting a request does not count towards the limit.
      yield* ask(refused!, ada)
      assert.strictEqual((yield* ask(ada, refused!)).request.status, "accepted")
      const [one] = yield* requests(ada, "outgoing")
      yield* (yield* Friends).withdraw(ada.id, one!.id)
      yield* ask(
        ada,
        others.find((_, index) => Exit.isFailure(asked[index]!) && others[index] !== refused)!
      )
    })
  )
})

layer(TestServices)("Friends", (it) => {
  it.effect("have a direct conversation from then on, whatever their settings for new ones", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, grace] = yield* people("ada", "grace")
      yield* sql`UPDATE users SET direct_messages_from = 'nobody' WHERE id IN (${ada.id}, ${grace.id})`
      yield* befriend(ada, grace)
      const conversations = yield* Conversations
      const { conversations: listed } = yield* conversations.list(grace.id, 10, undefined)
      assert.deepStrictEqual(
        listed.map(({ isDirectMessage, other }) => [isDirectMessage, other?.id]),
        [[true, ada.id]]
      )
      const { conversation, created } = yield* conversations.direct(ada.id, grace.id)
      assert.isFalse(created)
      assert.strictEqual(conversation.id, listed[0]?.id)
    })
  )

  it.effect("keep the conversation from before", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const conversations = yield* Conversations
      const { conversation } = yield* conversations.direct(ada.id, grace.id)
      yield* befriend(ada, grace)
      assert.strictEqual((yield* conversations.direct(grace.id, ada.id)).conversation.id, conversation.id)
    })
  )

  it.effect("who part can still read and write in their conversation, and may ask again at once", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const service = yield* Friends
      const messages = yield* Messages
      yield* befriend(ada, grace)
      const { conversation } = yield* (yield* Conversations).direct(ada.id, grace.id)
      yield* messages.send(ada.id, conversation.id, newId(), text("hello"))
      yield* service.remove(grace.id, ada.id)
      yield* service.remove(grace.id, ada.id)
      yield* service.remove(ada.id, grace.id)
      assert.deepStrictEqual(yield* friends(ada), [])
      assert.deepStrictEqual(yield* friends(grace), [])
      yield* messages.send(ada.id, conversation.id, newId(), text("still here"))
      const view = yield* messages.view(grace.id, conversation.id)
      assert.lengthOf((yield* messages.page(conversation.id, view, { limit: 10 })).messages, 2)
      for (const [one, other] of [
        [ada, grace],
        [grace, ada]
      ] as const) {
        const { request } = yield* ask(one, other)
        assert.lengthOf(yield* requests(other, "incoming"), 1)
        yield* service.withdraw(one.id, request.id)
      }
    })
  )

  it.effect("and requests are listed the latest first, a page at a time", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const service = yield* Friends
      const [ada] = yield* people("ada")
      yield* sql`
        INSERT INTO users (username, email, password_hash)
        SELECT 'listed_' || n, 'listed_' || n || '@example.com', '' FROM generate_series(0, 59) n`
      // Five of each kind at the same time.
      yield* sql`
        INSERT INTO friend_requests (from_user_id, to_user_id, status, created_at, responded_at)
        SELECT CASE WHEN n % 2 = 0 THEN id ELSE ${ada.id} END, CASE WHEN n % 2 = 0 THEN ${ada.id} ELSE id END,
          CASE WHEN n % 4 < 2 THEN 'accepted' WHEN n % 3 = 0 THEN 'rejected' ELSE 'pending' END,
          date_trunc('day', now()) - n / 20 * interval '1 ms', date_trunc('day', now()) - n / 20 * interval '1 ms'
        FROM (SELECT id, substr(username, 8)::int AS n FROM users WHERE username LIKE 'listed_%') u`
      const lists = [
        {
          count: 30,
          at: (limit: number, after: PageCursor | undefined) =>
            Effect.map(service.list(ada.id, limit, after), ({ items, next }) => ({
              next,
              items: items.map(({ id, since }) => ({ id: `${id}`, at: since }))
            }))
        },
        ...(["incoming", "outgoing"] as const).map((direction) => ({
          count: direction === "incoming" ? 10 : 15,
          at: (limit: number, after: PageCursor | undefined) =>
            Effect.map(service.requests(ada.id, direction, limit, after), ({ items, next }) => ({
              next,
              items: items.map(({ createdAt, id }) => ({ id: `${id}`, at: createdAt }))
            }))
        }))
      ]
      for (const { at, count } of lists) {
        const whole = yield* at(100, undefined)
        assert.isNull(whole.next)
        assert.lengthOf(whole.items, count)
        const sorted = [...whole.items].sort(
          (a, b) => b.at.epochMilliseconds - a.at.epochMilliseconds || (a.id < b.id ? 1 : -1)
        )
        assert.deepStrictEqual(whole.items, sorted)
        const paged: Array<unknown> = []
        let after: Option.Option<PageCursor | undefined> = Option.some(undefined)
        while (Option.isSome(after)) {
          const { items, next } = yield* at(4, after.value)
          paged.push(...items)
          after = Option.fromNullOr(next)
        }
        assert.deepStrictEqual(paged, [...whole.items])
      }
    })
  )
})
