import { assert, layer } from "@effect/vitest"
import { Array as Arrays, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { maxParticipants } from "../../src/contract/Conversation.ts"
import { maxOutgoingRequests, maxPeopleListed } from "../../src/contract/Friend.ts"
import { maxInboxBytes, maxInboxConversations } from "../../src/contract/InboxPage.ts"
import { pageBytes } from "../../src/contract/Paging.ts"
import { signedIn, TestServer, type TestUser } from "../../src/testing/index.ts"
import { call } from "../friends/caller.ts"
import { inboxOf, subscribe, type Page } from "./subscriber.ts"

/** A picture with the longest address, of which JSON escapes what it can. */
const longestUrl = `https://example.com/${'"'.repeat(2_028)}`

const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value))

/** One item more than the budget, which may be this long. */
const itemBytes = 65_536

const populate = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO users (username, email, password_hash, display_name, avatar_url)
    SELECT 'crowd_' || n, 'crowd_' || n || '@example.com', 'x', repeat('"', 64), ${longestUrl}
    FROM generate_series(1, 1200) n ON CONFLICT DO NOTHING`
  return yield* sql<{ readonly id: string }>`
    SELECT id FROM users WHERE username LIKE 'crowd\\_%' ORDER BY id`
})

/** A person in more groups than an inbox has, each with people whose pictures have the longest addresses. */
const busy = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [ada, grace] = [yield* signedIn(), yield* signedIn()]
  yield* call(grace, "PATCH", "/auth/me", { avatarUrl: longestUrl })
  const crowd = yield* populate
  yield* sql`
    WITH made AS (
      INSERT INTO conversations (name, created_by, updated_at)
      SELECT repeat('"', 255), ${ada.id}::uuid, now() - n % 400 * interval '300 microseconds'
      FROM generate_series(1, 1050) n RETURNING id
    )
    INSERT INTO conversation_participants (conversation_id, user_id)
    SELECT made.id, user_id FROM made,
      unnest(${[ada.id, grace.id, ...crowd.slice(0, 1).map(({ id }) => id)]}::uuid[]) AS user_id`
  yield* sql`ANALYZE conversations, conversation_participants`
  return { ada, grace }
})

/** Every item of a list, page by page, from a cursor on. */
const walk = Effect.fnUntraced(function* (user: TestUser, path: string, list: string, from: string | null | undefined) {
  const ids: Array<string> = []
  let cursor = from
  while (typeof cursor === "string") {
    const separator = path.includes("?") ? "&" : "?"
    const { body } = yield* call(user, "GET", `${path}${separator}limit=200&cursor=${encodeURIComponent(cursor)}`)
    const page = body as { readonly cursor: string | null } & Record<string, ReadonlyArray<{ readonly id: string }>>
    assert.isAtMost(bytesOf(page), pageBytes + 2 * itemBytes)
    ids.push(...(page[list] ?? []).map(({ id }) => id))
    cursor = page.cursor
  }
  return ids
})

const assertBounded = (page: Page) => {
  assert.isAtMost(bytesOf(page.conversations), maxInboxBytes + itemBytes)
  assert.isAtMost(page.conversationIds.length, maxInboxConversations)
}

layer(TestServer.layer, { excludeTestServices: true })("An inbox of somebody with very many conversations", (it) => {
  it.effect("is bounded, and its cursor leads to every other conversation once", () =>
    Effect.gen(function* () {
      const { ada, grace } = yield* busy
      const page = yield* inboxOf(ada)
      assertBounded(page)
      assert.lengthOf(page.conversationIds, maxInboxConversations)
      const shown = page.conversationIds.filter((id) => page.conversations[id] !== undefined)
      assert.isAbove(shown.length, 10)
      const rest = yield* walk(ada, "/conversations", "conversations", page.conversationsCursor)
      const all = [...shown, ...rest]
      assert.deepStrictEqual(all.slice(0, maxInboxConversations), page.conversationIds)
      assert.lengthOf(all, 1_050)
      assert.lengthOf(Arrays.dedupe(all), 1_050)

      // More changes than an update may hold: it comes as a snapshot again.
      const subscriber = yield* subscribe(ada, "lines")
      assertBounded(yield* Effect.promise(() => subscriber.next()))
      yield* call(grace, "PATCH", "/auth/me", { displayName: "Grace H" })
      const changed = yield* inboxOf(ada)
      yield* Effect.promise(() => subscriber.reach(changed))
      assertBounded(changed)

      // Those that come up from behind the last one come with their items, also where it is resumed.
      const copy = { version: subscriber.version, page: subscriber.page }
      const [first = "", second = ""] = changed.conversationIds
      for (const id of [first, second]) yield* call(ada, "DELETE", `/conversations/${id}/participants/${ada.id}`)
      const { conversationIds } = yield* inboxOf(ada)
      const entered = conversationIds.filter((id) => !changed.conversationIds.includes(id))
      assert.lengthOf(entered, 2)
      const resumed = yield* subscribe(ada, "lines", copy)
      for (const stream of [subscriber, resumed]) {
        let page: Page
        do page = yield* Effect.promise(() => stream.next())
        while (page.conversationIds.join() !== conversationIds.join())
        for (const id of entered) assert.isDefined(page.conversations[id])
      }
    })
  )
})

layer(TestServer.layer, { excludeTestServices: true })("The people in a conversation", (it) => {
  it.effect("are bounded, and the cursor leads to the others, each once; usual ones are all there", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ada = yield* signedIn()
      const crowd = (yield* populate).slice(0, maxParticipants - 1).map(({ id }) => id)
      const made = yield* call(ada, "POST", "/conversations", { participantIds: [], name: '"'.repeat(255) })
      const { id, participantsCursor } = made.body as { id: string; participantsCursor: string | null }
      assert.isNull(participantsCursor)
      yield* call(ada, "PATCH", `/conversations/${id}`, { description: '"'.repeat(4_096) })
      // Several in one millisecond.
      yield* sql`
        INSERT INTO conversation_participants (conversation_id, user_id, joined_at)
        SELECT ${id}::uuid, user_id, now() + n * interval '300 microseconds'
        FROM unnest(${crowd}::uuid[]) WITH ORDINALITY u (user_id, n)`
      const { body } = yield* call(ada, "GET", `/conversations/${id}`)
      const page = body as typeof made.body & { participants: Array<{ id: string }>; participantsCursor: string | null }
      assert.isAtMost(bytesOf(page), pageBytes + itemBytes)
      assert.isAbove(page.participants.length, 50)
      const rest = yield* walk(ada, `/conversations/${id}/participants`, "participants", page.participantsCursor)
      const all = [...page.participants.map((person) => person.id), ...rest]
      assert.lengthOf(all, maxParticipants)
      assert.sameMembers(all, [ada.id, ...crowd])

      yield* sql`UPDATE users SET avatar_url = 'https://example.com/a.png', display_name = 'Some Body' WHERE username LIKE 'crowd\\_%'`
      const whole = (yield* call(ada, "GET", `/conversations/${id}`)).body as typeof page
      assert.lengthOf(whole.participants, maxParticipants)
      assert.isNull(whole.participantsCursor)
    })
  )
})

layer(TestServer.layer, { excludeTestServices: true })("The people in an inbox", (it) => {
  it.effect("are bounded, and the cursors lead to the others, each once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, bob] = [yield* signedIn(), yield* signedIn()]
      const crowd = yield* populate
      yield* sql`
        INSERT INTO friend_requests (from_user_id, to_user_id, status, responded_at)
        SELECT id, ${ada.id}::uuid, 'accepted', now() - n * interval '300 microseconds'
        FROM unnest(${crowd.map(({ id }) => id)}::uuid[]) WITH ORDINALITY u (id, n)`
      yield* sql`
        INSERT INTO friend_requests (from_user_id, to_user_id, message, created_at)
        SELECT id, ${bob.id}::uuid, repeat(chr(1), 500), date_trunc('milliseconds', now()) - make_interval(secs => n / 7)
        FROM unnest(${crowd.map(({ id }) => id)}::uuid[]) WITH ORDINALITY u (id, n)`
      yield* sql`
        INSERT INTO blocks (blocker_id, blocked_id, created_at)
        SELECT ${bob.id}::uuid, id, now() - n * interval '300 microseconds'
        FROM unnest(${crowd.map(({ id }) => id)}::uuid[]) WITH ORDINALITY u (id, n)`
      const everybody = crowd.map(({ id }) => id)
      const idsOf = (list: ReadonlyArray<unknown> | undefined) =>
        (list ?? []).map((item) => (item as { id: string }).id)

      const { friends, friendsCursor } = yield* inboxOf(ada)
      const page = yield* inboxOf(bob)
      for (const list of [friends, page.blocks, page.requests]) {
        assert.isAtMost(bytesOf(list), pageBytes + itemBytes)
        assert.isAtMost(list?.length ?? 0, maxPeopleListed)
      }
      assert.isAtMost(page.requests?.length ?? 0, maxOutgoingRequests)
      const allFriends = [...idsOf(friends), ...(yield* walk(ada, "/friends", "friends", friendsCursor))]
      assert.deepStrictEqual(allFriends.toSorted(), everybody)
      const allBlocks = [...idsOf(page.blocks), ...(yield* walk(bob, "/friends/blocks", "blocks", page.blocksCursor))]
      assert.deepStrictEqual(allBlocks.toSorted(), everybody)
      const requests = yield* walk(bob, "/friends/requests?direction=incoming", "requests", page.requestsCursor)
      assert.lengthOf(Arrays.dedupe([...idsOf(page.requests), ...requests]), everybody.length)
      assert.lengthOf([...idsOf(page.requests), ...requests], everybody.length)
    })
  )
})
