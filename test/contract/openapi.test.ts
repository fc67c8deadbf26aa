import { assert, layer } from "@effect/vitest"
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js"
import { Effect, Layer, Predicate } from "effect"
import { document, faultsOf } from "../../src/conformance/Documented.ts"
import { TestServer, TestServices } from "../../src/testing/index.ts"

type Node = Readonly<Record<string, unknown>>

const isNode = (value: unknown): value is Node => Predicate.isObject(value) && !Array.isArray(value)
const nodeOf = (value: unknown): Node => (isNode(value) ? value : {})
const listOf = (value: unknown): ReadonlyArray<Node> => (Array.isArray(value) ? value.map(nodeOf) : [])
const entriesOf = (value: unknown) => Object.entries(nodeOf(value)).map(([name, node]) => [name, nodeOf(node)] as const)

/** Every schema within a node, with the path to it. */
const schemasIn = (value: unknown, path: string): ReadonlyArray<readonly [string, Node]> => {
  if (Array.isArray(value)) return value.flatMap((part, index) => schemasIn(part, `${path}.${index}`))
  if (!isNode(value)) return []
  return [[path, value], ...Object.entries(value).flatMap(([name, part]) => schemasIn(part, `${path}.${name}`))]
}

const ajv = new Ajv2020({
  // The document has keywords of OpenAPI, too.
  strict: false,
  formats: {
    uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
    "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/
  }
})
ajv.addKeyword({
  keyword: "x-maxBytes",
  validate: (most: number, value: unknown) =>
    typeof value !== "string" || new TextEncoder().encode(value).length <= most
})
ajv.addSchema(document, "openapi.json")

const validators = new Map<string, ValidateFunction>()

/** Compiles a schema of the document. Equal schemas are one validator. */
const compile = (schema: unknown): ValidateFunction => {
  const text = JSON.stringify(schema).replaceAll('"#/', '"openapi.json#/')
  const validate = validators.get(text) ?? ajv.compile(JSON.parse(text))
  validators.set(text, validate)
  return validate
}

const wrongValues = [null, true, -1, 0.5, 1e9, "", "not it", "é".repeat(40_000), [], {}]

/** A value with one change, in every place. Few of the changes leave it valid. */
function* changesOf(value: unknown): Generator<unknown> {
  yield* wrongValues
  if (Array.isArray(value) && value.length > 0) {
    const [first, ...others] = value
    yield Array.from({ length: 1_001 }, () => first)
    for (const change of changesOf(first)) yield [change, ...others]
  }
  if (isNode(value)) {
    yield { ...value, unknown: 1 }
    for (const [name, member] of Object.entries(value)) {
      const { [name]: _, ...others } = value
      yield others
      for (const change of changesOf(member)) yield { ...value, [name]: change }
    }
  }
}

const methods = new Set(["get", "put", "post", "patch", "delete"])

const served = Effect.gen(function* () {
  const { baseUrl, fetch } = yield* TestServer
  const response = yield* Effect.promise(() => fetch(`${baseUrl}/openapi.json`))
  const document = nodeOf(yield* Effect.promise(() => response.json()))
  const operations = entriesOf(document["paths"]).flatMap(([path, item]) =>
    entriesOf(item).flatMap(([method, operation]) =>
      methods.has(method) ? [{ name: `${method} ${path}`, operation } as const] : []
    )
  )
  return { document, operations, schemas: entriesOf(nodeOf(document["components"])["schemas"]) }
})

/** Every JSON that operations take and answer. */
const bodiesOf = (operations: Effect.Success<typeof served>["operations"]) =>
  operations.flatMap(({ name, operation }) =>
    [["request", operation["requestBody"]] as const, ...entriesOf(operation["responses"])].flatMap(([status, body]) =>
      entriesOf(nodeOf(body)["content"]).flatMap(([type, { example, schema }]) =>
        /[/+]json$/.test(type) && schema !== undefined ? [{ at: `${name} ${status}`, example, schema }] : []
      )
    )
  )

/** Every text that the document shows in English, by the path to it. */
const textsIn = (document: Node) =>
  schemasIn(document, "").flatMap(([path, node]) =>
    ["summary", "description", "title"].flatMap((key) => {
      const text = node[key]
      return typeof text === "string" ? [[`${path}.${key}`, text] as const] : []
    })
  )

const assertNone = (faults: ReadonlyArray<string>) => assert.deepStrictEqual(faults, [])

