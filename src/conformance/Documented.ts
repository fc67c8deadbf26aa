import { OpenApi } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { assert } from "./Assert.ts"

type Node = Readonly<Record<string, unknown>>

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && !Array.isArray(value)

/** The document that `/openapi.json` shows. */
export const document: Node = { ...OpenApi.fromApi(Api) }

const memberOf = (node: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>((at, name) => (isNode(at) ? at[name] : undefined), node)

/** The node that `#/components/schemas/Name` refers to. */
const resolve = (reference: unknown): unknown => memberOf(document, ...String(reference).split("/").slice(1))

const types: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: isNode,
  array: Array.isArray,
  string: (value) => typeof value === "string",
  integer: Number.isInteger,
  number: Number.isFinite,
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null
}

const formats: Readonly<Record<string, RegExp>> = {
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/
}

type Faults = ReadonlyArray<string>

/** Finds faults of a value; `schema` is the whole that the keyword belongs to. */
type Keyword = (given: unknown, value: unknown, at: string, schema: Node) => Faults

const unless = (holds: boolean, fault: string): Faults => (holds ? [] : [fault])

const list = (given: unknown): ReadonlyArray<unknown> => (Array.isArray(given) ? given : [])

const annotation: Keyword = () => []

/** Compares a size with a limit; a value without such a size has no fault. */
const limit =
  (
    name: string,
    sizeOf: (value: unknown) => number | undefined,
    holds: (size: number, limit: number) => boolean
  ): Keyword =>
  (given, value, at) => {
    const size = sizeOf(value)
    return unless(size === undefined || holds(size, Number(given)), `${at}: ${name} is ${String(given)}`)
  }

const atMost = (size: number, limit: number) => size <= limit
const atLeast = (size: number, limit: number) => size >= limit
const characters = (value: unknown) => (typeof value === "string" ? [...value].length : undefined)

/** The keywords of JSON Schema that the document has. */
const keywords: Readonly<Record<string, Keyword>> = {
  $ref: (given, value, at) => faultsOf(resolve(given), value, at),
  type: (given, value, at) =>
    unless(
      (Array.isArray(given) ? given : [given]).some((type) => types[String(type)]?.(value)),
      `${at} is not of the type ${String(given)}`
    ),
  const: (given, value, at) => unless(value === given, `${at} is not ${JSON.stringify(given)}`),
  enum: (given, value, at) => unless(list(given).includes(value), `${at} is none of ${JSON.stringify(given)}`),
  anyOf: (given, value, at) => {
    const faults = list(given).map((schema) => faultsOf(schema, value, at))
    return unless(
      faults.some(({ length }) => length === 0),
      `${at} matches no alternative: ${faults.flat().join("; ")}`
    )
  },
  oneOf: (given, value, at) => {
    const matching = list(given).filter((schema) => faultsOf(schema, value, at).length === 0)
    return unless(matching.length === 1, `${at} matches ${matching.length} alternatives instead of one`)
  },
  allOf: (given, value, at) => list(given).flatMap((schema) => faultsOf(schema, value, at)),
  properties: (given, value, at) =>
    isNode(value) && isNode(given)
      ? Object.entries(given).flatMap(([name, schema]) =>
          name in value ? faultsOf(schema, value[name], `${at}.${name}`) : []
        )
      : [],
  required: (given, value, at) =>
    isNode(value) ? list(given).flatMap((name) => unless(String(name) in value, `${at} lacks ${String(name)}`)) : [],
  additionalProperties: (given, value, at, schema) => {
    const known = isNode(schema["properties"]) ? schema["properties"] : {}
    return isNode(value)
      ? Object.keys(value).flatMap((name) =>
          name in known
            ? []
            : given === false
              ? [`${at} has ${name}, which the document does not know`]
              : faultsOf(given, value[name], `${at}.${name}`)
        )
      : []
  },
  propertyNames: (given, value, at) =>
    isNode(value) ? Object.keys(value).flatMap((name) => faultsOf(given, name, `the name ${at}.${name}`)) : [],
  items: (given, value, at) =>
    Array.isArray(value) ? value.flatMap((item, index) => faultsOf(given, item, `${at}[${index}]`)) : [],
  pattern: (given, value, at) =>
    unless(
      typeof value !== "string" || new RegExp(String(given), "u").test(value),
      `${at} does not match ${String(given)}`
    ),
  format: (given, value, at) =>
    unless(typeof value !== "string" || (formats[String(given)]?.test(value) ?? false), `${at} is no ${String(given)}`),
  maxLength: limit("maxLength", characters, atMost),
  minLength: limit("minLength", characters, atLeast),
  "x-maxBytes": limit(
    "x-maxBytes",
    (value) => (typeof value === "string" ? Buffer.byteLength(value) : undefined),
    atMost
  ),
  minimum: limit("minimum", (value) => (typeof value === "number" ? value : undefined), atLeast),
  maximum: limit("maximum", (value) => (typeof value === "number" ? value : undefined), atMost),
  maxItems: limit("maxItems", (value) => (Array.isArray(value) ? value.length : undefined), atMost),
  maxProperties: limit("maxProperties", (value) => (isNode(value) ? Object.keys(value).length : undefined), atMost),
  contentSchema: (given, value, at) =>
    typeof value === "string" ? faultsOf(given, JSON.parse(value), `the content of ${at}`) : [],
  contentMediaType: annotation,
  description: annotation,
  title: annotation,
  examples: annotation,
  default: annotation
}

