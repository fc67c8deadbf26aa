import { Predicate, Schema } from "effect"
import type { JsonSchema } from "effect"
import type { HttpApiEndpoint, HttpApiSchema } from "effect/http-api"
import { maxErrors, type InvalidMember } from "../contract/Problem.ts"

type Definition = JsonSchema.JsonSchema

/** The bounds of an endpoint's body, by its schema. */
export interface PayloadBounds {
  readonly mediaType: "application/json" | "application/x-ndjson"
  /** The length of the longest JSON that the schema allows, however it is escaped, with some white space; or of all lines. */
  readonly maxBytes: number
  /** Whether an empty object is valid: then no body has to be sent. */
  readonly isOptional: boolean
  /**
   * Finds members of a value, or of a line, that are larger than the schema allows, and unknown ones if there are very many. It does not look inside
   * them, whereas a decoder would judge each item of an array that is too long.
   */
  readonly excessOf: (value: unknown) => ReadonlyArray<InvalidMember>
}

/** A code point beyond the Basic Multilingual Plane takes two escapes of six bytes; a byte of UTF-8 takes at most one. */
const bytesOfCodePoint = 12
const bytesOfByte = 6

const bytesOfNumber = 24

/** Allows for indentation, which weighs more in a short body. */
const withWhiteSpace = (bytes: number) => Math.ceil(bytes * 1.125) + 4_096

const isRecord = (value: unknown): value is Record<string, unknown> => Predicate.isObject(value)

class PayloadSchema {
  private readonly definitions: Record<string, Definition>

  constructor(definitions: Record<string, Definition>) {
    this.definitions = definitions
  }

  /** The schemas of which a value must match one, with references resolved. */
  private alternatives(schema: Definition): ReadonlyArray<Definition> {
    if (typeof schema["$ref"] === "string") {
      const name = schema["$ref"].slice(schema["$ref"].lastIndexOf("/") + 1)
      return this.alternatives(this.definitions[name] ?? {})
    }
    return Array.isArray(schema["anyOf"]) ? schema["anyOf"].flatMap((part) => this.alternatives(part)) : [schema]
  }

  private ofType(schema: Definition, type: string) {
    return this.alternatives(schema).filter((alternative) => alternative["type"] === type)
  }

  /** The smallest value of a keyword in a schema and in all its parts. */
  private static least(schema: Definition, keyword: string): number | undefined {
    const parts: ReadonlyArray<Definition> = Array.isArray(schema["allOf"]) ? schema["allOf"] : []
    const values = [schema, ...parts].map((part) => part[keyword]).filter(Predicate.isNumber)
    return values.length === 0 ? undefined : Math.min(...values)
  }

  private static properties(schema: Definition): Record<string, Definition> {
    return (isRecord(schema["properties"]) ? schema["properties"] : {}) as Record<string, Definition>
  }

  private static items(schema: Definition): Definition {
    return isRecord(schema["items"]) ? schema["items"] : {}
  }

  isOptional(schema: Definition): boolean {
    return this.ofType(schema, "object").some(
      ({ required }) => required === undefined || (Array.isArray(required) && required.length === 0)
    )
  }

  /** Throws if a schema sets no bound: such a payload must not be part of the contract. */
  maxBytes(schema: Definition): number {
    return Math.max(...this.alternatives(schema).map((alternative) => this.maxBytesOf(alternative)))
  }

  private maxBytesOf(schema: Definition): number {
    const { enum: values, type } = schema
    if (Array.isArray(values)) {
      return Math.max(...values.map((value) => bytesOfByte * Buffer.byteLength(JSON.stringify(value))))
    }
    const maxLength = PayloadSchema.least(schema, "maxLength")
    const maxTextBytes = PayloadSchema.least(schema, "x-maxBytes")
    const maxItems = PayloadSchema.least(schema, "maxItems")
    if (type === "null" || type === "boolean") return 5
    if (type === "integer" || type === "number") return bytesOfNumber
    if (type === "string" && maxTextBytes !== undefined) return bytesOfByte * maxTextBytes + 2
    if (type === "string" && maxLength !== undefined) return bytesOfCodePoint * maxLength + 2
    if (type === "array" && maxItems !== undefined) {
      return maxItems * (this.maxBytes(PayloadSchema.items(schema)) + 1) + 2
    }
    if (type === "object") {
      const members = Object.entries(PayloadSchema.properties(schema))
      return members.reduce((sum, [name, member]) => sum + bytesOfByte * name.length + 4 + this.maxBytes(member), 2)
    }
    throw new Error(`A payload has a member without a bound: ${JSON.stringify(schema)}`)
  }

