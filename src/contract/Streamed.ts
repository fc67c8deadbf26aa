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

/** The headers of a Braid-HTTP stream. */
const answerHeaders = [
  ["Subscribe", "`true`: the answer is a stream."],
  [
    "Current-Version",
    "The version of the resource when the stream began, quoted. The client is caught up once it has it."
  ],
  ["Heartbeats", "The seconds between heartbeats, if the request asked for them."]
] as const

type Node = Readonly<Record<string, unknown>>

const membersOf = (value: unknown): Node => (typeof value === "object" && value !== null ? { ...value } : {})

const parametersOf = (operation: Node): ReadonlyArray<unknown> =>
  Array.isArray(operation["parameters"]) ? operation["parameters"] : []

/** Adds to an operation in OpenAPI the header that makes a write an edit. */
export const withParents = (operation: Node) => ({
  ...operation,
  parameters: [
    ...parametersOf(operation),
    header("Parents", 'For an edit, the version of the message that it replaces, in quotes: `"57"`.')
  ]
})

/** A schema that OpenAPI shows once, under a name: see `arrange` in OpenApiDocument.ts. */
const named = (name: string, schema: Node): Node => ({ title: `${name}.json`, ...schema })

export const schemaNamed = (name: string): Node => ({ $ref: `#/components/schemas/${name}` })

const object = (properties: Node, description: string): Node => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  description
})

/** A schema with a description of its own. */
const describedAs = (description: string, schema: unknown): Node => ({ ...membersOf(schema), description })

const text = { type: "string" }
const version = { type: "string", description: "The version that a client has reached with this update." }
const whole = "The whole resource, in place of what the client had."
const part = "The part that changed. It replaces the parts with the same ids or names."
const unversionedPart = "A part that changed without a new version."

/** An event: its data is JSON, in a text (OpenAPI 3.2, section 4.14.4). */
const event = (name: string, data: unknown, description: string): Node => ({
  type: "object",
  properties: {
    event: { type: "string", const: name, description: "The kind of update." },
    id: version,
    data: {
      type: "string",
      contentMediaType: "application/json",
      contentSchema: data,
      description: "The update, as JSON."
    }
  },
  required: ["event", "id", "data"],
  description
})

const multiresponse =
  "A Braid-HTTP stream (draft-toomim-httpbis-braid-http-04): snapshots of the resource, then patches, each with a `Version`."

/** How the updates of a resource come. */
export interface Updates {
  /** Begins the names of the schemas of its updates. */
  readonly name: string
  /** The kind of a change: the event's type, and the member of a line that holds it. */
  readonly change: string
  readonly changeSchema: Node
  /** The members that change without a version, with their schemas. */
  readonly unversioned?: Node
}

/**
 * Adds to an operation in OpenAPI the headers and the answers of its streams, which the handler reads and writes itself.
 * docs/streaming.md describes the encodings.
 */
export const streamed =
  ({ change, changeSchema, name, unversioned = {} }: Updates) =>
  (operation: Node) => {
    const responses = membersOf(operation["responses"])
    const ok = membersOf(responses["200"])
    const content = membersOf(ok["content"])
    const page = membersOf(content["application/json"])["schema"]
    const others = Object.entries(unversioned)
    const versioned = [
      object({ version, snapshot: describedAs(whole, page) }, "A snapshot."),
      object({ version, [change]: describedAs(part, changeSchema) }, "A change.")
    ]
    const lines = [
      ...versioned,
      ...others.map(([member, schema]) =>
        object({ [member]: describedAs(unversionedPart, schema) }, "A change without a version.")
      ),
      { type: "object", maxProperties: 0, description: "A heartbeat." }
    ]
    const events = [
      event("snapshot", page, whole),
      event(change, changeSchema, part),
      ...others.map(([member, schema]) => event(member, schema, unversionedPart))
    ]
    const pollMembers = others.map(
      ([member, schema]) => [member, describedAs("As it is with that version.", schema)] as const
    )
    const poll = object(
      {
        updates: { type: "array", items: { oneOf: versioned }, description: "The updates, in their order." },
        version: { type: "string", description: "The version to come back with, as `after`." },
        ...Object.fromEntries(pollMembers)
      },
      "The answer to a long poll."
    )
    return {
      ...operation,
      parameters: [...parametersOf(operation), ...parameters],
      responses: {
        ...responses,
        200: {
          ...ok,
          description: "The resource as it is now, the answer to a long poll (with `wait`), or a stream.",
          content: {
            "application/json": { schema: { anyOf: [page, named(`${name}Poll`, poll)] } },
            "application/x-ndjson": { schema: text, itemSchema: named(`${name}Line`, { oneOf: lines }) },
            "text/event-stream": { schema: text, itemSchema: named(`${name}Event`, { oneOf: events }) }
          }
        },
        209: {
          description: multiresponse,
          headers: Object.fromEntries(
            answerHeaders.map(([header, description]) => [header, { description, schema: { type: "string" } }])
          ),
          content: { "application/http-history": { schema: text } }
        }
      }
    }
  }
