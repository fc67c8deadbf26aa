import { firstIncarnation } from "../../src/contract/Incarnation.ts"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Position } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import type { Draft, Message } from "../../src/contract/Message.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { TestServices } from "../../src/testing/index.ts"
import { groupOf, headOf, newId, people, post, refusal, text, wholeLog } from "../world.ts"

/** The version of a message, as its readers know it. */
const at = (position: Position) => ({ incarnation: firstIncarnation, position })

/** A group that Ada owns, with Grace and Eve as members. */
const world = Effect.gen(function* () {
  const [ada, grace, eve] = yield* people("ada", "grace", "eve")
  const id = yield* groupOf([ada, grace, eve])
  const targetOf = (message: Message) => ({ conversationId: id, id: message.id })
  return { ada, grace, eve, id, targetOf, changes: yield* MessageChanges, messages: yield* Messages }
})

/** The tables that have a row with this text anywhere in it. */
const tablesWith = Effect.fnUntraced(function* (words: string) {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ name: string }>`
    SELECT table_name AS name FROM information_schema.tables
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`
  const found: Array<string> = []
  for (const { name } of tables) {
    const rows = yield* sql`SELECT FROM ${sql(name)} AS whole WHERE strpos(whole::text, ${words}) > 0`
    if (rows.length > 0) found.push(name)
  }
  return found.toSorted()
})