/** Where a value differs from a schema of the document. A keyword that is not known here is a fault of ours. */
export const faultsOf = (schema: unknown, value: unknown, at = "the body"): Faults => {
  if (!isNode(schema)) return unless(schema !== false, `${at} must not be there`)
  return Object.entries(schema).flatMap(([name, given]) => {
    const keyword = keywords[name]
    if (keyword === undefined) throw new Error(`The OpenAPI document has the keyword ${name}, which has no check.`)
    return keyword(given, value, at, schema)
  })
}

const assertValid = (schema: unknown, value: unknown, at: string): void => {
  const faults = faultsOf(schema, value)
  assert(faults.length === 0, `${at} differs from the OpenAPI document: ${faults.join("; ")}`)
}

/** Fails unless a value matches the schema at this path of the document. */
export const assertMatches = (value: unknown, ...path: ReadonlyArray<string>): void => {
  assertValid(memberOf(document, ...path), value, path.join(" "))
}

const routes = Object.keys(Object(document["paths"]))
  .map((template) => ({
    template,
    parameters: template.split("{").length - 1,
    pattern: new RegExp(`^${template.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`)
  }))
  // `/users/me` rather than `/users/{id}`.
  .sort((a, b) => a.parameters - b.parameters)

/** Fails unless the document has an answer with this status, media type and body for the operation. */
export const assertDocumented = (
  method: string,
  path: string,
  { body, status, type }: { readonly status: number; readonly type: string | null; readonly body: unknown }
): void => {
  const { template } = routes.find(({ pattern }) => pattern.test(path.split("?")[0] ?? "")) ?? {}
  const operation = template === undefined ? undefined : memberOf(document, "paths", template, method.toLowerCase())
  // Paths and methods that do not exist have no operation.
  if (template === undefined || operation === undefined) return
  const answer = memberOf(operation, "responses", String(status))
  assert(answer !== undefined, `${method} ${template} answers ${status}, which the document does not know`)
  const content = memberOf(answer, "content")
  if (type === null) return assert(content === undefined, `${method} ${template} ${status} has no body`)
  // The document names a type with its parameters where they matter.
  const media = memberOf(content, type) ?? memberOf(content, type.split(";")[0] ?? "")
  assert(media !== undefined, `${method} ${template} ${status} answers with ${type}, which the document does not know`)
  const at = `The answer ${status} to ${method} ${template}`
  const [schema, lineSchema] = [memberOf(media, "schema"), memberOf(media, "itemSchema")]
  if (schema !== undefined) assertValid(schema, body, at)
  if (lineSchema === undefined || type !== "application/x-ndjson" || typeof body !== "string") return
  for (const line of body.split("\n")) {
    // Each line ends with a line feed, also the last one.
    if (line !== "") assertValid(lineSchema, JSON.parse(line), `A line of ${at.toLowerCase()}`)
  }
}
