import { assert, layer } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { AccountDeletion } from "../../src/accounts/AccountDeletion.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import * as Database from "../../src/database/Database.ts"
import { Inbox } from "../../src/inbox/Inbox.ts"
import type { ConversationId } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { Receipts } from "../../src/conversations/Receipts.ts"
import { Removal } from "../../src/conversations/Removal.ts"
import { ServicesLive } from "../../src/Server.ts"
import { testPassword, TestDatabase, type TestUser } from "../../src/testing/index.ts"
import { findMessages, groupOf, newId, people, post, refusal, text, wholeLog } from "../world.ts"

/** Services whose statements may not take long. */
const services = ServicesLive.pipe(
  Layer.provideMerge(
    Layer.unwrap(
      Effect.map(TestDatabase, ({ url }) => Database.layerUnchecked({ url, statementTimeout: Duration.millis(400) }))
    )
  ),
  Layer.provideMerge(TestDatabase.layer)
)

/** Creates messages, some with reactions, earlier versions and replies, by SQL. */
const fill = Effect.fnUntraced(function* (id: ConversationId, sender: TestUser, count: number) {
  const { url } = yield* TestDatabase
  yield* Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* Effect.andThen(
      sql`SET LOCAL session_replication_role = replica`,
      sql`
        INSERT INTO chat_messages (conversation_id, id, sender_id, message_type, content, seq, version, reply_to)
        SELECT ${id}::uuid, md5(${id} || n)::uuid, ${sender.id}::uuid, 'text', 'canary ' || n, n, n,
          CASE n % 10 WHEN 1 THEN md5(${id} || n - 1)::uuid WHEN 2 THEN md5(${id} || ${count} - n)::uuid END
        FROM generate_series(2, ${count}::int) n`
    ).pipe(sql.withTransaction)
    yield* sql`
      INSERT INTO message_reactions (conversation_id, message_id, user_id, emoji)
      SELECT conversation_id, id, sender_id, '👍' FROM chat_messages WHERE conversation_id = ${id} AND seq % 20 = 2`
    yield* sql`
      INSERT INTO message_versions (conversation_id, message_id, version, content, written_at)
      SELECT conversation_id, id, seq, 'before', now() FROM chat_messages WHERE conversation_id = ${id} AND seq % 20 = 4`
    yield* sql`UPDATE conversations SET head = ${count} WHERE id = ${id}`
  }).pipe(Effect.provide(Layer.fresh(Database.layerUnchecked({ url, maxConnections: 1 }))))
})

/** The number of a conversation's rows in each table. */
const rowsOf = Effect.fnUntraced(function* (id: ConversationId) {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ name: string }>`
    SELECT table_name AS name FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name = 'conversation_id'`
  const counts = yield* Effect.forEach(
    [...tables.map(({ name }) => [name, "conversation_id"] as const), ["conversations", "id"] as const],
    ([table, column]) =>
      Effect.map(
        sql<{ count: number }>`SELECT count(*)::int AS count FROM ${sql(table)} WHERE ${sql(column)} = ${id}`,
        ([row]) => row?.count ?? 0
      )
  )
  return counts.reduce((sum, count) => sum + count, 0)
})

