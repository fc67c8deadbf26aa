import { assert, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Schedule, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { ChangeBus } from "../../src/changes/ChangeBus.ts"
import type { UserId } from "../../src/contract/Account.ts"
import * as Database from "../../src/database/Database.ts"
import type { ConversationId } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import type { MessageId } from "../../src/contract/Message.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Outbox } from "../../src/messages/Outbox.ts"
import { signedIn, TestDatabase, TestServices } from "../../src/testing/index.ts"
import { holding } from "../database/holding.ts"
import { groupOf, newId, people, post, refusal, text, wholeLog } from "../world.ts"

/** Does something in a transaction of another process, and commits it when a send waits for its locks. */
const meanwhile = <A, E>(others: Effect.Effect<unknown, E, SqlClient.SqlClient>, send: Effect.Effect<A>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [isDone, mayCommit] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const transaction = yield* others.pipe(
      Effect.andThen(Deferred.succeed(isDone, undefined)),
      Effect.andThen(Deferred.await(mayCommit)),
      sql.withTransaction,
      Effect.forkChild
    )
    yield* Deferred.await(isDone)
    const sending = yield* Effect.forkChild(send, { startImmediately: true })
    yield* sql`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`.pipe(
      Effect.repeat({ until: (waiting) => waiting.length > 0, schedule: Schedule.spaced("5 millis") })
    )
    yield* Deferred.succeed(mayCommit, undefined)
    yield* Fiber.join(transaction)
    return yield* Fiber.join(sending)
  })

/** A message as another process writes it. */
const sentElsewhere = (
  sender: { readonly id: UserId },
  conversationId: ConversationId,
  content: string,
  id: MessageId = newId()
) =>
  SqlClient.SqlClient.use(
    (sql) => sql`
      WITH moved AS (UPDATE conversations SET head = head + 1 WHERE id = ${conversationId} RETURNING head)
      INSERT INTO chat_messages (conversation_id, id, sender_id, content, message_type, seq, version, created_at)
      SELECT ${conversationId}, ${id}, ${sender.id}, ${content}, 'text', head, head, clock_timestamp() FROM moved`
  )

layer(TestServices, { excludeTestServices: true })("A send that waits for the locks of its conversation", (it) => {
  it.effect("gets a position and a time after the messages written meanwhile", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada, grace])
      const head = (yield* post(ada, id, "before")).seq
      const messages = yield* Messages
      const other = sentElsewhere(grace, id, "meanwhile")
      const { message } = yield* meanwhile(other, Effect.orDie(messages.send(ada.id, id, newId(), text("after"))))
      assert.strictEqual(message.seq, head + 2)
      const texts = (yield* wholeLog(id)).slice(-3)
      assert.deepStrictEqual(
        texts.map(({ message }) => message.content),
        ["before", "meanwhile", "after"]
      )
      const times = texts.map(({ message }) => message.createdAt.epochMilliseconds)
      assert.deepStrictEqual(
        times,
        times.toSorted((a, b) => a - b)
      )
    })
  )

  it.effect("gets its turn among others that wait, and nobody else's position", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const [id, elsewhere] = [yield* groupOf([ada, grace]), yield* groupOf([grace])]
      const messages = yield* Messages
      const [head, headElsewhere] = [(yield* post(ada, id, "1")).seq, (yield* post(grace, elsewhere, "1")).seq]
      const send = (sender: typeof ada, conversation: typeof id) => (content: string) =>
        Effect.orDie(messages.send(sender.id, conversation, newId(), text(content)))
      const sent = yield* meanwhile(
        sentElsewhere(grace, id, "2"),
        Effect.all([...["3", "4", "5", "6"].map(send(ada, id)), send(grace, elsewhere)("2"), send(grace, id)("7")], {
          concurrency: "unbounded"
        })
      )
      assert.deepStrictEqual(
        sent.map(({ message }) => message.seq - (message.conversationId === id ? head : headElsewhere)),
        [2, 3, 4, 5, 1, 6]
      )
      const log = (yield* wholeLog(id)).filter(({ message }) => message.messageType === "text")
      assert.deepStrictEqual(
        log.map(({ message }) => message.content),
        ["1", "2", "3", "4", "5", "6", "7"]
      )
    })
  )

  it.effect("is refused when its author was removed meanwhile, and leaves no gap", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada, grace])
      const before = yield* wholeLog(id)
      const messages = yield* Messages
      const removal = Effect.andThen(
        sql`SELECT FROM conversations WHERE id = ${id} FOR NO KEY UPDATE`,
        sql`DELETE FROM conversation_participants WHERE conversation_id = ${id} AND user_id = ${grace.id}`
      )
      const send = refusal(messages.send(grace.id, id, newId(), text("too late")))
      assert.strictEqual(yield* meanwhile(removal, Effect.orDie(send)), "NotFound")
      assert.deepStrictEqual(yield* wholeLog(id), before)
      const { seq } = yield* post(ada, id, "goes on")
      assert.strictEqual(seq, (before.at(-1)?.position ?? 0) + 1)
    })
  )

  it.effect("is written when its author's receipt moved meanwhile", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada, grace])
      const messages = yield* Messages
      const receipt = Effect.andThen(
        sql`SELECT FROM conversations WHERE id = ${id} FOR NO KEY UPDATE`,
        sql`
          UPDATE conversation_participants SET last_delivered_seq = 1
          WHERE conversation_id = ${id} AND user_id = ${grace.id}`
      )
      const { created } = yield* meanwhile(receipt, Effect.orDie(messages.send(grace.id, id, newId(), text("read it"))))
      assert.isTrue(created)
    })
  )

  it.effect("is refused when its id was taken in another conversation meanwhile", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const [id, elsewhere] = [yield* groupOf([ada, grace]), yield* groupOf([ada])]
      const before = yield* wholeLog(id)
      const messages = yield* Messages
      const messageId = newId()
      const other = sentElsewhere(ada, elsewhere, "taken", messageId)
      const send = refusal(messages.send(ada.id, id, messageId, text("mine")))
      assert.strictEqual(yield* meanwhile(other, Effect.orDie(send)), "MessageIdReused")
      assert.deepStrictEqual(yield* wholeLog(id), before)
    })
  )
})

