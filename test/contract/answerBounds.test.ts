import { assert, describe, it } from "@effect/vitest"
import { Predicate, Schema } from "effect"
import { HttpApi, HttpApiSchema, type HttpApiEndpoint } from "effect/http-api"
import { Api } from "../../src/contract/Api.ts"
import { ConversationSummary, maxParticipants, previewLength } from "../../src/contract/Conversation.ts"
import { maxInboxBytes } from "../../src/contract/InboxPage.ts"
import { maxPresences, maxTypingConversations, PresencePage } from "../../src/contract/PresencePage.ts"
import { maxMentions } from "../../src/messages/Mentions.ts"
import { maxContentBytes } from "../../src/contract/Message.ts"
import { pageBytes } from "../../src/contract/Paging.ts"
import { payloadBounds } from "../../src/http/PayloadBounds.ts"

/** No answer is larger, except for those that {@link whole} names. */
const mostAnswerBytes = 11 * 1_048_576

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
  messages: largestPage,
  versions: largestPage,
  participants: maxParticipants,
  mentions: maxMentions
}

/** In these, people's content is within `pageBytes` plus one item. */
const budgeted = new Set(["messages.page", "messages.history", "search.search"])

/** In these, a list is within so many bytes of JSON plus one item. */
const cut: Readonly<Record<string, number>> = {
  "conversations.list/conversations": pageBytes,
  "friends.list/friends": pageBytes,
  "friends.requests/requests": pageBytes,
  "friends.blocks/blocks": pageBytes,
  "inbox.inbox/conversations": maxInboxBytes,
  "inbox.inbox/friends": pageBytes,
  // Of each direction.
  "inbox.inbox/requests": 2 * pageBytes,
  "inbox.inbox/blocks": pageBytes
}

/** The values of each record by id in answers, which its JSON schema lacks, and how many there are unless it is cut. */
const records: Readonly<Record<string, { readonly value: Schema.Top; readonly most?: number }>> = {
  conversations: { value: ConversationSummary.json },
  people: { value: PresencePage.fields.people.value, most: maxPresences },
  typing: { value: PresencePage.fields.typing.value, most: maxTypingConversations }
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
  private readonly isBudgeted: boolean

  constructor(definitions: Readonly<Record<string, unknown>>, endpoint: string) {
    this.definitions = definitions
    this.endpoint = endpoint
    this.isBudgeted = budgeted.has(endpoint)
  }

  size(schema: unknown, member: string): number {
    if (!isDefinition(schema)) return this.unbounded(member)
    // The contents of a page are counted together, whatever their kind.
    if (member === "content" && this.isBudgeted) return 0
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
      if (
        properties === undefined ||
        isDefinition(schema["additionalProperties"]) ||
        isDefinition(schema["patternProperties"])
      ) {
        const names = isDefinition(schema["propertyNames"]) ? schema["propertyNames"]["enum"] : undefined
        if (!Array.isArray(names)) {
          const record = records[member]
          if (record === undefined) return this.unbounded(`${member}: record`)
          this.used.add(member)
          const { definitions, schema: value } = Schema.toJsonSchemaDocument(record.value)
          const answer = new Answer(definitions, this.endpoint)
          const size = 41 + answer.size(value, `${member} by id`)
          this.open.push(...answer.open)
          const budget = this.budgetOf(member)
          if (budget !== undefined) return budget + size
          return record.most === undefined ? this.unbounded(`${member}: record`) : 2 + record.most * size
        }
      }
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

const bodyOf = (schema: Schema.Top): Schema.Top => (HttpApiSchema.isWithHeaders(schema) ? schema.schema : schema)

const answersOf = (name: string, endpoint: HttpApiEndpoint.Top) =>
  [...endpoint.success].map((success) => {
    const { definitions, schema } = Schema.toJsonSchemaDocument(bodyOf(success))
    const answer = new Answer(definitions, name)
    const bytes = answer.size(schema, name) + (budgeted.has(name) ? 6 * (pageBytes + maxContentBytes) : 0)
    return { bytes, open: answer.open, used: answer.used }
  })

describe("The contract", () => {
  const used = new Set<string>()

  for (const [name, endpoint] of endpoints.filter(([, { payload }]) => payload.size > 0)) {
    it(`bounds each text and list in a body of ${name}`, () => {
      assert.isBelow(payloadBounds(endpoint).maxBytes, 1_048_576)
    })
  }

  for (const [name, endpoint] of endpoints.filter(([name]) => !whole.has(name))) {
    it(`bounds each text and list in an answer of ${name}`, () => {
      for (const answer of answersOf(name, endpoint)) {
        for (const member of answer.used) used.add(member)
        assert.deepStrictEqual(answer.open, [])
        assert.isAtMost(answer.bytes, mostAnswerBytes)
      }
    })
  }

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