const until = <E, R>(isSo: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(isSo, { until: (is) => is, schedule: Schedule.spaced("20 millis") })

const gone = (id: ConversationId) => until(Effect.map(rowsOf(id), (rows) => rows === 0))

/** Runs something while the rows of a conversation cannot be removed, but can be marked. */
const kept = Effect.fnUntraced(function* <A, E, R>(id: ConversationId, use: Effect.Effect<A, E, R>) {
  const { url } = yield* TestDatabase
  const other = yield* Layer.build(Layer.fresh(Database.layerUnchecked({ url, maxConnections: 1 })))
  const sql = Context.get(other, SqlClient.SqlClient)
  const [isKept, mayGo] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const keeping = yield* sql`SELECT FROM conversations WHERE id = ${id} FOR KEY SHARE`.pipe(
    Effect.andThen(Deferred.succeed(isKept, undefined)),
    Effect.andThen(Deferred.await(mayGo)),
    sql.withTransaction,
    Effect.forkScoped
  )
  yield* Deferred.await(isKept)
  return yield* Effect.ensuring(use, Effect.andThen(Deferred.succeed(mayGo, undefined), Fiber.await(keeping)))
}, Effect.scoped)

const deleteAccount = Effect.fnUntraced(function* ({ token }: TestUser) {
  const current = yield* (yield* Sessions).authenticate(Redacted.make(token))
  yield* (yield* AccountDeletion).deleteAccount(current, testPassword)
})

/** Asserts that a person finds nothing of a conversation, by any request. */
const assertUnknown = Effect.fnUntraced(function* ({ id: user }: TestUser, id: ConversationId, message: string) {
  const conversations = yield* Conversations
  const messages = yield* Messages
  const changes = yield* MessageChanges
  const target = { conversationId: id, id: newId() }
  type Asked = Effect.Effect<unknown, { readonly _tag: string }, Receipts | Participants>
  const asked: Record<string, Asked> = {
    get: conversations.get(user, id),
    update: conversations.update(user, id, { name: "?" }),
    remove: conversations.remove(user, id),
    view: messages.view(user, id),
    send: messages.send(user, id, newId(), text("?")),
    message: messages.get(user, id, target.id),
    edit: changes.edit(user, target, "?"),
    react: changes.react(user, target, "👍"),
    receipt: Receipts.use((receipts) => receipts.put(user, id, {})),
    leave: Participants.use((participants) => participants.remove(user, id, user)),
    rejoin: Participants.use((participants) => participants.add(user, id, user))
  }
  for (const [name, attempt] of Object.entries(asked)) {
    assert.strictEqual(yield* refusal(attempt), "NotFound", name)
  }
  assert.isEmpty((yield* conversations.list(user, 50, undefined)).conversations.filter((found) => found.id === id))
  assert.notInclude((yield* (yield* Inbox).read(user, undefined)).ids, id)
  assert.isEmpty(yield* findMessages({ id: user }, message))
  assert.isEmpty(yield* messages.heads([id]))
})

layer(services, { excludeTestServices: true })("A conversation that is removed", (it) => {
  it.effect("is gone for everybody at once, and its many rows soon after", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada, grace])
      yield* fill(id, grace, 15_000)
      yield* (yield* Conversations).remove(ada.id, id)
      for (const person of [ada, grace]) yield* assertUnknown(person, id, "canary")
      yield* gone(id)
    })
  )

  it.effect("goes in slices, too, when its last participant leaves", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      yield* fill(id, ada, 15_000)
      yield* kept(
        id,
        Effect.gen(function* () {
          yield* (yield* Participants).remove(ada.id, id, ada.id)
          yield* assertUnknown(ada, id, "canary")
          assert.isAbove(yield* rowsOf(id), 15_000)
          const sql = yield* SqlClient.SqlClient
          const [marked] = yield* sql`SELECT FROM conversations WHERE id = ${id} AND deleted_at IS NOT NULL`
          assert.isDefined(marked)
        })
      )
      yield* Layer.build(Layer.fresh(Removal.layer))
      yield* gone(id)
    })
  )

  it.effect("is removed by another process if the first one has ended", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada, grace])
      yield* fill(id, grace, 3_000)
      yield* kept(
        id,
        Effect.gen(function* () {
          yield* (yield* Conversations).remove(ada.id, id)
          for (const person of [ada, grace]) yield* assertUnknown(person, id, "canary")
          assert.isAbove(yield* rowsOf(id), 3_000)
        })
      )
      yield* Layer.build(Layer.fresh(Removal.layer))
      yield* gone(id)
    })
  )

  const ways = {
    "by its owner": (ada: TestUser, id: ConversationId) => Conversations.use(({ remove }) => remove(ada.id, id)),
    "by the last who leaves": (ada: TestUser, id: ConversationId) =>
      Participants.use(({ remove }) => remove(ada.id, id, ada.id)),
    "by the account of the last": (ada: TestUser) => deleteAccount(ada)
  }
  for (const [way, remove] of Object.entries(ways)) {
    it.effect(`leaves nothing (${way})`, () =>
      Effect.gen(function* () {
        const [ada] = yield* people("ada")
        const id = yield* groupOf([ada])
        yield* post(ada, id, "canary")
        yield* remove(ada, id)
        yield* gone(id)
      })
    )
  }
})

layer(services, { excludeTestServices: true })("A deleted account of many conversations", (it) => {
  it.effect("leaves them all, even more than one transaction takes", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, grace] = yield* people("ada", "grace")
      const { conversation } = yield* (yield* Conversations).direct(ada.id, grace.id)
      const groups = (yield* sql<{ id: ConversationId }>`
        WITH made AS (
          INSERT INTO conversations (is_direct_message) SELECT false FROM generate_series(1, 250) RETURNING id
        ), joined AS (
          INSERT INTO conversation_participants (conversation_id, user_id, role)
          SELECT made.id, p.user_id, p.role FROM made, (
            VALUES (${ada.id}::uuid, 'owner'), (${grace.id}::uuid, 'member')) p (user_id, role)
        )
        SELECT id FROM made`).map(({ id }) => id)
      const own = yield* Effect.replicateEffect(groupOf([ada]), 3)
      yield* deleteAccount(ada)
      // As if this process had ended here.
      yield* Layer.build(Layer.fresh(Participants.layer))
      yield* until(Effect.map(sql`SELECT FROM departures`, (departures) => departures.length === 0))
      const left = yield* sql<{ role: string; count: number }>`
        SELECT role, count(*)::int AS count FROM conversation_participants
        WHERE conversation_id = ANY(${groups}::uuid[]) GROUP BY role`
      assert.deepStrictEqual(left, [{ role: "owner", count: 250 }])
      for (const id of [groups[0]!, groups.at(-1)!]) {
        assert.deepStrictEqual(
          (yield* wholeLog(id)).map(({ message }) => message.content),
          [
            { event: "left", user: ada.id },
            { event: "roleChanged", by: ada.id, user: grace.id, role: "owner" }
          ]
        )
      }
      assert.strictEqual((yield* (yield* Conversations).get(grace.id, conversation.id)).participants.length, 2)
      for (const id of own) yield* gone(id)
    })
  )
})
