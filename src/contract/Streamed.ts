import { Schema } from "effect"
import { described } from "./Description.ts"
import { Wait } from "./Wait.ts"

/** The query parameter of a long poll. */
export const WaitParameter = Schema.optionalKey(Wait).pipe(
  described("Asks for a long poll that answers within this time: `1s` to `60s`.")
)

/** The query of a resource that can be followed. */
export const StreamQuery = {
  wait: WaitParameter,
  after: Schema.optionalKey(Schema.String).pipe(described("The version that a stream resumes after."))
}

/** The header with the version of the state in an answer. */
export const StateVersion = Schema.String.pipe(
  described("The version of this state, quoted as Braid-HTTP does. A stream resumes after it.")
)

const header = (name: string, description: string) => ({
  name,
  in: "header",
  required: false,
  schema: { type: "string" },
  description
})

const parameters = [
  header("Subscribe", "`true` asks for a Braid-HTTP stream, answered with 209."),
  header("Parents", 'The version that a Braid-HTTP stream resumes after, in quotes: `"57"`.'),
  header("Heartbeats", "The seconds between heartbeats of a Braid-HTTP stream: 1 to 60, and 20 unless given."),
  header("Last-Event-ID", "The version that a stream of server-sent events resumes after.")
]

const text = { schema: { type: "string" } }

const membersOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? { ...value } : {}

const parametersOf = (operation: Readonly<Record<string, unknown>>): ReadonlyArray<unknown> =>
  Array.isArray(operation["parameters"]) ? operation["parameters"] : []

/** Adds to an operation in OpenAPI the header that makes a write an edit. */
export const withParents = (operation: Readonly<Record<string, unknown>>) => ({
  ...operation,
  parameters: [
    ...parametersOf(operation),
    header("Parents", 'For an edit, the version of the message that it replaces, in quotes: `"57"`.')
  ]
})

/**
 * Adds to an operation in OpenAPI the headers and the answers of its streams, which the handler reads and writes itself.
 * docs/streaming.md describes the encodings.
 */
export const streamed = (operation: Readonly<Record<string, unknown>>) => {
  const responses = membersOf(operation["responses"])
  const ok = membersOf(responses["200"])
  return {
    ...operation,
    parameters: [...parametersOf(operation), ...parameters],
    responses: {
      ...responses,
      200: {
        ...ok,
        content: { ...membersOf(ok["content"]), "text/event-stream": text, "application/x-ndjson": text }
      },
      209: { description: "A Braid-HTTP stream", content: { "application/http-history": text } }
    }
  }
}