layer(TestServices, { excludeTestServices: true })("A conversation that another transaction has locked", (it) => {
  const send = Effect.fnUntraced(function* (
    sender: { readonly id: UserId },
    conversationId: ConversationId,
    content: string,
    id = newId()
  ) {
    return yield* (yield* Messages).send(sender.id, conversationId, id, text(content))
  })
  const contentOf = (id: ConversationId) =>
    Effect.map(wholeLog(id), (log) =>
      log.flatMap(({ message }) => (message.messageType === "text" ? [message.content] : []))
    )

  const locks = {
    "by its row": (id: ConversationId) => (sql: SqlClient.SqlClient) =>
      sql`SELECT FROM conversations WHERE id = ${id} FOR UPDATE`,
    "by the row of who writes": (id: ConversationId) => (sql: SqlClient.SqlClient) =>
      sql`UPDATE conversation_participants SET rewritten_at = rewritten_at WHERE conversation_id = ${id}`
  }

  for (const [how, lock] of Object.entries(locks)) {
    it.effect(`holds up no send into another, and has its own in order when it is free (${how})`, () =>
      Effect.gen(function* () {
        const [ada, grace] = yield* people("ada", "grace")
        const [locked, free] = [yield* groupOf([ada, grace]), yield* groupOf([ada, grace])]
        const contents = Array.from({ length: 40 }, (_, n) => String(n))
        const few = contents.slice(0, 8)
        const sending = yield* holding(lock(locked), (release) =>
          Effect.gen(function* () {
            const sending = yield* Effect.forEach(contents, (content) =>
              Effect.forkChild(send(ada, locked, content), { startImmediately: true })
            )
            const sentAgain = newId()
            // Few, since a send waits for a lock for a bounded time.
            for (const content of few) {
              yield* Effect.all([send(grace, free, content), send(ada, free, "again", sentAgain)], {
                concurrency: "unbounded"
              })
            }
            for (const fiber of sending) assert.isUndefined(fiber.pollUnsafe())
            assert.deepStrictEqual(yield* contentOf(locked), [])
            yield* release
            return sending
          })
        )
        const sent = yield* Fiber.joinAll(sending)
        assert.isTrue(sent.every(({ created }) => created))
        assert.deepStrictEqual(yield* contentOf(locked), contents)
        assert.sameMembers(yield* contentOf(free), [...few, "again"])
        assert.deepStrictEqual(
          (yield* wholeLog(locked)).map(({ position }) => position),
          Array.from({ length: contents.length + 1 }, (_, n) => n + 1)
        )
      })
    )
  }

  it.effect("delays no other conversation, even if more of them are locked than there are connections", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const locked = yield* Effect.replicateEffect(groupOf([ada]), 15)
      const [free, momentary] = [yield* groupOf([grace]), yield* groupOf([grace])]
      yield* holding(
        (sql) => sql`SELECT FROM conversations WHERE id = ANY(${locked}::uuid[]) FOR UPDATE`,
        (release) =>
          Effect.gen(function* () {
            const sending = yield* Effect.forEach(locked, (id) =>
              Effect.forkChild(send(ada, id, "waits"), { startImmediately: true })
            )
            yield* send(grace, free, "goes on")
            // A conversation whose lock is gone continues, too, while the others are locked.
            yield* holding(locks["by its row"](momentary), (release) =>
              Effect.gen(function* () {
                const sent = yield* Effect.forkChild(send(grace, momentary, "soon"), { startImmediately: true })
                yield* send(grace, free, "goes on")
                yield* release
                yield* Fiber.join(sent)
              })
            )
            for (const fiber of sending) assert.isUndefined(fiber.pollUnsafe())
            yield* release
            yield* Fiber.joinAll(sending)
          })
      )
      for (const id of locked) assert.deepStrictEqual(yield* contentOf(id), ["waits"])
    })
  )

  it.effect("for long answers sends as unavailable and stores nothing; sent again, the message is stored once", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      const messageId = newId()
      yield* holding(locks["by its row"](id), () =>
        Effect.gen(function* () {
          assert.strictEqual(yield* refusal(send(ada, id, "once", messageId)), "DatabaseUnavailable")
        })
      )
      assert.isTrue((yield* send(ada, id, "once", messageId)).created)
      assert.isFalse((yield* send(ada, id, "once", messageId)).created)
      assert.deepStrictEqual(yield* contentOf(id), ["once"])
    })
  )

  it.effect("takes only a part of a server's requests in progress", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      const exits = yield* holding(locks["by its row"](id), (release) =>
        Effect.gen(function* () {
          const sending = yield* Effect.replicateEffect(
            Effect.forkChild(Effect.exit(send(ada, id, "?")), { startImmediately: true }),
            300
          )
          yield* Fiber.join(sending.at(-1)!)
          yield* release
          return yield* Fiber.joinAll(sending)
        })
      )
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 256)
      assert.strictEqual((yield* contentOf(id)).length, 256)
    })
  )
})