layer(TestServices)("An edit", (it) => {
  it.effect("replaces a text, keeps its position, and moves its version to the head", () =>
    Effect.gen(function* () {
      const { ada, changes, grace, id, messages, targetOf } = yield* world
      const sent = yield* post(grace, id, "first")
      yield* post(ada, id, "in between")
      const edited = yield* changes.edit(grace.id, targetOf(sent), "second")
      assert.deepInclude(edited, { id: sent.id, seq: sent.seq, content: "second", createdAt: sent.createdAt })
      assert.strictEqual(edited.version, sent.version + 2)
      assert.isNotNull(edited.editedAt)
      assert.strictEqual(yield* headOf(ada, id), edited.version)
      assert.deepStrictEqual(yield* messages.get(ada.id, id, sent.id), edited)
      const [change] = yield* messages.since(id, Position.make(edited.version - 1), 10)
      assert.deepStrictEqual(change, {
        position: edited.version,
        message: edited,
        bytes: "second".length + "[]".length,
        epoch: 0,
        changes: "",
        incarnation: firstIncarnation
      })
    })
  )

  it.effect("keeps all earlier texts, which all participants may read", () =>
    Effect.gen(function* () {
      const { ada, changes, eve, grace, id, messages, targetOf } = yield* world
      const sent = yield* post(grace, id, "first")
      assert.deepStrictEqual((yield* changes.history(eve.id, targetOf(sent), 200)).versions, [])
      yield* changes.react(ada.id, targetOf(sent), "👍")
      const reacted = yield* messages.get(ada.id, id, sent.id)
      const second = yield* changes.edit(grace.id, targetOf(sent), "second")
      yield* changes.edit(grace.id, targetOf(sent), "third")
      const { versions } = yield* changes.history(eve.id, targetOf(sent), 200)
      assert.deepStrictEqual(
        versions.map(({ content, version, writtenAt }) => ({ content, version, writtenAt })),
        [
          { content: "first", version: reacted.version, writtenAt: sent.createdAt },
          { content: "second", version: second.version, writtenAt: second.editedAt ?? DateTime.makeUnsafe(0) }
        ]
      )
    })
  )

  it.effect("is allowed only to its author, whoever leads the group", () =>
    Effect.gen(function* () {
      const { ada, changes, eve, grace, id, messages, targetOf } = yield* world
      const sent = yield* post(grace, id, "mine")
      for (const person of [ada, eve]) {
        assert.strictEqual(yield* refusal(changes.edit(person.id, targetOf(sent), "mine now")), "Forbidden")
      }
      assert.deepStrictEqual(yield* messages.get(ada.id, id, sent.id), sent)
    })
  )

  it.effect("changes only texts, not images, files and system messages", () =>
    Effect.gen(function* () {
      const { ada, changes, id, messages } = yield* world
      const url = "https://example.com/a"
      const drafts: ReadonlyArray<Draft> = [
        { messageType: "image", content: { url } },
        { messageType: "file", content: { url, filename: "a.txt", size: 1, mimeType: "text/plain" } }
      ]
      for (const draft of drafts) yield* messages.send(ada.id, id, newId(), draft)
      for (const { message } of yield* wholeLog(id)) {
        assert.strictEqual(
          yield* refusal(changes.edit(ada.id, { conversationId: id, id: message.id }, "text")),
          "Forbidden"
        )
      }
      assert.strictEqual(yield* headOf(ada, id), 3)
    })
  )

  it.effect("of an old version is refused; of many edits of the same version, one succeeds", () =>
    Effect.gen(function* () {
      const { changes, eve, grace, id, messages, targetOf } = yield* world
      const sent = yield* post(grace, id, "first")
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 8 }, (_, index) => `edit ${index}`),
        (content) =>
          changes
            .edit(grace.id, targetOf(sent), content, at(sent.version))
            .pipe(Effect.match({ onSuccess: (message) => message.content, onFailure: ({ _tag }) => _tag })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(outcomes.filter((outcome) => outcome === "StaleVersion").length, 7)
      const edited = yield* messages.get(eve.id, id, sent.id)
      assert.include(outcomes, edited.content)
      assert.strictEqual(edited.version, sent.version + 1)
      // A reaction moves the version, too, so the caller does not know the latest state.
      yield* changes.react(eve.id, targetOf(sent), "👍")
      assert.strictEqual(
        yield* refusal(changes.edit(grace.id, targetOf(sent), "late", at(edited.version))),
        "StaleVersion"
      )
    })
  )

  it.effect("to the current text changes nothing, also when it is repeated because its answer was lost", () =>
    Effect.gen(function* () {
      const { ada, changes, grace, id, targetOf } = yield* world
      const sent = yield* post(grace, id, "first")
      assert.deepStrictEqual(yield* changes.edit(grace.id, targetOf(sent), "first"), sent)
      const edited = yield* changes.edit(grace.id, targetOf(sent), "second", at(sent.version))
      assert.deepStrictEqual(yield* changes.edit(grace.id, targetOf(sent), "second", at(sent.version)), edited)
      assert.strictEqual(yield* headOf(ada, id), edited.version)
      assert.strictEqual((yield* changes.history(ada.id, targetOf(sent), 200)).versions.length, 1)
    })
  )

  it.effect("mentions the people whom the new text names", () =>
    Effect.gen(function* () {
      const { ada, changes, eve, grace, id, targetOf } = yield* world
      const sent = yield* post(grace, id, `hello @${ada.account.username}`)
      assert.deepStrictEqual(sent.mentions, [ada.id])
      const edited = yield* changes.edit(grace.id, targetOf(sent), `hello @${eve.account.username.toUpperCase()}`)
      assert.deepStrictEqual(edited.mentions, [eve.id])
      assert.deepStrictEqual((yield* changes.edit(grace.id, targetOf(sent), "hello all")).mentions, [])
    })
  )

  it.effect("and many others at once, with sends in between, leave no gap and no position with two changes", () =>
    Effect.gen(function* () {
      const { ada, changes, grace, id, targetOf } = yield* world
      const sent = yield* post(grace, id, "start")
      const numbers = Array.from({ length: 10 }, (_, index) => index)
      yield* Effect.all(
        [
          Effect.forEach(numbers, (n) => changes.edit(grace.id, targetOf(sent), `edit ${n}`), {
            concurrency: "unbounded"
          }),
          Effect.forEach(numbers, (n) => post(ada, id, `message ${n}`), { concurrency: "unbounded" })
        ],
        { concurrency: "unbounded" }
      )
      const log = yield* wholeLog(id)
      const head = yield* headOf(ada, id)
      assert.strictEqual(head, 22)
      // The edited message has its first position and that of its last change. Its earlier changes have none.
      assert.strictEqual(log.length, 13)
      assert.strictEqual(new Set(log.map(({ position }) => position)).size, 13)
      assert.strictEqual((yield* changes.history(ada.id, targetOf(sent), 200)).versions.length, 10)
    })
  )
})

