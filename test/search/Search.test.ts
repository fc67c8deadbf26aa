import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Blocks } from "../../src/friends/Blocks.ts"
import type { ConversationId } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Search } from "../../src/search/Search.ts"
import type { SearchPosition } from "../../src/contract/SearchPage.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { corpus } from "./corpus.ts"
import { findMessages, groupOf, newId, people, post } from "../world.ts"

/** Ada and Grace in a group; and how either finds texts. */
const world = Effect.gen(function* () {
  const [ada, grace] = yield* people("ada", "grace")
  const id = yield* groupOf([ada, grace])
  const found = (query: string, caller: TestUser = grace, conversation?: ConversationId) =>
    Effect.map(findMessages(caller, query, conversation), (messages) => messages.map(({ content }) => content))
  return { ada, grace, id, found }
})

/** Texts, each with its parts that a search marks. */
const marked = Effect.fnUntraced(function* ({ id }: TestUser, query: string) {
  const { messages } = yield* (yield* Search).search(id, { query, limit: 50 })
  return messages.map(({ content, marks }) => marks.map(({ end, start }) => String(content).slice(start, end)))
})

/** All that a search finds, page by page. */
const allPages = Effect.fnUntraced(function* ({ id }: TestUser, query: string, limit: number) {
  const search = yield* Search
  const pages: Array<ReadonlyArray<unknown>> = []
  let after: SearchPosition | undefined
  do {
    const page = yield* search.search(id, { query, limit, after })
    pages.push(page.messages.map(({ content }) => content))
    after = page.next ?? undefined
  } while (after !== undefined)
  return pages
})

