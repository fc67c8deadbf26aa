import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Conversations } from "../../src/messaging/Conversations.ts"
import { MessageChanges } from "../../src/messaging/MessageChanges.ts"
import { Messages } from "../../src/messaging/Messages.ts"
import { TestServices } from "../../src/testing/index.ts"
import { groupOf, newId, people, post } from "./group.ts"

/** Ada and Grace in a group; and how either finds texts. */
const world = Effect.gen(function* () {
  const messages = yield* Messages
  const [ada, grace] = yield* people("ada", "grace")
  const id = yield* groupOf([ada, grace])
  const found = Effect.fnUntraced(function* (
    query: string,
    caller = grace,
    conversation = undefined as typeof id | undefined
  ) {
    const messagesFound = yield* messages.search(caller.id, query, conversation, 50)
    return messagesFound.map(({ content }) => content)
  })
  return { ada, grace, id, found, messages }
})

layer(TestServices)("Search", (it) => {
  it.effect("finds texts that hold all the words, whatever their case and order, the newest first", () =>
    Effect.gen(function* () {
      const { ada, found, grace, id } = yield* world
      yield* post(ada, id, "The Analytical Engine weaves")
      yield* post(grace, id, "an engine, and nothing more")
      yield* post(ada, id, "ENGINE! (analytical)")
      assert.deepStrictEqual(yield* found("engine"), [
        "ENGINE! (analytical)",
        "an engine, and nothing more",
        "The Analytical Engine weaves"
      ])
      assert.deepStrictEqual(yield* found("Engine ANALYTICAL"), [
        "ENGINE! (analytical)",
        "The Analytical Engine weaves"
      ])
      assert.deepStrictEqual(yield* found("engin"), [])
      assert.deepStrictEqual(yield* found("engine loom"), [])
    })
  )

  it.effect("finds words of any language; whatever their case, as far as the locale of the database tells", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { ada, found, id } = yield* world
      const sent = yield* post(ada, id, "Καλημέρα, и до свидания")
      for (const word of ["Καλημέρα", "свидания"]) assert.deepStrictEqual(yield* found(word), [sent.content], word)
      const [locale] = yield* sql<{ folds: boolean }>`SELECT lower('СВИДАНИЯ') = 'свидания' AS folds`
      for (const word of ["ΚΑΛΗΜΈΡΑ", "Свидания"]) {
        assert.deepStrictEqual(yield* found(word), locale?.folds === true ? [sent.content] : [], word)
      }
    })
  )

  it.effect("takes quotes and operators for what they are between words: nothing", () =>
    Effect.gen(function* () {
      const { ada, found, id } = yield* world
      yield* post(ada, id, "black or white")
      yield* post(ada, id, "only black")
      yield* post(ada, id, "not white")
      assert.deepStrictEqual(yield* found('"white black"'), ["black or white"])
      assert.deepStrictEqual(yield* found("black -white"), ["black or white"])
      assert.deepStrictEqual(yield* found("black | white"), ["black or white"])
      assert.deepStrictEqual(yield* found("black OR white"), ["black or white"])
      assert.deepStrictEqual(yield* found("!black"), ["only black", "black or white"])
      assert.deepStrictEqual(yield* found("bla:*"), [])
      for (const query of ["'", "''--", "&", "!", "(", "<->", ":*", "\\", '"', "%", "' OR 1=1 --"]) {
        assert.deepStrictEqual(yield* found(query), [], query)
      }
    })
  )

  it.effect("shows nobody what they may not see, also where they ask for that very conversation", () =>
    Effect.gen(function* () {
      const { ada, found, grace, id } = yield* world
      const [eve] = yield* people("eve")
      const { conversation: direct } = yield* (yield* Conversations).direct(ada.id, eve.id)
      yield* post(ada, id, "a secret of the group")
      yield* post(ada, direct.id, "a secret of two")
      assert.deepStrictEqual(yield* found("secret", ada), ["a secret of two", "a secret of the group"])
      assert.deepStrictEqual(yield* found("secret", ada, id), ["a secret of the group"])
      assert.deepStrictEqual(yield* found("secret", eve), ["a secret of two"])
      assert.deepStrictEqual(yield* found("secret", eve, id), [])
      assert.deepStrictEqual(yield* found("secret", grace, direct.id), [])
    })
  )

  it.effect("finds a text as it is now, and none that is deleted", () =>
    Effect.gen(function* () {
      const { ada, found, id } = yield* world
      const changes = yield* MessageChanges
      const sent = yield* post(ada, id, "silver")
      const target = { conversationId: id, id: sent.id }
      yield* changes.edit(ada.id, target, "golden")
      assert.deepStrictEqual(yield* found("silver"), [])
      assert.deepStrictEqual(yield* found("golden"), ["golden"])
      yield* changes.erase(ada.id, target)
      assert.deepStrictEqual(yield* found("golden"), [])
    })
  )

  it.effect("is of texts: neither what images and files are called, nor what the server says", () =>
    Effect.gen(function* () {
      const { ada, found, id, messages } = yield* world
      yield* (yield* Conversations).update(ada.id, id, { name: "marble" })
      yield* messages.send(ada.id, id, newId(), {
        messageType: "image",
        content: { url: "https://example.com/marble", caption: "marble" }
      })
      assert.deepStrictEqual(yield* found("marble"), [])
    })
  )

  it.effect("gives no more than are asked for: the newest of them", () =>
    Effect.gen(function* () {
      const { ada, grace, id, messages } = yield* world
      for (let n = 1; n <= 6; n++) yield* post(ada, id, `number ${n}`)
      const found = yield* messages.search(grace.id, "number", id, 4)
      assert.deepStrictEqual(
        found.map(({ content }) => content),
        ["number 6", "number 5", "number 4", "number 3"]
      )
    })
  )

  it.effect("finds a word in a text as long as one may be, and does not stumble over a word as long as a text", () =>
    Effect.gen(function* () {
      const { ada, found, id } = yield* world
      const long = `${"many different words ".repeat(3_000)}needle`
      yield* post(ada, id, long)
      yield* post(ada, id, "x".repeat(65_536))
      const numbers = Array.from({ length: 9_000 }, (_, n) => n.toString(36)).join(" ")
      yield* post(ada, id, `${numbers} needle`)
      assert.deepStrictEqual(yield* found("needle"), [`${numbers} needle`, long])
    })
  )
})
