import { assert, describe, it } from "@effect/vitest"
import { Predicate } from "effect"
import { HttpApi, type HttpApiEndpoint } from "effect/http-api"
import { Api } from "../../src/contract/Api.ts"
import { previewLength } from "../../src/contract/Conversation.ts"
import { maxInboxBytes } from "../../src/contract/InboxPage.ts"
import { maxPresences, maxTypingConversations } from "../../src/contract/PresencePage.ts"
import { maxMentions } from "../../src/messages/Mentions.ts"
import { maxContentBytes } from "../../src/contract/Message.ts"
import { pageBytes } from "../../src/contract/Paging.ts"
import { document } from "../../src/conformance/Documented.ts"
import { payloadBounds } from "../../src/http/PayloadBounds.ts"
import { maxAnswerLength } from "../../src/messages/MessageLines.ts"

/** No answer is larger, except for those that {@link whole} names. */
const mostAnswerBytes = 4 * 1_048_576

const largestPage = 200

/**
 * The most characters of each text that the schemas of answers leave open, or bytes of a content, as its writer ensures. Each is at
 * most six bytes of JSON, since a character of four bytes is never escaped.
 */
const texts: Readonly<Record<string, number>> = {
  username: 44,
  email: 254,
  displayName: 64,
  // JSON escapes at most each of its characters by one more.
  avatarUrl: 2_048 / 3,
  deviceName: 64,
  address: 45,
  token: 43,
  name: 255,
  description: 4_096,
  message: 500,
  preview: previewLength,
  content: maxContentBytes,
  messageType: 10,
  cursor: 52,
  before: 52,
  after: 52,
  since: 30,
  start: 30,
  end: 30
}

/** The most items of each list in answers, as its service ensures. */
const lists: Readonly<Record<string, number>> = {
  sessions: 100,
  users: largestPage,
  mentions: maxMentions
}

/** In these, a list is within so many bytes of JSON plus one item. */
const cut: Readonly<Record<string, number>> = {
  "messages.page/messages": pageBytes,
  "messages.history/versions": pageBytes,
  "search.search/messages": pageBytes,
  "conversations.list/conversations": pageBytes,
  ...Object.fromEntries(
    ["get", "create", "update", "direct", "participants"].map((name) => [
      `conversations.${name}/participants`,
      pageBytes
    ])
  ),
  "friends.list/friends": pageBytes,
  "friends.requests/requests": pageBytes,
  "friends.blocks/blocks": pageBytes,
  "inbox.inbox/conversations": maxInboxBytes,
  "inbox.inbox/friends": pageBytes,
  // Of each direction.
  "inbox.inbox/requests": 2 * pageBytes,
  "inbox.inbox/blocks": pageBytes
}

/** The most members of each record by id in answers, unless it is cut. */
const records: Readonly<Record<string, number>> = {
  people: maxPresences,
  typing: maxTypingConversations
}

/** These grow with the server, not with what people do. */
const whole = new Set(["operations.metrics", "operations.readyz"])

interface Definition {
  readonly [keyword: string]: unknown
}
const isDefinition = (value: unknown): value is Definition => Predicate.isObject(value)

/** The size of the largest JSON of a schema, and the texts and lists without a bound. */
class Answer {
  readonly open: Array<string> = []
  readonly used = new Set<string>()
  private readonly definitions: Readonly<Record<string, unknown>>
  private readonly endpoint: string

  constructor(definitions: Readonly<Record<string, unknown>>, endpoint: string) {
    this.definitions = definitions
    this.endpoint = endpoint
  }

