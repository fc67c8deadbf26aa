/** A node of the OpenAPI document. */
type Node = Readonly<Record<string, unknown>>

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && !Array.isArray(value)
const nodeOf = (value: unknown): Node => (isNode(value) ? value : {})
const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])
const entriesOf = (value: unknown) => Object.entries(nodeOf(value)).map(([name, node]) => [name, nodeOf(node)] as const)

const keyOf = (name: string) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name))

const commentOf = (text: unknown, indent: string) =>
  typeof text === "string" && text !== "" ? `${indent}/** ${text.replaceAll("*/", "*\\/")} */\n` : ""

const union = (types: ReadonlyArray<string>) => [...new Set(types)].join(" | ") || "never"

const memberOf = (name: string, type: string, isRequired: boolean, description: unknown, indent: string) =>
  `${commentOf(description, indent)}${indent}readonly ${keyOf(name)}${isRequired ? "" : "?"}: ${type}\n`

/** The type of a schema's JSON, in TypeScript. */
const typeOf = (schema: Node, indent: string): string => {
  const { $ref, additionalProperties, allOf, anyOf, items, oneOf, properties, required, type } = schema
  if (typeof $ref === "string") return $ref.replace(/.*\//, "")
  if ("const" in schema) return JSON.stringify(schema["const"])
  if (Array.isArray(schema["enum"])) return union(schema["enum"].map((value) => JSON.stringify(value)))
  const alternatives = listOf(anyOf ?? oneOf).map((part) => typeOf(nodeOf(part), indent))
  if (alternatives.length > 0) return union(alternatives)
  if (Array.isArray(type)) return union(type.map((one) => typeOf({ ...schema, type: one }, indent)))
  if (type === "integer") return "number"
  if (type === "string" || type === "number" || type === "boolean" || type === "null") return type
  if (type === "array") return `ReadonlyArray<${typeOf(nodeOf(items), indent)}>`
  if (isNode(properties)) {
    const members = entriesOf(properties).map(([name, member]) =>
      memberOf(
        name,
        typeOf(member, `${indent}  `),
        listOf(required).includes(name),
        member["description"],
        `${indent}  `
      )
    )
    return `{\n${members.join("")}${indent}}`
  }
  if (isNode(additionalProperties)) return `Readonly<Record<string, ${typeOf(additionalProperties, indent)}>>`
  if (type === "object") return "Readonly<Record<string, unknown>>"
  const parts = listOf(allOf)
    .map((part) => typeOf(nodeOf(part), indent))
    .filter((part) => part !== "unknown")
  return parts.length > 0 ? parts.join(" & ") : "unknown"
}

/** The schema of an answer or a body: that of its JSON, if it has one; or of the list of its lines. */
const schemaOf = (node: unknown): Node | undefined => {
  const contents = entriesOf(nodeOf(node)["content"])
  const [, content] = contents.find(([type]) => /[/+]json$/.test(type)) ?? contents[0] ?? []
  if (content === undefined) return undefined
  return isNode(content["itemSchema"]) ? { type: "array", items: content["itemSchema"] } : nodeOf(content["schema"])
}

const linesType = "application/x-ndjson"

const methods = new Set(["get", "put", "post", "patch", "delete"])

interface Operation {
  readonly group: string
  readonly name: string
  readonly method: string
  readonly path: string
  readonly node: Node
  readonly parameters: ReadonlyArray<Node>
  readonly problems: ReadonlyArray<string>
}

const operationsOf = (document: Node): ReadonlyArray<Operation> =>
  entriesOf(document["paths"]).flatMap(([path, item]) =>
    entriesOf(item).flatMap(([method, node]) => {
      if (!methods.has(method)) return []
      const [group = "", name = ""] = String(node["operationId"]).split(".")
      const problems = entriesOf(node["responses"]).flatMap(([status, response]) =>
        Number(status) < 400 ? [] : typeOf(schemaOf(response) ?? {}, "").split(" | ")
      )
      const isStream = "209" in nodeOf(node["responses"])
      const parameters = listOf(node["parameters"])
        .map(nodeOf)
        .filter(({ in: place, name }) => !(isStream && (place === "header" || name === "wait")))
      return [{ group, name, method: method.toUpperCase(), path, node, parameters, problems: problems.sort() }]
    })
  )

const inputOf = ({ node, parameters }: Operation): string => {
  const body = schemaOf(node["requestBody"])
  const members = parameters.map(({ description, name, required, schema }) =>
    memberOf(
      String(name),
      required === true ? typeOf(nodeOf(schema), "      ") : `${typeOf(nodeOf(schema), "      ")} | undefined`,
      required === true,
      description,
      "      "
    )
  )
  if (body !== undefined) members.push(memberOf("body", typeOf(body, "      "), true, undefined, "      "))
  return members.length === 0 ? "{}" : `{\n${members.join("")}    }`
}

/** The schema of a resource, of which the last alternative is the answer to a long poll. */
const pageOf = (schema: Node | undefined) => nodeOf(listOf(schema?.["anyOf"])[0])

const answerOf = ({ node }: Operation): string =>
  union(
    entriesOf(node["responses"]).flatMap(([status, response]) => {
      if (Number(status) >= 300 || status === "209") return []
      // A call reads a resource that can be followed; streams and long polls are for `Follow`.
      const schema = "209" in nodeOf(node["responses"]) ? pageOf(schemaOf(response)) : schemaOf(response)
      return [schema === undefined ? "void" : typeOf(schema, "    ")]
    })
  )

/** The part of an operation that a request needs, without its types. */
const routeOf = ({ method, node, parameters, path }: Operation): string => {
  const headers = parameters.filter(({ in: place }) => place === "header").map(({ name }) => name)
  const parts = [`method: "${method}"`, `path: "${path}"`]
  if (headers.length > 0) parts.push(`headers: ${JSON.stringify(headers)}`)
  if (listOf(node["security"]).length === 0) parts.push("isPublic: true")
  if (linesType in nodeOf(nodeOf(node["requestBody"])["content"])) parts.push("hasLines: true")
  return `{ ${parts.join(", ")} }`
}

const sectionsOf = (operations: ReadonlyArray<Operation>, lineOf: (operation: Operation) => string) =>
  [...new Set(operations.map(({ group }) => group))].map((group) => {
    const lines = operations.filter((operation) => operation.group === group).map(lineOf)
    return [group, lines.join("")] as const
  })

/** The module `src/client/operations.ts`: the wire's types and the routes of a server, from its OpenAPI document. */
export const generate = (document: Node): string => {
  const operations = operationsOf(document)
  const common = (operations[0]?.problems ?? []).filter((problem) =>
    operations.every(({ problems }) => problems.includes(problem))
  )
  const schemas = entriesOf(nodeOf(document["components"])["schemas"]).map(([name, schema]) => {
    const type = typeOf(schema, "")
    const head = commentOf(schema["description"], "")
    return type.startsWith("{") && "properties" in schema
      ? `${head}export interface ${name} ${type}\n`
      : `${head}export type ${name} = ${type}\n`
  })
  const types = sectionsOf(operations, (operation) => {
    const { name, node, problems } = operation
    const own = problems.filter((problem) => !common.includes(problem))
    const text = `${String(node["summary"])}. ${String(node["description"])}`
    return `${commentOf(text, "    ")}    readonly ${name}: Operation<${inputOf(operation)}, ${answerOf(operation)}, ${union(["CommonProblem", ...own])}>\n`
  })
  const routes = sectionsOf(operations, (operation) => `    ${operation.name}: ${routeOf(operation)},\n`)
  return [
    "// Generated from the server's OpenAPI document. After a change of the contract:\n//   npx vitest run test/client/operations.test.ts -u\n",
    ...schemas,
    `/** The problems that any request may be answered with. */\nexport type CommonProblem = ${union(common)}\n`,
    `/** The input and the answer of a call, and the problems that it may be refused with. */
export interface Operation<Input, Answer, Problem> {
  readonly input: Input
  readonly answer: Answer
  readonly problem: Problem
}\n`,
    `export interface Operations {\n${types.map(([group, text]) => `  readonly ${group}: {\n${text}  }\n`).join("")}}\n`,
    `export interface Route {
  readonly method: string
  /** With its parameters in braces. */
  readonly path: string
  /** The parameters that are headers. Those that are not in the path either belong to the query. */
  readonly headers?: ReadonlyArray<string>
  /** The request needs no session. */
  readonly isPublic?: boolean
  /** The body is a list, each item a line of JSON. */
  readonly hasLines?: boolean
}\n`,
    `export const routes: { readonly [Group in keyof Operations]: { readonly [Name in keyof Operations[Group]]: Route } } = {\n${routes.map(([group, text]) => `  ${group}: {\n${text}  },\n`).join("")}}\n`
  ].join("\n")
}