layer(TestServices)("Search", (it) => {
  for (const { finds, text } of corpus) {
    it.effect(
      `finds ${JSON.stringify(text)} by each of ${finds.map((query) => JSON.stringify(query)).join(", ")}`,
      () =>
        Effect.gen(function* () {
          const { ada, found, id } = yield* world
          yield* post(ada, id, "something else, 別の話")
          yield* post(ada, id, text)
          for (const query of finds) assert.deepStrictEqual(yield* found(query), [text], query)
        })
    )
  }

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
      assert.deepStrictEqual(yield* found("engine loom"), [])
    })
  )

  it.effect("completes the last word, and no other", () =>
    Effect.gen(function* () {
      const { ada, found, id } = yield* world
      yield* post(ada, id, "an analytical engine")
      assert.strictEqual((yield* found("engi")).length, 1)
      assert.strictEqual((yield* found("analytical e")).length, 1)
      assert.strictEqual((yield* found(`engi from:${ada.account.username}`)).length, 1)
      assert.deepStrictEqual(yield* found("analyt engine"), [])
      assert.deepStrictEqual(yield* found('"engi"'), [])
      assert.deepStrictEqual(yield* found("ngine"), [])
    })
  )

  it.effect("finds a phrase in quotation marks, even unclosed ones", () =>
    Effect.gen(function* () {
      const { ada, found, id } = yield* world
      yield* post(ada, id, "to be, or not to be")
      yield* post(ada, id, "not or to be be")
      assert.deepStrictEqual(yield* found('"or not to be"'), ["to be, or not to be"])
      assert.deepStrictEqual(yield* found("“Or Not”"), ["to be, or not to be"])
      assert.deepStrictEqual(yield* found('be "or not t'), ["to be, or not to be"])
      assert.deepStrictEqual(yield* found('"not or"'), ["not or to be be"])
      assert.strictEqual((yield* found("or not")).length, 2)
    })
  )

  it.effect("ignores quotes and operators between words", () =>
    Effect.gen(function* () {
      const { ada, found, id } = yield* world
      yield* post(ada, id, "black or white")
      yield* post(ada, id, "only black")
      yield* post(ada, id, "not white")
      assert.deepStrictEqual(yield* found("black -white"), ["black or white"])
      assert.deepStrictEqual(yield* found("black | white"), ["black or white"])
      assert.deepStrictEqual(yield* found("black OR white"), ["black or white"])
      assert.deepStrictEqual(yield* found("!black"), ["only black", "black or white"])
      assert.deepStrictEqual(yield* found("bla:*"), ["only black", "black or white"])
      for (const query of [
        "'",
        "''--",
        "&",
        "!",
        "(",
        "<->",
        ":*",
        "\\",
        '"',
        "%",
        "' OR 1=1 --",
        '""',
        "from:",
        "@"
      ]) {
        assert.deepStrictEqual(yield* found(query), [], query)
      }
    })
  )

  it.effect("marks the words in each text", () =>
    Effect.gen(function* () {
      const { ada, grace, id } = yield* world
      yield* post(ada, id, "Caf\u0065\u0301 🎉 café, cafés: 上海的café https://example.com/a?b=cafe1")
      assert.deepStrictEqual(yield* marked(grace, "cafe 上海"), [["Cafe\u0301", "café", "上海", "café"]])
      assert.deepStrictEqual(yield* marked(grace, "上海 cafe"), [
        ["Cafe\u0301", "café", "cafés", "上海", "café", "cafe1"]
      ])
      assert.deepStrictEqual(yield* marked(grace, "海 🎉"), [["🎉", "海"]])
      assert.deepStrictEqual(yield* marked(grace, "example.com"), [["example.com"]])
      assert.deepStrictEqual(yield* marked(grace, `from:${ada.account.username}`), [[]])
    })
  )

  it.effect("shows nobody messages of conversations that they are not in", () =>
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
      assert.deepStrictEqual(yield* found(`secret in:${id}`, eve), [])
      assert.deepStrictEqual(yield* found(`from:${ada.account.username}`, eve), ["a secret of two"])
      assert.deepStrictEqual(yield* found("secret", grace, direct.id), [])
    })
  )

  it.effect("finds the messages of one author, in one conversation", () =>
    Effect.gen(function* () {
      const { ada, found, grace, id } = yield* world
      const conversations = yield* Conversations
      yield* conversations.update(ada.id, id, { name: "Café Müller" })
      const { conversation: direct } = yield* conversations.direct(ada.id, grace.id)
      yield* post(ada, id, "tea from ada")
      yield* post(grace, id, "tea from grace")
      yield* post(grace, direct.id, "tea of two")
      assert.deepStrictEqual(yield* found(`tea from:${ada.account.username.toUpperCase()}`), ["tea from ada"])
      assert.deepStrictEqual(yield* found(`from:@${ada.account.username} tea`), ["tea from ada"])
      assert.deepStrictEqual(yield* found("tea from:me"), ["tea of two", "tea from grace"])
      assert.strictEqual((yield* found(`tea from:me from:${ada.account.username}`)).length, 3)
      assert.deepStrictEqual(yield* found("tea from:nobody_at_all"), [])
      for (const place of [id, '"cafe muller"', '"CAFÉ MÜLLER"']) {
        assert.deepStrictEqual(yield* found(`tea in:${place}`), ["tea from grace", "tea from ada"], place)
      }
      assert.deepStrictEqual(yield* found(`in:${ada.account.username} tea`), ["tea of two"])
      assert.deepStrictEqual(yield* found(`in:@${grace.account.username}`, ada), ["tea of two"])
      assert.deepStrictEqual(yield* found("tea in:elsewhere"), [])
      // Neither an operator nor a value that it takes: words.
      yield* post(ada, id, "note to: me, before: tomorrow")
      assert.strictEqual((yield* found("to:me")).length, 1)
      assert.strictEqual((yield* found("before:tomorrow")).length, 1)
    })
  )

  it.effect("finds the messages of a time", () =>
    Effect.gen(function* () {
      const { ada, found, id } = yield* world
      const sent = yield* post(ada, id, "now or never")
      const [year] = String(sent.createdAt).split("-", 1)
      const [day] = sent.createdAt.toString().split("T", 1)
      assert.isDefined(day)
      for (const query of ["after:2020", "after:2020-02-29 now", "before:2999-12", "after:2020-01-01T10:00:00Z"]) {
        assert.strictEqual((yield* found(query)).length, 1, query)
      }
      for (const query of ["before:2020 now", "after:2999", `before:2020 after:${year}`]) {
        assert.deepStrictEqual(yield* found(query), [], query)
      }
    })
  )

  it.effect("finds nothing of a person whom the caller has blocked", () =>
    Effect.gen(function* () {
      const { ada, found, grace, id } = yield* world
      yield* post(ada, id, "a blocked word")
      yield* post(grace, id, "my own word")
      yield* (yield* Blocks).block(grace.id, ada.id)
      assert.deepStrictEqual(yield* found("word"), ["my own word"])
      assert.deepStrictEqual(yield* found(`from:${ada.account.username}`), [])
      assert.strictEqual((yield* found("word", ada)).length, 2)
    })
  )

  it.effect("finds an edited text by its new words, and no deleted one", () =>
    Effect.gen(function* () {
      const { ada, found, id } = yield* world
      const changes = yield* MessageChanges
      const sent = yield* post(ada, id, "silver")
      const target = { conversationId: id, id: sent.id }
      assert.deepStrictEqual(yield* found("silver"), ["silver"])
      yield* changes.edit(ada.id, target, "golden")
      assert.deepStrictEqual(yield* found("silver"), [])
      assert.deepStrictEqual(yield* found("golden"), ["golden"])
      yield* changes.erase(ada.id, target)
      assert.deepStrictEqual(yield* found("golden"), [])
      assert.deepStrictEqual(yield* found(`from:${ada.account.username}`), [])
    })
  )

  it.effect("finds texts only, neither captions nor messages of the server", () =>
    Effect.gen(function* () {
      const { ada, found, id } = yield* world
      yield* (yield* Conversations).update(ada.id, id, { name: "marble" })
      yield* (yield* Messages).send(ada.id, id, newId(), {
        messageType: "image",
        content: { url: "https://example.com/marble", caption: "marble" }
      })
      assert.deepStrictEqual(yield* found("marble"), [])
    })
  )

  it.effect("pages through several conversations without a gap or a repetition", () =>
    Effect.gen(function* () {
      const { ada, grace, id } = yield* world
      const others = [yield* groupOf([ada, grace]), yield* groupOf([grace, ada])]
      const sent: Array<string> = []
      for (let n = 1; n <= 23; n++) {
        const content = `number ${n} ${n % 5 === 0 ? "rare" : ""}`
        sent.unshift(content)
        yield* post(ada, [id, ...others][n % 3] ?? id, content)
      }
      for (const limit of [1, 4, 23, 50]) {
        const pages = yield* allPages(grace, "number", limit)
        assert.deepStrictEqual(pages.flat(), sent)
        assert.strictEqual(pages.length, Math.ceil(23 / limit), `pages of ${limit}`)
      }
      assert.deepStrictEqual(
        (yield* allPages(grace, "rare", 2)).map((page) => page.length),
        [2, 2]
      )
    })
  )

  it.effect("fills pages up to their limit of bytes, and continues after it", () =>
    Effect.gen(function* () {
      const { ada, grace, id } = yield* world
      for (let n = 1; n <= 12; n++) yield* post(ada, id, `needle ${String(n % 10).repeat(65_000)}`)
      const pages = yield* allPages(grace, "needle", 200)
      assert.strictEqual(pages.flat().length, 12)
      for (const page of pages) assert.isAtMost(page.join("").length, 600_000)
    })
  )

  it.effect("finds words in the longest texts, and texts of one word", () =>
    Effect.gen(function* () {
      const { ada, found, id } = yield* world
      const long = `${"many different words ".repeat(3_000)}needle`
      yield* post(ada, id, long)
      yield* post(ada, id, "x".repeat(65_536))
      const numbers = `${Array.from({ length: 9_000 }, (_, n) => n.toString(36)).join(" ")} a needle`
      yield* post(ada, id, numbers)
      const ideographs = Array.from({ length: 20_900 }, (_, n) => String.fromCodePoint(0x4e00 + n)).join("")
      yield* post(ada, id, ideographs)
      const wide = "\ufdfa".repeat(21_000)
      yield* post(ada, id, wide)
      const words = `${"a b ".repeat(16_000)}the end`
      yield* post(ada, id, words)
      assert.deepStrictEqual(yield* found("needle"), [numbers, long])
      assert.deepStrictEqual(yield* found('"words needle"'), [long])
      assert.deepStrictEqual(yield* found('"a needle"'), [numbers])
      assert.deepStrictEqual(yield* found(ideographs.slice(-3)), [ideographs])
      assert.deepStrictEqual(yield* found("صلى"), [wide])
      assert.deepStrictEqual(yield* found('"b the end"'), [words])
      assert.deepStrictEqual(yield* found('"a the end"'), [])
      assert.deepStrictEqual(yield* found("xxxxxxxx"), ["x".repeat(65_536)])
    })
  )
})
