import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Arbitrary, Config, Effect, Schema } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { mostRunning } from "../../src/inbox/Horizon.ts"
import { Inbox, type InboxState } from "../../src/inbox/Inbox.ts"
import { formatInboxVersion, parseInboxVersion, versionOf } from "../../src/inbox/InboxVersion.ts"
import type { ConversationId } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageId } from "../../src/contract/Message.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { signedIn, TestServer, type TestUser } from "../../src/testing/index.ts"
import { encodings } from "../../src/conformance/Subscriber.ts"
import { inboxOf, subscribe } from "./subscriber.ts"

/** A connection of its own, on which a test begins and ends transactions, until the scope closes. */
const connect = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  const connection = yield* sql.reserve
  yield* Effect.addFinalizer(() => Effect.ignore(connection.executeRaw("ROLLBACK", [])))
  return (statement: string) => connection.executeRaw(statement, [])
})
const session = Effect.flatMap(SqlClient.SqlClient, connect)

/** Opens that many transactions with a number in another database of the server, until the scope closes. */
const keepOpenElsewhere = Effect.fnUntraced(function* (count: number) {
  const url = yield* Config.Redacted("TEST_DATABASE_URL")
  const sql = yield* PgClient.make({ url, maxConnections: count }).pipe(Effect.provide(Reactivity.layer))
  for (let open = 0; open < count; open++) {
    const run = yield* connect(sql)
    yield* run("BEGIN")
    yield* run("SELECT pg_current_xact_id()::text")
  }
})

const groupsOf = (owner: TestUser, member: TestUser, count: number) =>
  Effect.flatMap(Conversations, (conversations) =>
    Effect.forEach(Array.from({ length: count }), () =>
      Effect.map(conversations.create(owner.id, { participantIds: [member.id] }), ({ id }) => id)
    )
  )

const write = Effect.fnUntraced(function* (sender: TestUser, conversation: ConversationId) {
  yield* (yield* Messages).send(sender.id, conversation, MessageId.make(randomUUID()), {
    content: "hello",
    messageType: "text"
  })
})

const idsOf = ({ conversations }: { readonly conversations: InboxState["conversations"] }) =>
  conversations.map(({ id }) => id)