  size(schema: unknown, member: string): number {
    if (!isDefinition(schema)) return this.unbounded(member)
    const { $ref, anyOf, enum: values, items, maxItems, maxLength, pattern, properties, type } = schema
    if (typeof $ref === "string") return this.size(this.definitions[$ref.slice($ref.lastIndexOf("/") + 1)], member)
    if (Array.isArray(anyOf)) return Math.max(...anyOf.map((part) => this.size(part, member)))
    if (Array.isArray(values)) return Math.max(...values.map((value) => JSON.stringify(value).length))
    if (type === "null" || type === "boolean") return 5
    if (type === "integer" || type === "number") return 24
    // JSON escapes nothing in an emoji or a short code, and the table takes 64 bytes.
    if (member === "emoji") return 66
    if (type === "string") {
      const parts = [schema, ...(Array.isArray(schema["allOf"]) ? schema["allOf"] : [])].filter(isDefinition)
      if (parts.some(({ format }) => format === "uuid")) return 38
      const most = maxLength ?? parts.map(({ maxLength }) => maxLength).find(Predicate.isNumber)
      if (typeof most === "number") return 6 * 4 * most + 2
      const bytes =
        texts[member] ?? (member.endsWith("Cursor") ? texts["cursor"] : member.endsWith("At") ? 30 : undefined)
      if (bytes !== undefined) this.used.add(member)
      return bytes === undefined ? this.unbounded(`${member}: text ${String(pattern ?? "")}`) : 6 * bytes + 2
    }
    if (type === "array") {
      const budget = this.budgetOf(member)
      if (budget !== undefined) return budget + this.size(items, member.replace(/s$/, ""))
      const most = typeof maxItems === "number" ? maxItems : lists[member]
      if (most !== undefined && typeof maxItems !== "number") this.used.add(member)
      return most === undefined
        ? this.unbounded(`${member}: list`)
        : 2 + most * (1 + this.size(items, member.replace(/s$/, "")))
    }
    if (type === "object") {
      // The content of a system message: the longest has a description.
      if (member === "event") return 6 * 4_096 + 512
      const value = schema["additionalProperties"]
      if (isDefinition(value)) {
        const size = 41 + this.size(value, `${member} by id`)
        const budget = this.budgetOf(member)
        if (budget !== undefined) return budget + size
        const most = records[member]
        if (most === undefined) return this.unbounded(`${member}: record`)
        this.used.add(member)
        return 2 + most * size
      }
      if (properties === undefined) return this.unbounded(`${member}: record`)
      return Object.entries(isDefinition(properties) ? properties : {}).reduce(
        (sum, [name, value]) => sum + name.length + 4 + this.size(value, name),
        2
      )
    }
    return this.unbounded(`${member}: ${JSON.stringify(schema)}`)
  }

  private budgetOf(member: string): number | undefined {
    const key = `${this.endpoint}/${member}`
    if (cut[key] !== undefined) this.used.add(key)
    return cut[key]
  }

  private unbounded(what: string) {
    this.open.push(what)
    return 0
  }
}

const endpoints: Array<readonly [name: string, endpoint: HttpApiEndpoint.Top]> = []
HttpApi.reflect(Api, {
  onGroup: () => {},
  onEndpoint: ({ endpoint, group }) => endpoints.push([`${group.identifier}.${endpoint.identifier}`, endpoint])
})

const at = (node: unknown, name: string): unknown => (isDefinition(node) ? node[name] : undefined)

const definitions = Object(at(document["components"], "schemas"))

/** Every operation of the document, which says of each record what its values are. */
const operations = new Map(
  Object.values(Object(document["paths"])).flatMap((item) =>
    Object.values(Object(item))
      .filter(isDefinition)
      .map((operation) => [operation["operationId"], operation] as const)
  )
)

/** The JSON that an endpoint answers with; a poll is bounded as it is made. */
const answersOf = (name: string) =>
  Object.entries(Object(at(operations.get(name), "responses"))).flatMap(([status, response]) => {
    const schema = at(at(at(response, "content"), "application/json"), "schema")
    if (!status.startsWith("2") || schema === undefined) return []
    const kinds = at(schema, "anyOf")
    return (Array.isArray(kinds) ? kinds : [schema])
      .filter((kind) => !String(at(kind, "$ref")).endsWith("Poll"))
      .map((kind) => {
        const answer = new Answer(definitions, name)
        return { bytes: answer.size(kind, name), open: answer.open, used: answer.used }
      })
  })

describe("The contract", () => {
  const used = new Set<string>()

  for (const [name, endpoint] of endpoints.filter(([, { payload }]) => payload.size > 0)) {
    it(`bounds each text and list in a body of ${name}`, () => {
      assert.isBelow(payloadBounds(endpoint).maxBytes, 1_048_576)
    })
  }

  for (const [name] of endpoints.filter(([name]) => !whole.has(name))) {
    it(`bounds each text and list in an answer of ${name}`, () => {
      assert.isTrue(operations.has(name))
      for (const answer of answersOf(name)) {
        for (const member of answer.used) used.add(member)
        assert.deepStrictEqual(answer.open, [])
        assert.isAtMost(answer.bytes, mostAnswerBytes)
      }
    })
  }

  it("bounds an answer of lines: so many characters of up to three bytes, and one line more", () => {
    const line = new Answer(definitions, "messages.sendAll").size(at(definitions, "Message"), "message")
    assert.isAtMost(3 * maxAnswerLength + line, mostAnswerBytes)
  })

  it("has each text and list that is stated here", () => {
    const byTheirOwn = new Set<string>([])
    assert.deepStrictEqual(
      [texts, lists, records, cut]
        .flatMap((stated) => Object.keys(stated))
        .filter((name) => !used.has(name) && !byTheirOwn.has(name)),
      []
    )
  })
})
