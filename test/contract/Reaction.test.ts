import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import {
  Emoji,
  maxReactions,
  maxReactionsOfPerson,
  maxReactorsNamed,
  ReactionLimitReached
} from "../../src/contract/Reaction.ts"
import type { PageCursor } from "../../src/contract/Paging.ts"
import { TestServices } from "../../src/testing/index.ts"
import { sequences, singles } from "./emoji.ts"
import { groupOf, headOf, people, post } from "../world.ts"

const decode = Schema.decodeUnknownOption(Emoji)
const canonical = (text: string) => Option.getOrUndefined(decode(text))

const Qualified = Schema.Literals([...singles, ...sequences])
const ShortCode = Schema.String.check(Schema.isPattern(/^:[a-z0-9_+-]{1,62}:$/))

describe("A reaction", () => {
  it("may be any emoji of one code point", () => {
    assert.isAbove(singles.length, 1_300)
    assert.deepStrictEqual(
      singles.filter((emoji) => canonical(emoji) !== emoji),
      []
    )
  })

  it.prop(
    "has one canonical form, whichever variation selectors it comes with",
    [Qualified, Schema.Boolean],
    ([emoji, asText]) => {
      const bare = emoji.replaceAll("\ufe0f", "")
      for (const spelling of [
        emoji,
        bare,
        emoji.replaceAll("\ufe0f", "\ufe0e"),
        asText ? `${bare}\ufe0e` : `${bare}\ufe0f`
      ]) {
        assert.strictEqual(canonical(spelling), emoji)
      }
    }
  )

  it.prop("may be a short code, whatever the case", [ShortCode], ([code]) => {
    assert.strictEqual(canonical(code), code)
    assert.strictEqual(canonical(code.toUpperCase()), code)
  })

  it.prop(
    "is one emoji: not two, nor one with other characters",
    [Qualified, Qualified, Schema.Char],
    ([one, other, character]) => {
      for (const text of [`${one} ${other}`, `${one}\u200b`, `\u202e${one}`, `${one}:tada:`, `${character}${one}x`]) {
        assert.isUndefined(canonical(text), JSON.stringify(text))
      }
    }
  )

  it.prop("is nothing else, whatever text is given, and its canonical form is its own", [Schema.String], ([text]) => {
    const found = canonical(text)
    if (found === undefined) return
    assert.match(found, /^(?:\p{RGI_Emoji}|\p{Extended_Pictographic}|:[a-z0-9_+\-]+:)$/v)
    assert.strictEqual(canonical(found), found)
  })

  const refused = {
    "nothing to see": ["", " ", "\u200b", "\u200d", "\ufe0f", "\u2060", "\u00ad", "\ue000", "\u2800"],
    "what reorders": ["\u202e", "\u200f", "\u2066", "👍\u202e"],
    "control characters": ["\u0000", "\u001b", "\n", "👍\u001b[31m"],
    text: ["a", "lol", "1", "#", "é", "漢", "x".repeat(65)],
    "more than one emoji": ["👍👍", "😀\u200d😀", "🇩", "🇩🇪🇫🇷", "🇽🇽"],
    "no short code": [":", "::", ":a b:", ":ta:da:", ":tada", "tada:", ":é:", ":\u202e:", `:${"x".repeat(63)}:`]
  }
  for (const [what, texts] of Object.entries(refused)) {
    it(`is not ${what}`, () => {
      for (const text of texts) assert.isUndefined(canonical(text), JSON.stringify(text))
    })
  }
})

/** A group of Ada's, with one message. */
const world = Effect.gen(function* () {
  const [ada, grace, eve] = yield* people("ada", "grace", "eve")
  const id = yield* groupOf([ada, grace, eve])
  const message = yield* post(ada, id, "news")
  const target = { conversationId: id, id: message.id }
  const changes = yield* MessageChanges
  const reactions = Effect.map(
    Effect.flatMap(Messages, (messages) => messages.get(ada.id, id, message.id)),
    (message) => message.reactions
  )
  return { ada, grace, eve, id, target, changes, reactions }
})

const codes = (count: number, prefix: string) => Array.from({ length: count }, (_, index) => `:${prefix}_${index}:`)

