import { Predicate } from "effect"

/** A node of the document. */
export type Node = Readonly<Record<string, unknown>>

export const isNode = (value: unknown): value is Node => Predicate.isObject(value) && !Array.isArray(value)

const ada = "0198c1a4-7c1e-7a10-9b52-3f0d6a1c0a01"
const grace = "0198c1a4-7c1e-7a10-9b52-3f0d6a1c0a02"
const conversation = "0198c1a5-02d3-7e44-8a2f-5b9e1c7d0b01"
const message = "0198c1a6-4f10-7b63-9d07-1e2a3b4c0c01"
const request = "0198c1a6-9b31-7d05-a1c4-2f3e4d5c0d01"
const session = "0198c1a4-8d20-7f18-b2d5-6a7b8c9d0e01"
const earlier = "2026-11-27T09:30:00.000Z"
const later = "2026-11-27T09:31:12.500Z"

/** The values of the examples by the name of their member, or by its owner and its name: Ada writes to Grace. */
const values: Readonly<Record<string, string | number | boolean | null>> = {
  "Account.avatarUrl": "https://example.com/ada.png",
  "Account.displayName": "Ada Lovelace",
  "Account.username": "ada",
  "AccountChange.avatarUrl": "https://example.com/ada.png",
  "AccountChange.displayName": "Ada Lovelace",
  "AccountChange.username": "ada",
  address: "203.0.113.7",
  after: null,
  authentication: 10,
  avatarUrl: null,
  before: null,
  by: ada,
  caption: "The first program",
  changes: "ok",
  content: "See you on Monday!",
  contentBytes: 1_536,
  conversationId: conversation,
  conversationsCreated: 1,
  count: 1,
  createdAt: earlier,
  currentPassword: "correct horse battery staple",
  cursor: null,
  conversationsCursor: null,
  friendsCursor: null,
  requestsCursor: null,
  blocksCursor: null,
  database: "ok",
  deletedAt: null,
  deliveredSeq: 57,
  description: "Programs and those who write them",
  deviceName: "Ada's telephone",
  displayName: "Grace Hopper",
  editedAt: null,
  email: "ada@example.com",
  emoji: "👋",
  expiresAt: "2026-12-27T09:30:00.000Z",
  filename: "notes.pdf",
  "FriendRequest.message": "Hello, it is Ada.",
  friendRequests: 1,
  head: 57,
  height: 768,
  isComplete: true,
  isCurrent: true,
  isDelivered: true,
  isDirectMessage: false,
  isDiscoverable: true,
  isRead: false,
  isTyping: true,
  joinedAt: earlier,
  lastActivityAt: later,
  lastReadSeq: 57,
  lastUsedAt: later,
  limit: 50,
  login: "ada",
  "marks.end": 17,
  "marks.start": 11,
  mentionCount: 0,
  message: "must be an http or https URL",
  messagesSent: 3,
  messageType: "text",
  migrations: "ok",
  mimeType: "application/pdf",
  name: "Analytical Engine",
  newPassword: "another battery staple",
  "NewRequest.message": "Hello, it is Ada.",
  participantCount: 2,
  participantsCursor: null,
  password: "correct horse battery staple",
  path: "payload",
  "period.end": "2026-12-01T00:00:00.000Z",
  "period.start": "2026-11-01T00:00:00.000Z",
  preview: "See you on Monday!",
  reactedAt: later,
  reading: 600,
  readSeq: 57,
  replyTo: null,
  requestId: "0198c1a7-9a00-7c00-8000-6d5c4b3a2f01",
  requests: 600,
  resetsAt: "2026-12-01T00:00:00.000Z",
  retryAfter: 7,
  searching: 60,
  senderId: ada,
  sending: 300,
  seq: 57,
  serving: "ok",
  showsPresence: true,
  "Signup.avatarUrl": "https://example.com/ada.png",
  "Signup.displayName": "Ada Lovelace",
  "Signup.username": "ada",
  since: "2026-11-01T00:00:00.000Z",
  size: 48_213,
  streaming: 60,
  streamMinutes: 75,
  streamsOpened: 4,
  thumbnailUrl: "https://example.com/engine-small.png",
  to: grace,
  token: "mJk2cQ0h8uYb1TtWvXz5aR7sNd3fLg9pEo4iHq6rKxA",
  unreadCount: 2,
  url: "https://example.com/engine.png",
  username: "grace",
  version: 57,
  width: 1_024,
  writing: 120,
  writtenAt: earlier
}

/** Members that most answers do not have. */
const omitted = new Set(["detail", "instance", "omittedErrors"])

const ids: ReadonlyArray<readonly [RegExp, string]> = [
  [/message|replyTo/i, message],
  [/conversation|typing/i, conversation],
  [/request/i, request],
  [/session/i, session],
  [/account|^by$|^senderId$|^userIds$/i, ada],
  [/(?:)/, grace]
]

/** The id of what has it: of the owner of a member called `id`, or of the one that the member names. */
const idOf = (name: string, owner: string): string =>
  ids.find(([pattern]) => pattern.test(name === "id" ? owner : name))?.[1] ?? grace

const valueOf = (name: string, owner: string) => values[`${owner}.${name}`] ?? values[name]

const matches = (value: unknown, type: unknown): boolean =>
  type === "integer" ? Number.isInteger(value) : typeof value === type

/** Makes examples of schemas, of which `schemas` are those that have a name. */
export class Examples {
  private readonly schemas: Readonly<Record<string, unknown>>

  constructor(schemas: Readonly<Record<string, unknown>>) {
    this.schemas = schemas
  }

  /** An example of a schema. `name` is that of the member that has it, and `owner` that of the schema or path around it. */
  of(schema: unknown, name = "", owner = ""): unknown {
    if (!isNode(schema)) return null
    const { $ref, anyOf, const: constant, enum: choices, items, oneOf, properties, propertyNames, type } = schema
    if (typeof $ref === "string") {
      const reference = $ref.slice($ref.lastIndexOf("/") + 1)
      return this.of(this.schemas[reference], "", reference)
    }
    if (constant !== undefined) return constant
    if (Array.isArray(choices)) return choices[0]
    const alternatives = Array.isArray(anyOf) ? anyOf : Array.isArray(oneOf) ? oneOf : undefined
    if (alternatives !== undefined) {
      const hasNull = alternatives.some((one) => isNode(one) && one["type"] === "null")
      return hasNull && valueOf(name, owner) === null ? null : this.of(alternatives[0], name, owner)
    }
    if (type === "null") return null
    if (type === "array") return [this.of(items, name, owner)]
    if (isNode(properties)) {
      return Object.fromEntries(
        Object.entries(properties)
          .filter(([member]) => !omitted.has(member))
          .map(([member, value]) => [member, this.of(value, member, name === "" ? owner : name)])
      )
    }
    if (type === "object") {
      const { additionalProperties } = schema
      return isNode(propertyNames) && isNode(additionalProperties)
        ? { [idOf(name, name)]: this.of(additionalProperties, "", "people") }
        : {}
    }
    if (schema["format"] === "uuid") return idOf(name, owner)
    const value = valueOf(name, owner)
    if (type === "string" && value !== undefined && value !== null) return String(value)
    if (matches(value, type)) return value
    // A test finds members without a value in the table above.
    return type === "string" ? "…" : 1
  }
}