layer(TestServices)("A deletion", (it) => {
  it.effect("leaves a tombstone, and its text is nowhere in the database", () =>
    Effect.gen(function* () {
      const { ada, changes, eve, grace, id, messages, targetOf } = yield* world
      const sent = yield* post(grace, id, `xylophone for @${ada.account.username}`)
      yield* changes.edit(grace.id, targetOf(sent), `glockenspiel for @${ada.account.username}`)
      yield* changes.react(eve.id, targetOf(sent), ":vibraphone:")
      assert.deepStrictEqual(yield* tablesWith("glockenspiel"), ["chat_messages"])
      assert.deepStrictEqual(yield* tablesWith("xylophone"), ["message_versions"])
      assert.deepStrictEqual(yield* tablesWith(":vibraphone:"), ["message_reactions"])

      yield* changes.erase(grace.id, targetOf(sent))
      const tombstone = yield* messages.get(ada.id, id, sent.id)
      assert.deepInclude(tombstone, { seq: sent.seq, senderId: grace.id, content: null, createdAt: sent.createdAt })
      assert.deepInclude(tombstone, { mentions: [], reactions: [] })
      assert.isNotNull(tombstone.deletedAt)
      assert.strictEqual(tombstone.version, yield* headOf(ada, id))
      for (const words of ["xylophone", "glockenspiel", ":vibraphone:"]) {
        assert.deepStrictEqual(yield* tablesWith(words), [])
      }
      assert.deepStrictEqual((yield* changes.history(ada.id, targetOf(sent), 200)).versions, [])
      const { conversations } = yield* (yield* Conversations).list(ada.id, 1, undefined)
      assert.deepInclude(conversations[0]?.lastMessage, { id: sent.id, preview: null })
    })
  )

  it.effect("is allowed to its author and to the leaders of the group", () =>
    Effect.gen(function* () {
      const { ada, changes, eve, grace, id, messages, targetOf } = yield* world
      const [first, second, third] = [
        yield* post(grace, id, "one"),
        yield* post(grace, id, "two"),
        yield* post(ada, id, "three")
      ]
      assert.strictEqual(yield* refusal(changes.erase(eve.id, targetOf(first))), "Forbidden")
      yield* changes.erase(ada.id, targetOf(first))
      yield* (yield* Participants).setRole(ada.id, id, eve.id, "admin")
      yield* changes.erase(eve.id, targetOf(second))
      yield* changes.erase(eve.id, targetOf(third))
      for (const { id: message } of [first, second, third]) {
        assert.isNull((yield* messages.get(grace.id, id, message)).content)
      }
      const said = (yield* wholeLog(id)).filter(({ message }) => message.messageType === "system")
      for (const { message } of said) {
        assert.strictEqual(yield* refusal(changes.erase(ada.id, targetOf(message))), "Forbidden")
      }
    })
  )

  it.effect("in a direct conversation is allowed only to the author", () =>
    Effect.gen(function* () {
      const { ada, changes, grace } = yield* world
      const { conversation } = yield* (yield* Conversations).direct(ada.id, grace.id)
      const sent = yield* post(ada, conversation.id, "between us")
      const target = { conversationId: conversation.id, id: sent.id }
      assert.strictEqual(yield* refusal(changes.erase(grace.id, target)), "Forbidden")
      yield* changes.erase(ada.id, target)
    })
  )

  it.effect("is final: no edit, no reaction and no reply follow, and deleting again changes nothing", () =>
    Effect.gen(function* () {
      const { ada, changes, grace, id, messages, targetOf } = yield* world
      const sent = yield* post(grace, id, "gone")
      yield* changes.erase(grace.id, targetOf(sent))
      const tombstone = yield* messages.get(ada.id, id, sent.id)
      assert.strictEqual(yield* refusal(changes.edit(grace.id, targetOf(sent), "back")), "Forbidden")
      assert.strictEqual(yield* refusal(changes.edit(grace.id, targetOf(sent), "")), "Forbidden")
      assert.strictEqual(yield* refusal(changes.react(ada.id, targetOf(sent), "👍")), "NotFound")
      const reply = { ...text("about that"), replyTo: sent.id }
      assert.strictEqual(yield* refusal(messages.send(ada.id, id, newId(), reply)), "ValidationFailed")
      yield* changes.unreact(ada.id, targetOf(sent), "👍")
      yield* changes.erase(grace.id, targetOf(sent))
      yield* changes.erase(ada.id, targetOf(sent))
      assert.deepStrictEqual(yield* messages.get(ada.id, id, sent.id), tombstone)
      assert.strictEqual(yield* headOf(ada, id), tombstone.version)
    })
  )
})

