import { assert } from "@effect/vitest"
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js"
import { OpenApi } from "effect/http-api"
import { Api } from "../src/contract/Api.ts"

type Node = Readonly<Record<string, unknown>>

/** The document that `/openapi.json` shows. */
export const document: Node = { ...OpenApi.fromApi(Api) }

const ajv = new Ajv2020({
  // The document has keywords of OpenAPI, too.
  strict: false,
  allErrors: true,
  formats: {
    uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
    "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/
  }
})
ajv.addSchema(document, "openapi.json")

const memberOf = (node: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>((at, name) => (typeof at === "object" && at !== null ? Reflect.get(at, name) : undefined), node)

const validators = new Map<string, ValidateFunction>()

/** Fails unless a value matches a schema that is a part of the document. */
export const assertValid = (schema: unknown, value: unknown, at: string): void => {
  const text = JSON.stringify(schema).replaceAll('"#/', '"openapi.json#/')
  const validate = validators.get(text) ?? ajv.compile(JSON.parse(text))
  validators.set(text, validate)
  assert.isTrue(validate(value), `${at}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`)
}

/** Fails unless a value matches the schema at this path of the document. */
export const assertMatches = (value: unknown, ...path: ReadonlyArray<string>): void => {
  const pointer = path.map((name) => encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/")
  assertValid({ $ref: `#/${pointer}` }, value, path.join(" "))
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
  const at = ["paths", template, method.toLowerCase(), "responses", String(status)]
  const answer = memberOf(document, ...at)
  assert.isDefined(answer, `${method} ${template} answers ${status}, which the document does not know`)
  const content = memberOf(answer, "content")
  if (type === null) return assert.isUndefined(content, `${method} ${template} ${status} has no body`)
  // The document names a type with its parameters where they matter.
  const mediaType = memberOf(content, type) === undefined ? (type.split(";")[0] ?? "") : type
  const media = memberOf(content, mediaType)
  assert.isDefined(media, `${method} ${template} ${status} answers with ${type}, which the document does not know`)
  if (memberOf(media, "schema") !== undefined) assertMatches(body, ...at, "content", mediaType, "schema")
  if (memberOf(media, "itemSchema") === undefined || typeof body !== "string" || !body.endsWith("\n")) return
  for (const line of body.slice(0, -1).split("\n")) {
    assertMatches(JSON.parse(line), ...at, "content", mediaType, "itemSchema")
  }
}
