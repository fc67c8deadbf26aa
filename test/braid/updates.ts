import { Arbitrary, Schema } from "effect"
import type { Update } from "../../src/braid/Update.ts"

const encoder = new TextEncoder()

export const bytes = (text: string): Uint8Array => encoder.encode(text)

/** A small stream of a conversation: all forms of updates, and characters of one to four bytes. */
export const conversation: ReadonlyArray<Update> = [
  {
    _tag: "Snapshot",
    version: ["3"],
    parents: [],
    contentType: "application/json",
    body: bytes(`[{"id":"m1","text":"héllo"}]`)
  },
  {
    _tag: "Patches",
    version: ["4"],
    parents: ["3"],
    contentType: "application/json",
    patches: [{ contentRange: "json [-0:-0]", content: bytes(`{"id":"m2","text":"yo 😀\\r\\nHTTP 200 OK"}`) }]
  },
  {
    _tag: "Patches",
    version: ["5", "é"],
    parents: ["4"],
    patches: [
      { contentRange: `json [?(@.id=="m1")].read`, content: bytes("true") },
      { contentRange: "json [1].read", content: bytes("") }
    ]
  }
]

const anyVersion = Arbitrary.map(Arbitrary.array(Arbitrary.schema(Schema.String), { maxLength: 4 }), (ids) =>
  ids.sort()
)
const anyBytes = Arbitrary.map(
  Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))), {
    maxLength: 200
  }),
  (values) => Uint8Array.from(values)
)
const anyContent = Arbitrary.flatMap(Arbitrary.schema(Schema.Boolean), (text) =>
  text ? Arbitrary.map(Arbitrary.schema(Schema.String), bytes) : anyBytes
)
const anyPatch = Arbitrary.all({
  contentRange: Arbitrary.map(Arbitrary.schema(Schema.Int), (index) => `json .messages[${index}:${index}]`),
  content: anyContent
})

export const anyUpdate: Arbitrary.Arbitrary<Update> = Arbitrary.map(
  Arbitrary.all({
    tag: Arbitrary.schema(Schema.Literals(["Snapshot", "Patches"])),
    version: anyVersion,
    parents: anyVersion,
    contentType: Arbitrary.schema(Schema.Literals(["application/json", "text/plain; charset=utf-8", ""])),
    body: anyContent,
    patches: Arbitrary.array(anyPatch, { maxLength: 5 })
  }),
  ({ tag, version, parents, contentType, body, patches }): Update => {
    const type = contentType === "" ? {} : { contentType }
    switch (tag) {
      case "Snapshot":
        return { _tag: tag, version, parents, ...type, body }
      case "Patches":
        return { _tag: tag, version, parents, ...type, patches }
    }
  }
)