layer(TestServices)("Reactions", (it) => {
  it.effect("count once for each person and kind, in the order in which they were given", () =>
    Effect.gen(function* () {
      const { ada, changes, eve, grace, id, messages, targetOf } = yield* world
      const sent = yield* post(grace, id, "news")
      yield* changes.react(eve.id, targetOf(sent), "🎉")
      yield* changes.react(ada.id, targetOf(sent), "👍")
      yield* changes.react(ada.id, targetOf(sent), "🎉")
      yield* changes.react(grace.id, targetOf(sent), "👍")
      const reacted = yield* messages.get(ada.id, id, sent.id)
      assert.deepStrictEqual(reacted.reactions, [
        { emoji: "🎉", count: 2, userIds: [eve.id, ada.id] },
        { emoji: "👍", count: 2, userIds: [ada.id, grace.id] }
      ])
      assert.strictEqual(reacted.version, sent.version + 4)
      assert.isNull(reacted.editedAt)
      yield* changes.unreact(eve.id, targetOf(sent), "🎉")
      assert.deepStrictEqual((yield* messages.get(ada.id, id, sent.id)).reactions, [
        { emoji: "👍", count: 2, userIds: [ada.id, grace.id] },
        { emoji: "🎉", count: 1, userIds: [ada.id] }
      ])
    })
  )

  it.effect("given or taken back many times at once take one position", () =>
    Effect.gen(function* () {
      const { ada, changes, grace, id, messages, targetOf } = yield* world
      const sent = yield* post(grace, id, "news")
      const tenTimes = <A, E>(attempt: Effect.Effect<A, E>) =>
        Effect.all(
          Array.from({ length: 10 }, () => attempt),
          { concurrency: "unbounded" }
        )
      yield* tenTimes(changes.react(ada.id, targetOf(sent), "👍"))
      const reacted = yield* messages.get(ada.id, id, sent.id)
      assert.deepStrictEqual(reacted.reactions, [{ emoji: "👍", count: 1, userIds: [ada.id] }])
      assert.strictEqual(yield* headOf(ada, id), sent.version + 1)
      // Nobody can take back another person's reaction.
      yield* changes.unreact(grace.id, targetOf(sent), "👍")
      yield* tenTimes(changes.unreact(ada.id, targetOf(sent), "👍"))
      assert.deepStrictEqual((yield* messages.get(ada.id, id, sent.id)).reactions, [])
      assert.strictEqual(yield* headOf(ada, id), sent.version + 2)
    })
  )
})
