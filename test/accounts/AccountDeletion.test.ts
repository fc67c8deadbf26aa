import { assert, layer } from "@effect/vitest"
import { Array as Arrays, Deferred, Effect, Fiber, Redacted, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { AccountDeletion } from "../../src/accounts/AccountDeletion.ts"
import { Accounts } from "../../src/auth/Accounts.ts"
import type { UserId } from "../../src/contract/Account.ts"
import { Profiles } from "../../src/accounts/Profiles.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import type { ConversationId } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { ChangeBus } from "../../src/changes/ChangeBus.ts"
import { signedIn, testPassword, TestServices, type TestUser } from "../../src/testing/index.ts"
import { groupOf, headOf, newId, people, post, refusal, systemMessages, text, wholeLog } from "../world.ts"

const deleteAccount = Effect.fnUntraced(function* ({ token }: TestUser, password = testPassword) {
  const current = yield* (yield* Sessions).authenticate(Redacted.make(token))
  yield* (yield* AccountDeletion).deleteAccount(current, password)
})

const direct = Effect.fnUntraced(function* (caller: TestUser, other: TestUser) {
  return (yield* (yield* Conversations).direct(caller.id, other.id)).conversation.id
})

/** The newest messages of a conversation, as somebody sees them. */
const pageOf = Effect.fnUntraced(function* ({ id }: TestUser, conversation: ConversationId) {
  const messages = yield* Messages
  return (yield* messages.page(conversation, yield* messages.view(id, conversation), { limit: 50 })).messages
})

const rolesIn = Effect.fnUntraced(function* ({ id }: TestUser, conversation: ConversationId) {
  const { participants } = yield* (yield* Conversations).get(id, conversation)
  return Object.fromEntries(participants.map(({ id, role }) => [id, role]))
})

/** Every row of every table, as text. */
const everything = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ name: string }>`
    SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`
  assert.isAbove(tables.length, 10)
  const rows = yield* Effect.forEach(
    tables,
    ({ name }) => sql<{ row: string }>`SELECT t::text AS row FROM ${sql(name)} t`
  )
  return rows.flat().map(({ row }) => row)
})

/** Fails if a log has a gap, or an entry of a person after the entry that they left. */
const assertWhole = Effect.fnUntraced(function* (witness: TestUser, id: ConversationId, gone: UserId) {
  const log = (yield* wholeLog(id)).map(({ message }) => message)
  assert.deepStrictEqual(
    log.map(({ version }) => version as number),
    Arrays.range(1, yield* headOf(witness, id))
  )
  const left = log.findIndex(
    ({ content }) => typeof content === "object" && content !== null && "event" in content && content.event === "left"
  )
  assert.isAtLeast(left, 0)
  assert.isEmpty(log.slice(left).filter(({ senderId }) => senderId === gone))
})