layer(TestServer.layer, { excludeTestServices: true })("While somebody's transaction stays open", (it) => {
  for (const encoding of encodings) {
    it.effect(`a client gets each item once (${encoding})`, () =>
      Effect.gen(function* () {
        const [ada, grace] = [yield* signedIn(), yield* signedIn()]
        yield* keepOpenElsewhere(1)
        const groups = yield* groupsOf(grace, ada, 12)
        const subscriber = yield* subscribe(ada, encoding)
        yield* Effect.promise(() => subscriber.next())
        for (const group of groups) {
          const before = subscriber.page
          yield* write(grace, group)
          yield* Effect.promise(() => subscriber.next())
          const changed = groups.filter((id) => subscriber.page?.conversations[id] !== before?.conversations[id])
          assert.deepStrictEqual(changed, [group])
        }
        assert.deepStrictEqual(subscriber.page, yield* inboxOf(ada))
      }).pipe(Effect.scoped)
    )
  }

  it.effect("a read misses no write of a savepoint, even if it looks older than an earlier read", () =>
    Effect.gen(function* () {
      const inbox = yield* Inbox
      const [ada, grace] = [yield* signedIn(), yield* signedIn()]
      const [slow, quick] = yield* groupsOf(grace, ada, 2)
      assert(slow !== undefined && quick !== undefined)
      const run = yield* session
      yield* run("BEGIN")
      yield* run("SELECT pg_current_xact_id()::text")
      yield* run("SAVEPOINT one")
      yield* run(`UPDATE conversations SET name = 'slow' WHERE id = '${slow}'`)
      yield* write(grace, quick)
      const during = versionOf(yield* inbox.read(ada.id, undefined))
      yield* run("COMMIT")
      const after = yield* inbox.read(ada.id, during)
      assert.strictEqual(after.conversations.find(({ id }) => id === slow)?.name, "slow")
      assert.deepStrictEqual(idsOf(yield* inbox.read(ada.id, versionOf(after))), [])
    }).pipe(Effect.scoped)
  )

  it.effect("a version stays short with any number of open transactions, and misses none of them", () =>
    Effect.gen(function* () {
      const inbox = yield* Inbox
      const [ada, grace] = [yield* signedIn(), yield* signedIn()]
      const [group] = yield* groupsOf(grace, ada, 1)
      yield* keepOpenElsewhere(mostRunning + 3)
      const run = yield* session
      yield* run("BEGIN")
      yield* run(`UPDATE conversations SET name = 'last' WHERE id = '${group}'`)
      const version = formatInboxVersion(versionOf(yield* inbox.read(ada.id, undefined)))
      assert.isBelow(version.length, 400)
      yield* run("COMMIT")
      const after = yield* inbox.read(ada.id, parseInboxVersion(version))
      assert.strictEqual(after.conversations[0]?.name, "last")
      assert.isFalse(after.isWhole)
    }).pipe(Effect.scoped)
  )

  /** The steps of three sessions, each with a group of its own, and of updates of the copy. */
  const Step = Schema.Union([
    Schema.TaggedStruct("Begin", { by: Schema.Literals([0, 1, 2]) }),
    Schema.TaggedStruct("Savepoint", { by: Schema.Literals([0, 1, 2]) }),
    Schema.TaggedStruct("Write", { by: Schema.Literals([0, 1, 2]) }),
    Schema.TaggedStruct("End", { by: Schema.Literals([0, 1, 2]), with: Schema.Literals(["COMMIT", "ROLLBACK"]) }),
    Schema.TaggedStruct("Read", {})
  ])
  const anySteps = Arbitrary.array(Arbitrary.schema(Step), { minLength: 10, maxLength: 40 })

  it.effect.prop(
    "a copy equals a whole read after any interleaving, and gets only items that it lacks",
    { steps: anySteps },
    ({ steps }) =>
      Effect.gen(function* () {
        const inbox = yield* Inbox
        const [ada, grace] = [yield* signedIn(), yield* signedIn()]
        const groups = yield* groupsOf(grace, ada, 3)
        const sessions = yield* Effect.all([session, session, session])
        const isOpen = [false, false, false]
        const first = yield* inbox.read(ada.id, undefined)
        let version = versionOf(first)
        const copy = new Map(first.conversations.map((conversation) => [conversation.id, conversation.name]))
        let writes = 0
        const update = Effect.gen(function* () {
          const state = yield* inbox.read(ada.id, parseInboxVersion(formatInboxVersion(version)))
          const whole = yield* inbox.read(ada.id, undefined)
          const changed = whole.conversations.filter(({ id, name }) => copy.get(id) !== name)
          assert.sameMembers([...idsOf(state)], [...idsOf({ conversations: changed })])
          for (const { id, name } of state.conversations) copy.set(id, name)
          version = versionOf(state)
          assert.deepStrictEqual(
            [...copy].toSorted(),
            whole.conversations.map(({ id, name }) => [id, name] as const).toSorted()
          )
        })
        for (const step of steps) {
          if (step._tag === "Read") {
            yield* update
            continue
          }
          const run = sessions[step.by] ?? assert.fail()
          if (step._tag === "Write") {
            yield* run(`UPDATE conversations SET name = '${++writes}' WHERE id = '${groups[step.by]}'`)
          } else if (step._tag === "Begin" && !isOpen[step.by]) {
            yield* run("BEGIN")
            isOpen[step.by] = true
          } else if (step._tag === "Savepoint" && isOpen[step.by]) yield* run("SAVEPOINT here")
          else if (step._tag === "End" && isOpen[step.by]) {
            yield* run(step.with)
            isOpen[step.by] = false
          }
        }
        for (const [by, run] of sessions.entries()) if (isOpen[by]) yield* run("COMMIT")
        yield* update
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 60 } }
  )
})
