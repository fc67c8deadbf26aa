import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { maxMentions, mentionedNames } from "../../src/messages/Mentions.ts"

const Name = Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9_]{2,29}$/))
/** Any text without code and mentions. */
const Prose = Schema.String.check(Schema.isPattern(/^[^@`]*$/u))
const Unspaced = Schema.Literals([
  "我家在上海",
  "東京タワー",
  "ありがとう",
  "안녕",
  "สวัสดี",
  "，",
  "“",
  "(",
  "—",
  "🎉",
  "«",
  "\u00a0"
])
const AddressPart = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9._~!$&'()*+,;=:%-]{0,20}$/))
const Label = Schema.String.check(Schema.isPattern(/^[a-z0-9]{1,10}$/))

describe("A mention", () => {
  it.prop(
    "is found at the beginning of a word, whatever surrounds it",
    [Prose, Name, Prose],
    ([before, name, after]) => {
      assert.deepStrictEqual(mentionedNames(`${before} @${name} ${after}`), [name])
      assert.deepStrictEqual(mentionedNames(`${before}\n@${name.toUpperCase()}, ${after}`), [name])
    }
  )

  it.prop("is found in scripts that put no spaces around it", [Unspaced, Name, Unspaced], ([before, name, after]) => {
    assert.deepStrictEqual(mentionedNames(`${before}@${name}${after}`), [name])
  })

  it.prop("is not found in a URL", [Name, AddressPart, Label, AddressPart], ([name, user, host, part]) => {
    for (const url of [
      `https://${host}.com/@${name}`,
      `HTTP://${host}.com/${part}/@${name}/${part}`,
      `https://${user}@${name}.com/`,
      `ftp://${host}?${part}=@${name}#@${name}`,
      `www.${host}.com/@${name}`,
      `${host}.com/@${name}/story`,
      `${host}.co.uk?by=@${name}`
    ]) {
      for (const text of [url, `see ${url} there`, `(${url})`, `[it](${url})`]) {
        assert.deepStrictEqual(mentionedNames(text), [], text)
      }
      assert.deepStrictEqual(mentionedNames(`${url} @${name}`), [name])
    }
  })

  it.prop("is not found in an e-mail address", [Label, Name, Label], ([local, host, domain]) => {
    for (const part of [local, `${local}.x`, `${local}+tag`, `é${local}`, `用户`, `"${local} x"`, `${local}-`]) {
      for (const text of [`${part}@${host}.${domain}`, `mailto:${part}@${host}.com`, `<${part}@${host}.org>,`]) {
        assert.deepStrictEqual(mentionedNames(text), [], text)
      }
    }
    assert.deepStrictEqual(mentionedNames(`${local}@${host}`), [])
    assert.deepStrictEqual(mentionedNames(`@${host}@${domain}.social`), [])
  })

  it.prop(
    "is not found in code, between any number of backticks",
    [Prose, Name, Schema.Literals([1, 2, 3, 5])],
    ([prose, name, ticks]) => {
      const fence = "`".repeat(ticks)
      const other = "`".repeat(ticks + 1)
      assert.deepStrictEqual(mentionedNames(`${prose}${fence}${prose} @${name} ${prose}${fence} ${prose}`), [])
      assert.deepStrictEqual(mentionedNames(`${fence} ${other} @${name} ${fence} and ${other}`), [])
      assert.deepStrictEqual(mentionedNames(`${fence}x${prose}${fence} @${name} ${fence}x${fence}`), [name])
    }
  )

  it.prop("is found once for each name, up to the limit, in any text", [Schema.String, Name], ([text, name]) => {
    const names = mentionedNames(`${text}@${name}${text}`)
    assert.strictEqual(new Set(names).size, names.length)
    for (const name of names) {
      assert.match(name, /^[a-z][a-z0-9_]{2,29}$/)
    }
  })

  const texts: Readonly<Record<string, ReadonlyArray<string>>> = {
    "@ada/@bob": ["ada", "bob"],
    "cc:@ada,@bob": ["ada", "bob"],
    "thanks.@ada": ["ada"],
    "@ada's": ["ada"],
    "@ada.": ["ada"],
    "@ada and @ADA": ["ada"],
    "@bobé é@bob @bo /@bob \\@bob": [],
    "a lone ` @bob": ["bob"],
    "```\n@bob, in code that is not closed yet": [],
    "@a_name_of_more_than_thirty_characters": []
  }
  for (const [text, names] of Object.entries(texts)) {
    it(`is as in ${JSON.stringify(text)}`, () => assert.deepStrictEqual(mentionedNames(text), names))
  }

  it("is one of fifty in a text", () => {
    const text = Array.from({ length: 60 }, (_, n) => `@name_${n}`).join(" ")
    assert.strictEqual(mentionedNames(text).length, maxMentions)
    assert.deepStrictEqual(mentionedNames({ url: "https://x.org/@bob" }), [])
  })
})
