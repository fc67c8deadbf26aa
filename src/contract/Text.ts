import { Schema, SchemaTransformation } from "effect"

const storable = Schema.makeFilter((text: string) =>
  text.includes("\u0000")
    ? "must not contain a NUL character"
    : text.isWellFormed() || "must not contain a lone surrogate"
)

/**
 * Text that both PostgreSQL and UTF-8 can hold: no NUL (PostgreSQL refuses it), no lone surrogate (UTF-8 has no bytes for
 * it). Every string that a caller may send is based on this one.
 */
export const Text = Schema.String.check(storable)

const encoder = new TextEncoder()

/** A bound on the length of a text in UTF-8. */
export const isMaxBytes = (max: number) =>
  Schema.makeFilter(
    (text: string) =>
      // A UTF-16 unit takes at most three bytes, so most texts need no counting.
      text.length * 3 <= max || encoder.encode(text).length <= max || `must be at most ${max} bytes`,
    { toJsonSchema: () => ({ maxLength: max, "x-maxBytes": max }) }
  )

/**
 * Characters that are invisible or that reorder others: they make a name look like another one, and a file like one of
 * another kind.
 */
const invisible = /[\p{Default_Ignorable_Code_Point}\p{Zl}\p{Zp}\u2800]/u

/** The places where such a character is right: in an emoji, a flag, an ideograph, or a script that joins its letters. */
const invisibleInPlace =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d(?=\p{Extended_Pictographic})|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}])[\ufe0e\ufe0f]|(?<=[\d#*])\ufe0f(?=\u20e3)|(?<=🏴)[\u{e0020}-\u{e007e}]+\u{e007f}|(?<=\p{Script=Han})[\u{e0100}-\u{e01ef}]|(?<=[\p{Script=Arabic}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gujarati}\p{Script=Gurmukhi}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Oriya}\p{Script=Sinhala}\p{Script=Tamil}\p{Script=Telugu}])[\u200c\u200d](?=\p{L})/gu

/** 1 to `maximum` code points of visible text. For names and titles. */
export const Line = (maximum: number) =>
  Text.check(
    Schema.isBetweenCodePoints(1, maximum),
    Schema.isPattern(/^(?!\s)[^\p{Cc}]*\S$/u, {
      message: "must not start or end with white space, nor contain control characters"
    }),
    Schema.makeFilter(
      (text: string) =>
        !invisible.test(text.replaceAll(invisibleInPlace, "")) || "must not contain invisible characters"
    )
  )

/** A UUID of any version, decoded to lower case: so an id that PostgreSQL returns equals the one that the caller sent. */
export const Uuid = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i, {
    message: "must be a UUID",
    toJsonSchema: () => ({ format: "uuid", maxLength: 36, "x-maxBytes": 36 })
  })
).pipe(Schema.decode(SchemaTransformation.toLowerCase()))

/** A time as JSON has it: RFC 3339. */
export const Time = Schema.DateTimeUtcFromString.pipe(Schema.annotateEncoded({ format: "date-time" }))
