import { Examples, isNode, type Node } from "./OpenApiExamples.ts"

const nodesOf = (value: unknown): ReadonlyArray<Node> => (Array.isArray(value) ? value.filter(isNode) : [])

/** The members that every problem document has (RFC 9457 section 3.1). */
const problemMembers: Readonly<Record<string, string>> = {
  type: "The kind of error: stable, for programs.",
  title: "The kind of error in English.",
  status: "The HTTP status code.",
  detail: "One sentence on what went wrong and what to do.",
  instance: "Identifies this occurrence of the error."
}

/** Moves descriptions out of `allOf`, which Effect appends them to, and merges what is left into the schema. */
const liftDescription = ({ allOf, ...schema }: Node): Node => {
  if (allOf === undefined) return schema
  let { description } = schema
  const rest: Array<Node> = []
  for (const { description: own, ...part } of nodesOf(allOf)) {
    description = own ?? description
    if (Object.keys(part).length > 0) rest.push(part)
  }
  const [only] = rest
  const merges = rest.length === 1 && only !== undefined && Object.keys(only).every((key) => !(key in schema))
  return {
    ...schema,
    ...(merges ? only : rest.length > 0 ? { allOf: rest } : {}),
    ...(description === undefined ? {} : { description })
  }
}

/**
 * `MessageEncoded`, as Effect calls the JSON of the class `Message`, is `Message` to a client. A number distinguishes equal
 * schemas that were made from different ones.
 */
const nameOf = (reference: string) => reference.replace(/(Encoded)?(_\d+)?$/, "")

/** The pattern of a number in a query, of which the contract has only integers. */
const numberPattern = String.raw`^[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[Ee][+-]?\d+)?$`

const asInteger = ({ pattern, ...schema }: Node): Node =>
  pattern === numberPattern ? { ...schema, type: "integer" } : pattern === undefined ? schema : { ...schema, pattern }

/** A body of lines of JSON is a text, of which OpenAPI 3.2 describes each item. Effect writes the schema of an item instead. */
const asLines = (node: Node): Node => {
  const { schema, "x-effect-stream": stream, ...media } = node
  return stream === undefined ? node : { ...media, schema: { type: "string" }, itemSchema: schema }
}

/** A parameter or a header has its description next to its name. */
const liftFromSchema = (node: Node): Node => {
  if (!isNode(node["schema"]) || node["schema"]["description"] === undefined) return node
  const { description, ...schema } = node["schema"]
  return { ...node, schema, description }
}

const describeProblem = (schema: Node): Node => {
  const { properties } = schema
  if (!isNode(properties) || !("type" in properties && "title" in properties && "status" in properties)) return schema
  const members = Object.entries(properties).map(([name, member]) => {
    const description = problemMembers[name]
    return [name, description === undefined || !isNode(member) ? member : { ...member, description }] as const
  })
  return { ...schema, properties: Object.fromEntries(members) }
}

/** Gives each body and each parameter of the path an example. */
const exemplify = (document: Node, examples: Examples): Node => {
  const visit = (value: unknown, owner: string): unknown => {
    if (Array.isArray(value)) return value.map((part) => visit(part, owner))
    if (!isNode(value)) return value
    if (isNode(value["content"])) {
      const content = Object.entries(value["content"]).map(([type, media]) => {
        const hasExample = isNode(media) && isNode(media["schema"]) && /[/+]json$/.test(type)
        return [type, hasExample ? { ...media, example: examples.of(media["schema"], "", owner) } : media] as const
      })
      return { ...value, content: Object.fromEntries(content) }
    }
    if (value["in"] === "path") {
      const name = String(value["name"])
      const collection = owner.split("/").at(owner.split("/").indexOf(`{${name}}`) - 1) ?? ""
      return { ...value, example: examples.of(value["schema"], name, collection) }
    }
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, visit(part, owner)]))
  }
  const paths = isNode(document["paths"]) ? document["paths"] : {}
  return {
    ...document,
    paths: Object.fromEntries(Object.entries(paths).map(([path, item]) => [path, visit(item, path)]))
  }
}

/**
 * Arranges the document that Effect derives from `Api` for its readers: each schema once, under its own name, and each
 * description next to what it describes.
 */
export const arrange = (document: Node): Node => {
  const schemas = new Map<string, Node>()

  const add = (name: string, schema: Node) => {
    const known = schemas.get(name)
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(schema)) {
      throw new Error(`Two schemas of the contract have the name ${name}.`)
    }
    schemas.set(name, schema)
  }

  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit)
    if (!isNode(value)) return value
    const node = asLines(Object.fromEntries(Object.entries(value).map(([key, member]) => [key, visit(member)])))
    const { $ref, title } = node
    if (typeof $ref === "string") return liftFromSchema(liftDescription({ ...node, $ref: nameOf($ref) }))
    // The JSON of a model, which Effect writes out wherever it is used.
    const name = typeof title === "string" ? /^(\w+)\.json$/.exec(title)?.[1] : undefined
    if (name === undefined) return liftFromSchema(asInteger(liftDescription(node)))
    const { allOf, title: _, ...schema } = node
    add(name, schema)
    return liftDescription({ $ref: `#/components/schemas/${name}`, allOf: nodesOf(allOf) })
  }

  const { components, ...rest } = document
  const arranged = visit(rest)
  const { schemas: given, ...others } = isNode(components) ? components : {}
  for (const [name, schema] of Object.entries(isNode(given) ? given : {})) {
    const seen = visit(schema)
    if (isNode(seen)) add(nameOf(name), describeProblem(seen))
  }
  const sorted = Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1)))
  return {
    ...(isNode(arranged) ? exemplify(arranged, new Examples(sorted)) : {}),
    // The first version that describes the items of a stream.
    openapi: "3.2.0",
    servers: [{ url: "/", description: "The server that this document comes from." }],
    components: { ...others, schemas: sorted }
  }
}
