import { Schema, SchemaTransformation } from "effect"

const storable = Schema.makeFilter(
  (text: string) =>
    text.includes("\u0000")
      ? "must not contain a NUL character"
      : text.isWellFormed() || "must not contain a lone surrogate",
  { identifier: "StorableText" }
)

/**
 * Text that both PostgreSQL and UTF-8 can hold: no NUL (PostgreSQL refuses it), no lone surrogate (UTF-8 has no bytes for
 * it). Every string that a caller may send is made from this.
 */
export const Text = Schema.String.check(storable)

const encoder = new TextEncoder()

/** A bound on the length of a text as UTF-8. */
export const isMaxBytes = (most: number) =>
  Schema.makeFilter(
    (text: string) =>
      // A UTF-16 unit is at most three bytes: most texts need no counting.
      text.length * 3 <= most || encoder.encode(text).length <= most || `must be at most ${most} bytes`,
    { toJsonSchema: () => ({ maxLength: most, "x-maxBytes": most }) }
  )

/**
 * Characters of which nothing is seen, or which reorder what is seen: a name with them looks like another one, and a file
 * like one of another kind.
 */
const unseen = /[\p{Default_Ignorable_Code_Point}\p{Zl}\p{Zp}\u2800]/u

/** Where such a character has its place: in an emoji, a flag, an ideograph, or a script that joins its letters. */
const placed =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d(?=\p{Extended_Pictographic})|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}])[\ufe0e\ufe0f]|(?<=[\d#*])\ufe0f(?=\u20e3)|(?<=🏴)[\u{e0020}-\u{e007e}]+\u{e007f}|(?<=\p{Script=Han})[\u{e0100}-\u{e01ef}]|(?<=[\p{Script=Arabic}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gujarati}\p{Script=Gurmukhi}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Oriya}\p{Script=Sinhala}\p{Script=Tamil}\p{Script=Telugu}])[\u200c\u200d](?=\p{L})/gu

/** Text with something to see in it, within `maximum` code points, and nothing unseen. For names and titles. */
export const Line = (maximum: number) =>
  Text.check(
    Schema.isBetweenCodePoints(1, maximum),
    Schema.isPattern(/^(?!\s)[^\p{Cc}]*\S$/u, {
      message: "must not start or end with white space, nor contain control characters"
    }),
    Schema.makeFilter(
      (text: string) => !unseen.test(text.replaceAll(placed, "")) || "must not contain characters that cannot be seen",
      { identifier: "SeenText" }
    )
  )

/** A UUID of any version in its canonical, lower-case form: what PostgreSQL answers equals what the caller asked with. */
export const Uuid = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i, {
    message: "must be a UUID",
    toJsonSchema: () => ({ format: "uuid", maxLength: 36, "x-maxBytes": 36 })
  })
).pipe(Schema.decode(SchemaTransformation.toLowerCase()))