layer(TestServices)("A deleted account", (it) => {
  it.effect("leaves nothing that identifies its owner", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [grace] = yield* people("grace")
      const ada = yield* signedIn("Canary_name")
      yield* (yield* Profiles).update(ada.id, {
        displayName: "Canary Display",
        avatarUrl: "https://example.com/canary.png",
        email: "canary@example.com",
        currentPassword: testPassword
      })
      yield* (yield* Sessions).open(ada.id, { name: "canary phone", address: "203.0.113.99" })
      yield* sql`UPDATE users SET stripe_customer_id = 'canary_stripe', last_seen_at = now() WHERE id = ${ada.id}`
      yield* sql`
        INSERT INTO friend_requests (from_user_id, to_user_id, message)
        VALUES (${ada.id}, ${grace.id}, 'it is me, canary')`
      yield* sql`INSERT INTO blocks (blocker_id, blocked_id) VALUES (${ada.id}, ${grace.id})`
      yield* sql`INSERT INTO people_revisions (user_id) VALUES (${ada.id})`
      yield* sql`
        INSERT INTO contacts (user_id, contact_user_id, username, email)
        VALUES (${grace.id}, ${ada.id}, 'canary_name', 'canary@example.com'), (${ada.id}, ${grace.id}, 'grace', NULL)`
      yield* sql`INSERT INTO usage_tracking (user_id, metric_type, period_start) VALUES (${ada.id}, 'messages', now())`
      const canary = /canary|203\.0\.113\.99/i
      assert.isAtLeast((yield* everything).filter((row) => canary.test(row)).length, 4)

      yield* deleteAccount(ada)
      assert.deepStrictEqual(
        (yield* everything).filter((row) => canary.test(row)),
        []
      )
      const rows = (yield* everything).filter((row) => row.includes(ada.id))
      assert.lengthOf(rows, 1)
      assert.match(rows[0]!, new RegExp(`^\\(${ada.id},,"",deleted-${ada.id},`))
    })
  )

  it.effect("frees its username and e-mail address for another account", () =>
    Effect.gen(function* () {
      const former = yield* signedIn("Phoenix")
      yield* deleteAccount(former)
      const next = yield* signedIn("PHOENIX")
      assert.notStrictEqual(next.id, former.id)
      const verified = yield* (yield* Accounts).verifyLogin({ login: "phoenix@EXAMPLE.com", password: testPassword })
      assert.strictEqual(verified.account.id, next.id)
    })
  )

  it.effect("is deleted once, and only with its password", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      const ada = yield* signedIn()
      assert.strictEqual(yield* refusal(deleteAccount(ada, Redacted.make("not the password"))), "Forbidden")
      assert.deepStrictEqual((yield* (yield* Accounts).get(ada.id)).username, ada.account.username)
      const current = yield* sessions.authenticate(Redacted.make(ada.token))
      const { deleteAccount: deleteOnce } = yield* AccountDeletion
      const outcomes = yield* Effect.all(
        Array.from({ length: 3 }, () =>
          deleteOnce(current, testPassword).pipe(
            Effect.match({ onSuccess: () => "deleted", onFailure: ({ _tag }) => _tag })
          )
        ),
        { concurrency: "unbounded" }
      )
      assert.sameMembers(outcomes, ["deleted", "Forbidden", "Forbidden"])
      assert.strictEqual(yield* refusal(sessions.authenticate(Redacted.make(ada.token))), "Unauthorized")
    })
  )

  it.effect("is not brought back by requests in progress", () =>
    Effect.gen(function* () {
      const accounts = yield* Accounts
      const conversations = yield* Conversations
      const [ada, grace] = yield* people("ada", "grace")
      yield* deleteAccount(ada)
      // As if the session had been authenticated before.
      assert.strictEqual(yield* refusal((yield* Profiles).update(ada.id, { displayName: "Ada" })), "Unauthorized")
      assert.strictEqual(yield* refusal(accounts.get(ada.id)), "Unauthorized")
      const device = { name: undefined, address: undefined }
      assert.strictEqual(yield* refusal((yield* Sessions).open(ada.id, device)), "Unauthorized")
      assert.strictEqual(yield* refusal(conversations.direct(ada.id, grace.id)), "NotFound")
      assert.strictEqual(yield* refusal(conversations.create(ada.id, { participantIds: [] })), "ValidationFailed")
    })
  )

  it.effect("disappears for friends and from open requests at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus
      const [ada, friend, asked, asking] = yield* people("ada", "friend", "asked", "asking")
      yield* sql`
        INSERT INTO friend_requests (from_user_id, to_user_id, status)
        VALUES (${ada.id}, ${friend.id}, 'accepted'), (${ada.id}, ${asked.id}, 'pending'), (${asking.id}, ${ada.id}, 'pending')`
      const told = yield* bus.changes.pipe(
        Stream.filter((change) => change._tag === "Person" && change.userId !== ada.id),
        Stream.take(3),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* deleteAccount(ada)
      assert.sameMembers(
        (yield* Fiber.join(told)).map((change) => (change._tag === "Person" ? change.userId : change._tag)),
        [friend.id, asked.id, asking.id]
      )
    })
  )
})

layer(TestServices)("A direct conversation with a deleted account", (it) => {
  it.effect("stays for the other person, who sees a neutral name", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* direct(ada, grace)
      yield* post(ada, id, "hello")
      yield* post(grace, id, "hello yourself")
      const before = yield* pageOf(grace, id)
      yield* deleteAccount(ada)

      assert.deepStrictEqual(yield* pageOf(grace, id), before)
      assert.strictEqual(yield* headOf(grace, id), 2)
      const neutral = {
        id: ada.id,
        username: `deleted-${ada.id}`,
        displayName: "Deleted account",
        avatarUrl: null
      }
      const { participants } = yield* conversations.get(grace.id, id)
      assert.deepInclude(
        participants.find(({ id }) => id === ada.id),
        neutral
      )
      const { conversations: list } = yield* conversations.list(grace.id, 10, undefined)
      assert.deepStrictEqual(list.find((conversation) => conversation.id === id)?.other, neutral)
      assert.strictEqual((yield* direct(grace, ada)) as string, id)
    })
  )

  it.effect("cannot be opened again, nor can the account join a group", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([grace])
      yield* deleteAccount(ada)
      assert.strictEqual(yield* refusal(conversations.direct(grace.id, ada.id)), "NotFound")
      assert.strictEqual(
        yield* refusal(conversations.create(grace.id, { participantIds: [ada.id] })),
        "ValidationFailed"
      )
      assert.strictEqual(yield* refusal((yield* Participants).add(grace.id, id, ada.id)), "NotFound")
      assert.deepStrictEqual(yield* rolesIn(grace, id), { [grace.id]: "owner" })
    })
  )

  it.effect("is deleted with its second participant, also when both leave at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      for (const concurrency of [1, 2]) {
        const [ada, grace] = yield* people("ada", "grace")
        const id = yield* direct(ada, grace)
        yield* post(ada, id, "hello")
        yield* Effect.forEach([ada, grace], (person) => deleteAccount(person), { concurrency })
        assert.isEmpty(yield* sql`SELECT FROM conversations WHERE id = ${id} AND deleted_at IS NULL`)
      }
    })
  )
})