layer(TestServices, { excludeTestServices: true })("A send", (it) => {
  it.effect("is answered before other processes hear of it", () =>
    Effect.gen(function* () {
      const ada = yield* signedIn()
      const id = yield* groupOf([ada])
      const announced = yield* Deferred.make<void>()
      const bus = Layer.succeed(ChangeBus, {
        ...(yield* ChangeBus),
        publish: () => Effect.andThen(Deferred.succeed(announced, undefined), Effect.never)
      })
      const outbox = yield* Layer.build(Layer.fresh(Outbox.layer).pipe(Layer.provide(bus)))
      const { created } = yield* Context.get(outbox, Outbox).append({
        ...text("alone"),
        conversationId: id,
        id: newId(),
        senderId: ada.id
      })
      assert.isTrue(created)
      yield* Deferred.await(announced)
    })
  )
})

layer(TestServices, { excludeTestServices: true })("An outbox that ends", (it) => {
  it.effect("has answered every send", () =>
    Effect.gen(function* () {
      const ada = yield* signedIn()
      const { id: conversationId } = yield* (yield* Conversations).create(ada.id, { participantIds: [] })
      const scope = yield* Scope.make()
      const outbox = yield* Layer.build(Layer.fresh(Outbox.layer)).pipe(Scope.provide(scope))
      const { append } = yield* Effect.provide(Outbox, outbox)
      const ids = Array.from({ length: 300 }, newId)
      const sends = yield* Effect.forEach(ids, (id) =>
        Effect.forkChild(Effect.exit(append({ ...text("?"), conversationId, id, senderId: ada.id })), {
          startImmediately: true
        })
      )
      yield* Scope.close(scope, Exit.void)
      const exits = yield* Fiber.joinAll(sends)
      const stored = new Set((yield* wholeLog(conversationId)).map(({ message }) => message.id))
      for (const [index, exit] of exits.entries()) assert.strictEqual(Exit.isSuccess(exit), stored.has(ids[index]!))
    })
  )
})

layer(TestServices, { excludeTestServices: true })("A lone send", (it) => {
  it.effect("needs no new plan: PostgreSQL keeps that of earlier sends", () =>
    Effect.gen(function* () {
      const ada = yield* signedIn()
      const { id: conversationId } = yield* (yield* Conversations).create(ada.id, { participantIds: [] })
      const { url } = yield* TestDatabase
      // With small tables, PostgreSQL would choose the same plan for any number of rows.
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO conversations (is_direct_message) SELECT false FROM generate_series(1, 5000)`
      yield* sql`
        INSERT INTO conversation_participants (conversation_id, user_id) SELECT id, ${ada.id} FROM conversations
        WHERE id <> ${conversationId}`
      yield* sql`
        INSERT INTO chat_messages (conversation_id, id, sender_id, content, message_type, seq, version)
        SELECT id, gen_random_uuid(), ${ada.id}, '?', 'text', n, n FROM conversations, generate_series(1, 5) n WHERE id <> ${conversationId}`
      yield* sql`ANALYZE`
      // Plans belong to one connection.
      const onOneConnection = Layer.fresh(Outbox.layer).pipe(
        Layer.provideMerge(Layer.fresh(Database.layerUnchecked({ url, maxConnections: 1 })))
      )
      const plans = yield* Effect.gen(function* () {
        const connection = yield* SqlClient.SqlClient
        const { append } = yield* Outbox
        const send = Effect.suspend(() => append({ ...text("?"), conversationId, id: newId(), senderId: ada.id }))
        yield* Effect.repeat(send, { times: 19 })
        return yield* connection`
          SELECT generic_plans::int AS kept, custom_plans::int AS own FROM pg_prepared_statements
          WHERE statement ~ '^[[:space:]]*WITH input'`
      }).pipe(Effect.provide(onOneConnection))
      // PostgreSQL first makes five plans for the given parameters, to compare them.
      assert.deepStrictEqual(plans, [{ kept: 15, own: 5 }])
    })
  )
})