layer(TestServer.layerRoutes.pipe(Layer.provide(TestServices)))("/openapi.json", (it) => {
  it.effect("gives each operation a summary of two to five words, and a description", () =>
    Effect.gen(function* () {
      const { operations } = yield* served
      assert.isAbove(operations.length, 40)
      const summaries = operations.map(({ operation }) => String(operation["summary"]))
      for (const [index, { name, operation }] of operations.entries()) {
        const words = (summaries[index] ?? "").split(" ")
        assert.isTrue(words.length >= 2 && words.length <= 5, `${name}: ${summaries[index]}`)
        assert.match(summaries[index] ?? "", /^[A-Z][^.]*$/, name)
        assert.match(String(operation["description"]), /^[A-Z][^]*\.$/, name)
      }
      assert.strictEqual(new Set(summaries).size, summaries.length)
    })
  )

  it.effect("gives each tag a description", () =>
    Effect.gen(function* () {
      const { document } = yield* served
      const tags = listOf(document["tags"])
      assert.isAbove(tags.length, 8)
      assertNone(tags.filter(({ description }) => !Predicate.isString(description)).map(({ name }) => String(name)))
    })
  )

  it.effect("describes every parameter and header of an answer", () =>
    Effect.gen(function* () {
      const { operations } = yield* served
      const parameters = operations.flatMap(({ name, operation }) =>
        listOf(operation["parameters"]).map((node) => [`${name} ${String(node["name"])}`, node] as const)
      )
      const headers = operations.flatMap(({ name, operation }) =>
        entriesOf(operation["responses"]).flatMap(([status, response]) =>
          entriesOf(response["headers"]).map(([header, node]) => [`${name} ${status} ${header}`, node] as const)
        )
      )
      const described = [...parameters, ...headers]
      assert.isAbove(described.length, 60)
      assertNone(described.filter(([, { description }]) => !Predicate.isString(description)).map(([path]) => path))
    })
  )

  it.effect("describes every member of every schema", () =>
    Effect.gen(function* () {
      const { document } = yield* served
      const members = schemasIn(document, "").flatMap(([path, schema]) =>
        schema["type"] === "object"
          ? entriesOf(schema["properties"]).map(([name, member]) => [`${path}.${name}`, member] as const)
          : []
      )
      assert.isAbove(members.length, 200)
      assertNone(members.filter(([, { description }]) => !Predicate.isString(description)).map(([path]) => path))
    })
  )

  it.effect("gives each record the schema of its values", () =>
    Effect.gen(function* () {
      const { document } = yield* served
      const records = schemasIn(document, "").filter(
        ([, { maxProperties, properties, propertyNames, type }]) =>
          type === "object" && maxProperties !== 0 && (propertyNames !== undefined || properties === undefined)
      )
      assert.isAtLeast(records.length, 4)
      assertNone(
        records
          .filter(([, { additionalProperties }]) => Object.keys(nodeOf(additionalProperties)).length === 0)
          .map(([path]) => path)
      )
    })
  )

  it.effect("has a valid example of every JSON that is sent or answered, and of each part of a path", () =>
    Effect.gen(function* () {
      const { operations } = yield* served
      const bodies = bodiesOf(operations)
      assert.isAbove(bodies.length, 500)
      for (const { at, example, schema } of bodies) assert.isTrue(compile(schema)(example), at)
      const parts = operations.flatMap(({ name, operation }) =>
        listOf(operation["parameters"]).flatMap(({ example, in: place, name: part, schema }) =>
          place === "path" ? [{ at: `${name} ${String(part)}`, example, schema }] : []
        )
      )
      assert.isAbove(parts.length, 30)
      for (const { at, example, schema } of parts) assert.isTrue(compile(schema)(example), at)
      assertNone(bodies.filter(({ example }) => JSON.stringify(example).includes("…")).map(({ at }) => at))
    })
  )

  it.effect("is read by `xfchat conformance` as by another validator", () =>
    Effect.gen(function* () {
      const { operations } = yield* served
      const bodies = new Map(
        bodiesOf(operations).map((body) => [JSON.stringify([body.schema, body.example]), body] as const)
      )
      const counts = { valid: 0, invalid: 0 }
      for (const { at, example, schema } of bodies.values()) {
        const validate = compile(schema)
        for (const value of [example, ...changesOf(example)]) {
          const isValid = validate(value) === true
          counts[isValid ? "valid" : "invalid"] += 1
          if ((faultsOf(schema, value).length === 0) !== isValid) {
            assert.fail(`${at}: ${JSON.stringify(value).slice(0, 500)} is ${isValid ? "valid" : "invalid"}`)
          }
        }
      }
      assert.isAbove(counts.valid, 100)
      assert.isAbove(counts.invalid, 1_000)
    })
  )

  it.effect("writes in short sentences that have a subject", () =>
    Effect.gen(function* () {
      const { document } = yield* served
      const texts = textsIn(document)
      assert.isAbove(texts.length, 300)
      assertNone(texts.filter(([, text]) => /(^|[.:;] )(Who|What|Whose|Whom)\b/.test(text)).map(([path]) => path))
      assertNone(
        texts.filter(([path, text]) => !/^\.(paths|info)/.test(path) && text.length > 250).map(([path]) => path)
      )
    })
  )

  it.effect("has each schema once, under the name of its class", () =>
    Effect.gen(function* () {
      const { document, schemas } = yield* served
      const names = new Set(schemas.map(([name]) => name))
      for (const name of ["Account", "Conversation", "ConversationSummary", "FriendRequest", "Message", "Profile"]) {
        assert.isTrue(names.has(name), name)
      }
      assertNone([...names].filter((name) => /Encoded$|_\d+$/.test(name)))
      const references = schemasIn(document, "").flatMap(([path, { $ref }]) =>
        Predicate.isString($ref) ? [[path, $ref] as const] : []
      )
      assert.isAbove(references.length, 100)
      assertNone(
        references
          .filter(([, reference]) => !names.has(reference.replace("#/components/schemas/", "")))
          .map(([path, reference]) => `${path}: ${reference}`)
      )
    })
  )
})