layer(TestServices)("A group of a deleted account", (it) => {
  it.effect("says that the person left, and keeps their messages", () =>
    Effect.gen(function* () {
      const [owner, ada] = yield* people("owner", "ada")
      const id = yield* groupOf([owner, ada])
      const { id: message } = yield* post(ada, id, "hello all")
      yield* deleteAccount(ada)
      assert.deepStrictEqual(yield* rolesIn(owner, id), { [owner.id]: "owner" })
      assert.deepStrictEqual((yield* systemMessages(id)).at(-1), { event: "left", user: ada.id })
      const kept = (yield* pageOf(owner, id)).find((one) => one.id === message)
      assert.deepInclude(kept, { senderId: ada.id, content: "hello all" })
      assert.strictEqual(kept?.version, kept?.seq)
      yield* assertWhole(owner, id, ada.id)
    })
  )

  it.effect("passes to the longest-standing participant, admins first, and says so", () =>
    Effect.gen(function* () {
      const participants = yield* Participants
      const [ada, second, third] = yield* people("ada", "second", "third")
      const plain = yield* groupOf([ada])
      const withAdmin = yield* groupOf([ada])
      for (const id of [plain, withAdmin]) {
        for (const { id: user } of [second, third]) yield* participants.add(ada.id, id, user)
      }
      yield* participants.setRole(ada.id, withAdmin, third.id, "admin")
      yield* deleteAccount(ada)

      assert.deepStrictEqual(yield* rolesIn(second, plain), { [second.id]: "owner", [third.id]: "member" })
      assert.deepStrictEqual(yield* rolesIn(second, withAdmin), { [second.id]: "member", [third.id]: "owner" })
      for (const [id, heir] of [
        [plain, second.id],
        [withAdmin, third.id]
      ] as const) {
        assert.deepStrictEqual((yield* systemMessages(id)).slice(-2), [
          { event: "left", user: ada.id },
          { event: "roleChanged", by: ada.id, user: heir, role: "owner" }
        ])
      }
    })
  )

  it.effect("is deleted with its last participant, also when all leave at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* people("ada", "grace", "eve", "bob")
      const ids = yield* Effect.forEach(Arrays.range(1, 5), () => groupOf(all))
      yield* Effect.forEach(all, (person) => deleteAccount(person), { concurrency: "unbounded" })
      assert.isEmpty(yield* sql`SELECT FROM conversations WHERE id = ANY(${ids}::uuid[]) AND deleted_at IS NULL`)
    })
  )

  it.effect("is left with all others, and its subscribers learn of it", () =>
    Effect.gen(function* () {
      const bus = yield* ChangeBus
      const [ada, grace] = yield* people("ada", "grace")
      const ids = yield* Effect.forEach(Arrays.range(1, 30), () => groupOf([ada, grace]), { concurrency: 4 })
      const told = yield* bus.changes.pipe(
        Stream.filter((change) => change._tag === "Participation"),
        Stream.take(30),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* deleteAccount(ada)
      assert.sameMembers(
        (yield* Fiber.join(told)).map((change) =>
          change._tag === "Participation" ? change.conversationId : undefined
        ),
        ids
      )
      for (const id of ids) assert.deepStrictEqual(yield* rolesIn(grace, id), { [grace.id]: "owner" })
    })
  )
})

