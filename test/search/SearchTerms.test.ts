import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { marksOf, parseQuery, toTsquery } from "../../src/search/SearchQuery.ts"
import { cut, fold, toVector } from "../../src/search/SearchTerms.ts"
import { corpus } from "./corpus.ts"

/** Any text that can be sent. */
const AnyText = Schema.String.check(
  Schema.makeFilter((text: string) => text.isWellFormed() && !text.includes("\u0000"), { identifier: "Sendable" })
)

/** Words of many scripts, with separators between them. */
const words = corpus.flatMap(({ text }) => text.match(/[\p{L}\p{N}\p{M}]+/gu) ?? [])
const between = [" ", "/", ".", "—", "“", "，", "🎉", "\u00a0", "\u200b", "@", "://", "\n", "'", "\\", "&"]
const Sentence = Schema.NonEmptyArray(Schema.Tuple([Schema.Literals(words), Schema.Literals(between)]))

/** Text that PostgreSQL reads without escapes, since nothing in it ends or changes a quoted lexeme. */
const vector = /^(|'[^'\\\s:]+'(:\d+(,\d+)*)?( '[^'\\\s:]+'(:\d+(,\d+)*)?)*)$/u
const tsquery = /^[()&| ]*('[^'\\\s:]+'(:\*)?(\)* (&|\||<->) \(*)?)+[() ]*$/u

const found = (text: string, query: string) => marksOf(text, parseQuery(query).phrases)

describe("The terms of a text", () => {
  it("are the same once folded, for every character of Unicode", () => {
    for (let code = 1; code < 0xe1000; code++) {
      // Surrogates, and planes that have no characters.
      if (code === 0xd800) code = 0xe000
      if (code === 0x40000) code = 0xe0000
      const text = `a${String.fromCodePoint(code)}b`
      const folded = fold(text)
      if (fold(folded) !== folded) assert.fail(`U+${code.toString(16)} folds again`)
      if (!vector.test(toVector(cut(text)))) assert.fail(`U+${code.toString(16)} needs an escape`)
    }
  })

  it.prop("are the same in every normal form, and in capitals", [Sentence], ([sentence]) => {
    const text = sentence.flat().join("")
    const lexemes = cut(text).map(({ lexeme }) => lexeme)
    for (const form of ["NFC", "NFD", "NFKC", "NFKD"]) {
      assert.deepStrictEqual(
        cut(text.normalize(form)).map(({ lexeme }) => lexeme),
        lexemes
      )
    }
    assert.deepStrictEqual(
      cut(text.toUpperCase()).map(({ lexeme }) => lexeme),
      lexemes
    )
  })

  it.prop("are at their positions in the text, in order", [AnyText], ([text]) => {
    let previous = 0
    for (const { end, firstEnd, lexeme, start } of cut(text)) {
      assert.isAtLeast(start, previous)
      assert.isAbove(firstEnd, start)
      assert.isAtLeast(end, firstEnd)
      assert.isAtMost(end, text.length)
      assert.include(fold(text.slice(start, end)), lexeme)
      previous = start
    }
  })

  it.prop("are lexemes that PostgreSQL reads unchanged", [AnyText], ([text]) => {
    assert.match(toVector(cut(text), ["@cAb_-9"]), vector)
  })

  it("are within PostgreSQL's limits, whatever the text", () => {
    const texts = [
      "x".repeat(65_536),
      "\ufdfa".repeat(21_845),
      "\u3300\u3315".repeat(10_922),
      "🎉".repeat(16_384),
      Array.from({ length: 20_900 }, (_, n) => String.fromCodePoint(0x4e00 + n)).join(""),
      Array.from({ length: 13_000 }, (_, n) => n.toString(36)).join(" "),
      "a".repeat(65_000) + "\u0301".repeat(268)
    ]
    for (const text of texts) {
      const terms = toVector(cut(text)).split(" ")
      assert.isBelow(Buffer.byteLength(terms.join("")), 900_000)
      for (const term of terms) {
        const [lexeme = "", positions = ""] = term.split(":")
        assert.isAtMost(Buffer.byteLength(lexeme), 2_046)
        assert.isBelow(positions.split(",").length, 256)
        for (const position of positions.split(",")) assert.isBelow(Number(position), 16_384)
      }
    }
  })
})

describe("A query", () => {
  it.prop("is a tsquery, whatever was typed", [AnyText], ([text]) => {
    const query = toTsquery(parseQuery(text).phrases)
    if (query !== undefined) assert.match(query, tsquery)
  })

  it.prop("finds a text by each of its words, and marks them", [Sentence], ([sentence]) => {
    const text = sentence.flat().join("")
    for (const [word] of sentence) {
      const marks = found(text, word)
      assert.isDefined(marks, word)
      for (const { end, start } of marks ?? []) {
        assert.include(fold(text.slice(start, end)), fold(word).slice(0, 1))
      }
    }
  })

  it.prop("finds a text by all of its words at once, in any order", [Sentence], ([sentence]) => {
    const text = sentence.map(([word, separator]) => word + separator).join("")
    const query = sentence.map(([word]) => word).toReversed()
    assert.isDefined(found(text, query.join(" ")))
  })

  it.prop("finds a text by the whole of it", [Sentence], ([sentence]) => {
    const text = sentence.flat().join("").replaceAll("“", "”")
    assert.isDefined(found(text, `"${text}"`))
  })

  it.prop(
    "has marks in order, without overlaps, within the text",
    [Sentence, Schema.Literals(words)],
    ([sentence, word]) => {
      const text = sentence.flat().join("")
      let end = 0
      for (const mark of found(text, word) ?? []) {
        assert.isAtLeast(mark.start, end)
        assert.isAbove(mark.end, mark.start)
        end = mark.end
      }
      assert.isAtMost(end, text.length)
    }
  )

  it("has few marks, however often its words occur", () => {
    assert.strictEqual(found("na ".repeat(20_000), "na")?.length, 100)
  })

  for (const [text, expected] of [
    ["before:2026-02-28 x", "2026-02-28T00:00:00.000Z"],
    ["before:2026 before:2025-06", "2025-06-01T00:00:00.000Z"],
    ["BEFORE:2026-01-01T10:30+01:00", "2026-01-01T09:30:00.000Z"],
    ["before:2026-01-01T10:30", "2026-01-01T10:30:00.000Z"],
    ["before:2026-02-30", undefined],
    ["before:2026-13", undefined],
    ["before:yesterday", undefined],
    ["before:", undefined],
    ["xbefore:2026", undefined]
  ] as const) {
    it(`reads ${text} as ${expected ?? "words"}`, () => {
      const { before, phrases } = parseQuery(text)
      assert.strictEqual(before?.toJSON(), expected)
      if (expected === undefined) assert.isAbove(phrases.length, 0)
    })
  }
})
