import { Effect, Layer, Schema } from "effect"
import * as Database from "../../../src/database/Database.ts"
import { ServicesLive } from "../../../src/Server.ts"
import { TestServer } from "../../../src/testing/index.ts"
import { usual, uuid } from "./legacy.ts"
import { DatabaseUrl } from "./postgres.ts"

/** All routes on the database of the test. */
export const server = Layer.unwrap(
  Effect.map(DatabaseUrl, (url) =>
    TestServer.layerRoutes.pipe(Layer.provideMerge(ServicesLive), Layer.provide(Database.layerUnchecked({ url })))
  )
)

const literal = (value: string | number | boolean | null) =>
  value === null ? "NULL" : `'${String(value).replaceAll("'", "''")}'`
const insert = (into: string, rows: ReadonlyArray<ReadonlyArray<string | number | boolean | null>>) =>
  rows.length === 0
    ? ""
    : `INSERT INTO ${into} VALUES ${rows.map((row) => `(${row.map(literal).join(", ")})`).join(", ")} ON CONFLICT DO NOTHING;`

export const times = ["infinity", "-infinity", "0044-03-15 00:00:00 BC", "294000-01-01Z", "2024-01-01Z", "0001-01-01Z"]
const time = Schema.NullOr(Schema.Literals(times))
const person = Schema.NullOr(Schema.Literals([1, 2, 3, 9]))
const text = Schema.Literals([
  "hello",
  "",
  " ",
  "\u0001\u0007\u001b[2J",
  "\u202e\u2028\u0085",
  "👍",
  "{}",
  '{"url":"javascript:alert(1)"}',
  "a".repeat(300),
  '{"filename":"x","size":-1,"mime_type":"","url":""}'
])
const rows = <Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Array(Schema.Struct(fields)).check(Schema.isMaxLength(5))

/** Rows of an older XFChat that nobody ever checked. */
export const Hostile = Schema.Struct({
  names: Schema.Array(
    Schema.Struct({
      name: Schema.NullOr(
        Schema.Literals(["ann", "ANN", "", "a b", "ann@example.com", "\u0007", "é", "x".repeat(255), "İ"])
      ),
      email: Schema.Literals(["a@x.org", "A@X.org", "", "no address", "\u0001@x", "b@x.org"]),
      at: time
    })
  ).check(Schema.isMinLength(3), Schema.isMaxLength(3)),
  friends: rows({
    from: person,
    to: person,
    status: Schema.NullOr(Schema.Literals(["pending", "accepted", "blocked", "odd"])),
    message: Schema.NullOr(text),
    at: time
  }),
  contacts: rows({ of: person, with: person, at: time }),
  messages: rows({
    sender: person,
    conversation: Schema.NullOr(Schema.Literals([21, 22, 23])),
    type: Schema.NullOr(Schema.Literals(["text", "image", "file", "system"])),
    content: text,
    isLong: Schema.Boolean,
    at: time
  }),
  conversations: rows({
    id: Schema.Literals([21, 22, 24]),
    by: person,
    name: Schema.NullOr(text),
    isDirect: Schema.NullOr(Schema.Boolean),
    at: time
  }),
  participants: rows({ conversation: Schema.Literals([21, 22, 24]), user: Schema.Literals([1, 2, 3, 9]), at: time }),
  global: rows({
    author: person,
    content: Schema.NullOr(text),
    at: Schema.NullOr(Schema.Literals(["0", "-5", "9223372036854775807", "1704067200"])),
    created: time
  }),
  usage: rows({
    user: Schema.Literals([1, 2, 9]),
    count: Schema.NullOr(Schema.Literals([-1, 2147483647])),
    start: Schema.Literals(["infinity", "-infinity", "2024-01-01"])
  })
})

const id = (n: number | null) => (n === null ? null : uuid(n))
/** The newer kind has conversations, but without their keys, as a hand may have left it. */
const tables = `${usual}
  CREATE TABLE conversations (id UUID PRIMARY KEY, created_by UUID, name TEXT, description TEXT, is_direct_message BOOLEAN,
    created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ);
  CREATE TABLE conversation_participants (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), conversation_id UUID NOT NULL,
    user_id UUID NOT NULL, joined_at TIMESTAMPTZ);`

/** The statements that make a database of an older XFChat with some rows. */
export const fill = (legacy: typeof Hostile.Type) =>
  [
    tables,
    insert(
      "users (id, email, password_hash, username, created_at, updated_at)",
      legacy.names.map(({ at, email, name }, n) => [uuid(n + 1), `${n}${email}`, "", name, at, at])
    ),
    insert(
      "friend_requests (id, from_user_id, to_user_id, from_email, status, message, created_at, responded_at)",
      legacy.friends.map((row, n) => [
        uuid(100 + n),
        id(row.from),
        id(row.to),
        "",
        row.status,
        row.message,
        row.at,
        row.at
      ])
    ),
    insert(
      "contacts (id, user_id, contact_user_id, created_at, last_seen)",
      legacy.contacts.map((row, n) => [uuid(200 + n), id(row.of), id(row.with), row.at, row.at])
    ),
    insert(
      "conversations (id, created_by, name, description, is_direct_message, created_at, updated_at)",
      legacy.conversations.map((row) => [uuid(row.id), id(row.by), row.name, row.name, row.isDirect, row.at, row.at])
    ),
    insert(
      "conversation_participants (conversation_id, user_id, joined_at)",
      legacy.participants.map((row) => [uuid(row.conversation), uuid(row.user), row.at])
    ),
    insert(
      "chat_messages (id, conversation_id, sender_id, content, message_type, created_at, updated_at)",
      legacy.messages.map((row, n) => [
        uuid(300 + n),
        id(row.conversation),
        id(row.sender),
        row.isLong ? row.content.repeat(Math.ceil(2 ** 20 / (row.content.length || 1))) : row.content,
        row.type,
        row.at,
        row.at
      ])
    ),
    insert(
      "messages (id, user_id, text, author, timestamp, created_at)",
      legacy.global.map((row, n) => [uuid(400 + n), id(row.author), row.content, row.content, row.at, row.created])
    ),
    insert(
      "usage_tracking (user_id, metric_type, count, period_start, period_end)",
      legacy.usage.map((row) => [uuid(row.user), "messages", row.count, row.start, row.start])
    )
  ].join("\n")
