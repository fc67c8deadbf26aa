import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { formatVersion, maximumEventIdLength, maximumEventIds, parseVersion } from "../../src/braid/Version.ts"

const codeUnit = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff })))
const anyCharacters = Arbitrary.map(Arbitrary.array(codeUnit, { maxLength: maximumEventIdLength }), (units) =>
  String.fromCharCode(...units)
)
const anyVersion = Arbitrary.array(anyCharacters, { maxLength: maximumEventIds })
const anyText = Arbitrary.schema(Schema.String)

const read = (value: string) => {
  const result = parseVersion("Version", value)
  assert(result._tag === "Parsed", result._tag === "Malformed" ? result.reason : "")
  return result.value
}

const refusal = (value: string) => {
  const result = parseVersion("Parents", value)
  assert(result._tag === "Malformed", `${value} was read`)
  return result.reason
}

describe("A version as a header value", () => {
  it("is its ids in double quotes, sorted, one space after each comma", () => {
    assert.strictEqual(formatVersion(["57"]), `"57"`)
    assert.strictEqual(formatVersion(["foo-123", "bar-abc"]), `"bar-abc", "foo-123"`)
  })

  it("is empty for the root", () => {
    assert.strictEqual(formatVersion([]), "")
    assert.deepStrictEqual(read(""), [])
    assert.deepStrictEqual(read("  "), [])
  })

  it("escapes all but printable ASCII, so that it can neither end a line nor be changed", () => {
    assert.strictEqual(formatVersion(["zürich"]), String.raw`"z\u00fcrich"`)
    assert.strictEqual(formatVersion(["a\r\nSet-Cookie: b"]), String.raw`"a\r\nSet-Cookie: b"`)
    assert.strictEqual(formatVersion(["\u007f😀"]), String.raw`"\u007f\ud83d\ude00"`)
  })

  it("leaves the version itself unsorted", () => {
    const version = ["b", "a"]
    formatVersion(version)
    assert.deepStrictEqual(version, ["b", "a"])
  })

  it("is read with JSON's escapes and any spaces around commas", () => {
    assert.deepStrictEqual(read(String.raw`"z\u00fcrich","say \"hi\"" ,  "back\\slash"`), [
      "zürich",
      'say "hi"',
      "back\\slash"
    ])
  })

  it("is refused with one sentence when it is not a list of quoted strings", () => {
    const values = [
      "abc", // bare
      `"abc`, // without its end
      `abc"`,
      `"a" "b"`, // no comma
      `"a",`,
      `, "a"`,
      `"a" trailing`,
      `"a", 7`, // not a string
      `"a", ["b"]`,
      `"a"], ["b"`,
      "null",
      "{}",
      String.raw`"\x41"`, // no such escape
      String.raw`"\u12"`
    ]
    for (const value of values) assert.match(refusal(value), /^Parents must be a comma-separated list of [^.]+\.$/)
  })

  it("has at most 64 ids of 200 characters each", () => {
    const longest = Array.from({ length: maximumEventIds }, (_, index) => `${index}`.padEnd(maximumEventIdLength, "ü"))
    assert.deepStrictEqual(read(formatVersion(longest)), longest.toSorted())
    assert.strictEqual(refusal(formatVersion([...longest, "one more"])), "Parents has more than 64 ids.")
    assert.strictEqual(refusal(`"${"a".repeat(201)}"`), "Parents has an id of more than 200 characters.")
    assert.strictEqual(refusal("[".repeat(1_000_000)), "Parents is too long.")
  })

  it.prop("survives a round trip, whatever characters it holds", [anyVersion], ([version]) => {
    const value = formatVersion(version)
    assert.match(value, /^[\x20-\x7e]*$/)
    assert.deepStrictEqual(read(value), version.toSorted())
  })

  it.prop("is read or refused, and never throws", [anyText, anyCharacters], (values) => {
    for (const value of [...values, `"${values[0]}"`, `"${values[0]}", ${values[1]}`]) {
      assert.include(["Parsed", "Malformed"], parseVersion("Version", value)._tag)
    }
  })
})
