import { Duration, Schema, SchemaTransformation } from "effect"

/** The longest time that a long poll waits, `1s` to `60s`, as `?wait=` has it. */
export const Wait = Schema.String.check(
  Schema.isPattern(/^([1-9]|[1-5]\d|60)s$/, { message: "must be 1s to 60s" })
).pipe(
  Schema.decodeTo(
    Schema.Duration,
    SchemaTransformation.transform({
      decode: (text) => Duration.seconds(Number.parseInt(text, 10)),
      encode: (wait) => `${Duration.toSeconds(wait)}s`
    })
  )
)
