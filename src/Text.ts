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

/** Text with something to see in it, within `maximum` code points. For names and titles. */
export const Line = (maximum: number) =>
  Text.check(
    Schema.isBetweenCodePoints(1, maximum),
    Schema.isPattern(/^(?!\s)[^\p{Cc}]*\S$/u, {
      message: "must not start or end with white space, nor contain control characters"
    })
  )

/** A UUID of any version in its canonical, lower-case form: what PostgreSQL answers equals what the caller asked with. */
export const Uuid = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i, { message: "must be a UUID" })
).pipe(Schema.decode(SchemaTransformation.toLowerCase()))