  excessOf(schema: Definition, value: unknown, path: ReadonlyArray<string>): ReadonlyArray<InvalidMember> {
    if (typeof value === "string") return this.excessOfText(schema, value, path)
    if (Array.isArray(value)) return this.excessOfArray(schema, value, path)
    return isRecord(value) ? this.excessOfObject(schema, value, path) : []
  }

  private excessOfText(schema: Definition, { length }: string, path: ReadonlyArray<string>) {
    const bounds = this.ofType(schema, "string").map((text) => PayloadSchema.least(text, "maxLength") ?? Infinity)
    const most = Math.max(...bounds)
    // A code point has at most two UTF-16 units. The decoder judges texts that are nearer to the bound.
    return bounds.length > 0 && length > 2 * most ? [{ path, message: `must have at most ${most} characters` }] : []
  }

  private excessOfArray(schema: Definition, items: ReadonlyArray<unknown>, path: ReadonlyArray<string>) {
    const arrays = this.ofType(schema, "array")
    const most = Math.max(...arrays.map((array) => PayloadSchema.least(array, "maxItems") ?? Infinity))
    if (arrays.length === 0) return []
    if (items.length > most) return [{ path, message: `must have at most ${most} items` }]
    const item = { anyOf: arrays.map(PayloadSchema.items) }
    return items.flatMap((value, index) => this.excessOf(item, value, [...path, String(index)]))
  }

  private excessOfObject(schema: Definition, value: Record<string, unknown>, path: ReadonlyArray<string>) {
    const objects = this.ofType(schema, "object").map(PayloadSchema.properties)
    if (objects.length === 0) return []
    const known = new Map<string, Array<Definition>>()
    for (const properties of objects) {
      for (const [name, member] of Object.entries(properties)) known.set(name, [...(known.get(name) ?? []), member])
    }
    const names = Object.keys(value)
    const unknown = names.filter((name) => !known.has(name))
    return [
      ...(unknown.length > maxErrors
        ? unknown.map((name) => ({ path: [...path, name], message: "is not a known member" }))
        : []),
      ...names.flatMap((name) => {
        const anyOf = known.get(name)
        return anyOf === undefined ? [] : this.excessOf({ anyOf }, value[name], [...path, name])
      })
    ]
  }
}

/** Whether a body is lines of JSON. */
export const isLines = (schema: Schema.Constraint): schema is HttpApiSchema.StreamNdjson<Schema.Top> =>
  Predicate.hasProperty(schema, "_tag") && schema._tag === "StreamNdjson"

const derive = (endpoint: HttpApiEndpoint.Top): PayloadBounds => {
  const schemas = [...endpoint.payload.values()].flatMap(({ schemas }) => schemas)
  const lines = schemas.find(isLines)
  const { definitions, schema } = Schema.toJsonSchemaDocument(lines?.schema ?? Schema.Union(schemas))
  const payload = new PayloadSchema(definitions)
  return {
    mediaType: lines === undefined ? "application/json" : "application/x-ndjson",
    maxBytes: lines?.maxBytes === undefined ? withWhiteSpace(payload.maxBytes(schema)) : Number(lines.maxBytes),
    isOptional: lines === undefined && payload.isOptional(schema),
    excessOf: (value) => payload.excessOf(schema, value, ["payload"])
  }
}

const derived = new WeakMap<HttpApiEndpoint.Top, PayloadBounds>()

/** The bounds of an endpoint that takes a body. */
export const payloadBounds = (endpoint: HttpApiEndpoint.Top): PayloadBounds => {
  let bounds = derived.get(endpoint)
  if (bounds === undefined) derived.set(endpoint, (bounds = derive(endpoint)))
  return bounds
}