layer(TestServices)("Reactions to a message", (it) => {
  it.effect("are at most twenty by one person, however many come at once", () =>
    Effect.gen(function* () {
      const { ada, changes, grace, id, reactions, target } = yield* world
      const before = yield* headOf(ada, id)
      const outcomes = yield* Effect.forEach(
        codes(2 * maxReactionsOfPerson, "own"),
        (code) => Effect.result(changes.react(ada.id, target, code)),
        { concurrency: "unbounded" }
      )
      const refusals = outcomes.flatMap((outcome) => (outcome._tag === "Failure" ? [outcome.failure] : []))
      assert.strictEqual(refusals.length, maxReactionsOfPerson)
      for (const refusal of refusals) {
        assert.instanceOf(refusal, ReactionLimitReached)
        assert.match(refusal.detail ?? "", /You have 20 reactions/)
      }
      assert.strictEqual((yield* reactions).length, maxReactionsOfPerson)
      assert.strictEqual(yield* headOf(ada, id), before + maxReactionsOfPerson)

      const [there = assert.fail()] = yield* reactions
      yield* changes.react(ada.id, target, there.emoji)
      yield* changes.react(grace.id, target, there.emoji)
      yield* changes.unreact(ada.id, target, there.emoji)
      yield* changes.react(ada.id, target, "🎉")
    })
  )

  it.effect("are at most fifty different ones, of which anybody may still give each", () =>
    Effect.gen(function* () {
      const { ada, changes, eve, grace, reactions, target } = yield* world
      for (const [person, prefix] of [
        [ada, "a"],
        [grace, "b"]
      ] as const) {
        yield* Effect.forEach(codes(maxReactionsOfPerson, prefix), (code) => changes.react(person.id, target, code))
      }
      yield* Effect.forEach(codes(maxReactions - 2 * maxReactionsOfPerson, "c"), (code) =>
        changes.react(eve.id, target, code)
      )
      const refusal = yield* Effect.flip(changes.react(eve.id, target, "👍"))
      assert.instanceOf(refusal, ReactionLimitReached)
      assert.match(refusal.detail ?? "", /50 different reactions/)
      yield* changes.react(eve.id, target, ":a_0:")
      assert.deepInclude(yield* reactions, { emoji: ":a_0:", count: 2, userIds: [ada.id, eve.id] })
      assert.strictEqual((yield* reactions).length, maxReactions)
    })
  )

  it.effect("that an older server stored in another spelling are removed by either spelling", () =>
    Effect.gen(function* () {
      const { ada, changes, reactions, target } = yield* world
      const sql = yield* SqlClient.SqlClient
      for (const [stored, given] of [
        ["❤", "❤"],
        ["❤️", "❤"],
        ["lol", "lol"]
      ] as const) {
        yield* sql`
          INSERT INTO message_reactions (conversation_id, message_id, user_id, emoji)
          VALUES (${target.conversationId}, ${target.id}, ${ada.id}, ${stored})`
        assert.deepStrictEqual(yield* reactions, [{ emoji: stored, count: 1, userIds: [ada.id] }])
        yield* changes.unreact(ada.id, target, given)
        assert.deepStrictEqual(yield* reactions, [])
      }
    })
  )

  it.effect("by many are a count with the first names, and a list of all by pages", () =>
    Effect.gen(function* () {
      const { ada, changes, id, reactions, target } = yield* world
      const sql = yield* SqlClient.SqlClient
      // Some in the same millisecond.
      yield* sql`
        WITH crowd AS (
          INSERT INTO users (username, email, password_hash)
          SELECT 'crowd_' || n || ${id.slice(0, 8)}, n || ${id} || '@example.com', '' FROM generate_series(1, 1200) n
          RETURNING id
        )
        INSERT INTO message_reactions (conversation_id, message_id, user_id, emoji, created_at)
        SELECT ${target.conversationId}, ${target.id}, id, '👍',
          '2024-01-01Z'::timestamptz + (row_number() OVER (ORDER BY id DESC) / 7) * interval '7003 microseconds' FROM crowd`
      yield* changes.react(ada.id, target, "👍")
      const [reaction = assert.fail()] = yield* reactions
      assert.strictEqual(reaction.count, 1_201)
      assert.strictEqual(reaction.userIds.length, maxReactorsNamed)
      assert.isBelow(JSON.stringify(yield* reactions).length, 1_000)

      const ids: Array<string> = []
      let after: PageCursor | undefined
      do {
        const page = yield* changes.reactors(ada.id, target, "👍", 100, after)
        ids.push(...page.items.map(({ id }) => id))
        after = page.next ?? undefined
      } while (after !== undefined)
      assert.strictEqual(ids.length, 1_201)
      assert.strictEqual(new Set(ids).size, 1_201)
      assert.strictEqual(ids.at(-1), ada.id)
      assert.deepStrictEqual(ids.slice(0, maxReactorsNamed), [...reaction.userIds])
      assert.deepStrictEqual((yield* changes.reactors(ada.id, target, "🎉", 100, undefined)).items, [])
    })
  )
})