// On the live clock: a transaction that met another one sleeps before it is run again.
layer(TestServices, { excludeTestServices: true })("An account that is being deleted", (it) => {
  it.effect("sends nothing after it has left", () =>
    Effect.gen(function* () {
      const messages = yield* Messages
      const [grace, ada] = yield* people("grace", "ada")
      const groups = yield* Effect.forEach(Arrays.range(1, 3), () => groupOf([grace, ada]))
      const send = ({ id }: TestUser, group: ConversationId) =>
        Effect.suspend(() => messages.send(id, group, newId(), text("more"))).pipe(
          Effect.forever,
          Effect.catch((error) => Effect.succeed(error._tag))
        )
      const sending = yield* Effect.forEach(groups, (group) => Effect.forkChild(send(ada, group)))
      const others = yield* Effect.forEach(groups, (group) => Effect.forkChild(send(grace, group)))
      yield* Effect.forEach(groups, (group) => Effect.repeat(headOf(grace, group), { until: (head) => head > 20 }))
      yield* deleteAccount(ada)
      for (const fiber of sending) assert.include(["NotFound", "Forbidden"], yield* Fiber.join(fiber))
      yield* Fiber.interruptAll(others)
      for (const group of groups) {
        // A message that was on its way when its sender was interrupted arrives before this one.
        yield* post(grace, group, "last")
        yield* assertWhole(grace, group, ada.id)
      }
    })
  )

  const attempts: Record<
    string,
    (
      ada: TestUser,
      grace: TestUser,
      group: ConversationId
    ) => Effect.Effect<unknown, { readonly _tag: string }, Conversations | Participants | Sessions>
  > = {
    "be added to a group": (ada, grace, group) =>
      Participants.use((participants) => participants.add(grace.id, group, ada.id)),
    "be part of a new group": (ada, grace) =>
      Conversations.use((conversations) => conversations.create(grace.id, { participantIds: [ada.id] })),
    "make a group": (ada) => Conversations.use((conversations) => conversations.create(ada.id, { participantIds: [] })),
    "be written to": (ada, grace) => Conversations.use((conversations) => conversations.direct(grace.id, ada.id)),
    "write to anybody": (ada, grace) => Conversations.use((conversations) => conversations.direct(ada.id, grace.id)),
    "be logged in to": (ada) =>
      Sessions.use((sessions) => sessions.open(ada.id, { name: undefined, address: undefined }))
  }
  for (const [what, attempt] of Object.entries(attempts)) {
    it.effect(`cannot ${what}: the attempt waits, and finds no account`, () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const accounts = yield* Accounts
        const [ada, grace] = yield* people("ada", "grace")
        const group = yield* groupOf([grace])
        const proof = yield* accounts.verifyPassword(ada.id, testPassword)
        const isLocked = yield* Deferred.make<void>()
        const isTried = yield* Deferred.await(isLocked).pipe(
          Effect.andThen(refusal(attempt(ada, grace, group))),
          Effect.forkChild({ startImmediately: true })
        )
        yield* Effect.gen(function* () {
          yield* accounts.anonymise(ada.id, proof)
          yield* Deferred.succeed(isLocked, undefined)
          const waiting = sql`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
          yield* Effect.repeat(waiting, { until: (rows) => rows.length > 0 })
        }).pipe(sql.withTransaction)
        assert.include(["NotFound", "ValidationFailed", "Unauthorized"], yield* Fiber.join(isTried))
        assert.isEmpty(yield* sql`SELECT FROM conversation_participants WHERE user_id = ${ada.id}`)
      })
    )
  }

  it.effect("is in no group afterwards, and every group has an owner", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const conversations = yield* Conversations
      const participants = yield* Participants
      const [grace, ada] = yield* people("grace", "ada")
      const groups = yield* Effect.forEach(Arrays.range(1, 4), () => groupOf([grace]))
      const again = (attempt: Effect.Effect<unknown, unknown>) =>
        Effect.forkChild(Effect.forever(Effect.ignore(attempt)))
      const trying = yield* Effect.all([
        ...groups.map((group) => again(participants.add(grace.id, group, ada.id))),
        ...groups.map((group) => again(participants.remove(grace.id, group, ada.id))),
        again(conversations.create(grace.id, { participantIds: [ada.id] })),
        again(conversations.create(ada.id, { participantIds: [grace.id] }))
      ])
      yield* deleteAccount(ada)
      yield* Fiber.interruptAll(trying)
      assert.isEmpty(yield* sql`SELECT FROM conversation_participants WHERE user_id = ${ada.id}`)
      const ownerless = yield* sql`
        SELECT FROM conversations c WHERE NOT is_direct_message AND deleted_at IS NULL AND NOT EXISTS (
          SELECT FROM conversation_participants p WHERE p.conversation_id = c.id AND p.role = 'owner')`
      assert.isEmpty(ownerless)
    })
  )

  it.effect("has no session afterwards, despite logins in progress", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const accounts = yield* Accounts
      const sessions = yield* Sessions
      const ada = yield* signedIn()
      const login = Effect.gen(function* () {
        const { account, proof } = yield* accounts.verifyLogin({ login: ada.account.username, password: testPassword })
        yield* sessions.open(account.id, { name: undefined, address: undefined }, proof)
      })
      yield* Effect.all([deleteAccount(ada), ...Array.from({ length: 4 }, () => Effect.ignore(login))], {
        concurrency: "unbounded",
        discard: true
      })
      assert.isEmpty(yield* sql`SELECT FROM sessions WHERE user_id = ${ada.id}`)
    })
  )
})
