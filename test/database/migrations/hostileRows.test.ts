import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { Sessions } from "../../../src/auth/Sessions.ts"
import { UserId } from "../../../src/contract/Account.ts"
import * as Database from "../../../src/database/Database.ts"
import * as Migrator from "../../../src/database/Migrator.ts"
import { ServicesLive } from "../../../src/Server.ts"
import { TestServer } from "../../../src/testing/index.ts"
import { usual, uuid } from "./legacy.ts"
import { DatabaseUrl, EmptyDatabase, query, run } from "./postgres.ts"

// Each example migrates a database and starts all services on it.
vi.setConfig({ testTimeout: 300_000 })

/** All routes on the database of the test. */
const server = Layer.unwrap(
  Effect.map(DatabaseUrl, (url) =>
    TestServer.layerRoutes.pipe(Layer.provideMerge(ServicesLive), Layer.provide(Database.layerUnchecked({ url })))
  )
)

const Page = Schema.Struct({
  conversations: Schema.Array(Schema.Struct({ id: Schema.String })),
  nextCursor: Schema.optionalKey(Schema.NullOr(Schema.String))
})
const Log = Schema.Struct({ messages: Schema.Array(Schema.Struct({ id: Schema.String })) })

/** Asks for everything that a person can see, and fails if an answer is no success, or a stream does not begin. */
const readEverything = Effect.fnUntraced(function* (user: string) {
  const { baseUrl, fetch } = yield* TestServer
  const { token } = yield* (yield* Sessions).open(UserId.make(user), { name: undefined, address: undefined })
  const get = (path: string, headers: Record<string, string> = {}) =>
    Effect.promise(async () => {
      const aborted = new AbortController()
      const answer = await fetch(`${baseUrl}/api${path}`, {
        headers: { authorization: `Bearer ${Redacted.value(token)}`, ...headers },
        signal: aborted.signal
      })
      if (headers["subscribe"] !== undefined) {
        const reader = answer.body!.getReader()
        const first = await reader.read()
        await reader.cancel()
        assert.isAbove(first.value?.length ?? 0, 0, path)
        return undefined
      }
      const text = await answer.text()
      assert.isTrue(answer.ok, `${path}: ${answer.status} ${text.slice(0, 500)}`)
      return JSON.parse(text) as unknown
    })
  yield* get("/auth/me")
  yield* get("/usage")
  yield* get("/presence")
  yield* get(`/users/${user}`)
  yield* get("/users?query=user")
  for (const direction of ["incoming", "outgoing"]) yield* get(`/friends/requests?direction=${direction}`)
  yield* get("/friends")
  yield* get("/friends/blocks")
  yield* get("/inbox")
  yield* get("/inbox", { subscribe: "true" })
  yield* get("/messages/search?q=hello")
  let next: string | undefined = "/conversations?limit=2"
  while (next !== undefined) {
    const { conversations, nextCursor }: typeof Page.Type = yield* Schema.decodeUnknownEffect(Page)(yield* get(next))
    for (const { id } of conversations) {
      yield* get(`/conversations/${id}`)
      yield* get(`/conversations/${id}/participants?limit=1`)
      yield* get(`/conversations/${id}/messages`, { subscribe: "true" })
      const { messages } = yield* Schema.decodeUnknownEffect(Log)(yield* get(`/conversations/${id}/messages?limit=200`))
      for (const message of messages) yield* get(`/conversations/${id}/messages/${message.id}`)
    }
    next = nextCursor ? `/conversations?limit=2&cursor=${nextCursor}` : undefined
  }
})

const literal = (value: string | number | boolean | null) =>
  value === null ? "NULL" : `'${String(value).replaceAll("'", "''")}'`
const insert = (into: string, rows: ReadonlyArray<ReadonlyArray<string | number | boolean | null>>) =>
  rows.length === 0
    ? ""
    : `INSERT INTO ${into} VALUES ${rows.map((row) => `(${row.map(literal).join(", ")})`).join(", ")} ON CONFLICT DO NOTHING;`

const times = ["infinity", "-infinity", "0044-03-15 00:00:00 BC", "294000-01-01Z", "2024-01-01Z", "0001-01-01Z"]
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

const Hostile = Schema.Struct({
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

const fill = (legacy: typeof Hostile.Type) =>
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

describe("hostile rows of an older XFChat", () => {
  /** The rows are migrated, and everybody reads all of what is there; somebody reads conversations of nobody, too. */
  const migratedAndRead = Effect.fnUntraced(function* (legacy: typeof Hostile.Type) {
    yield* run(fill(legacy))
    yield* Migrator.migrate
    const users = yield* query("SELECT id FROM users WHERE deleted_at IS NULL ORDER BY id")
    yield* run(`INSERT INTO conversation_participants (conversation_id, user_id)
      SELECT id, '${uuid(1)}' FROM conversations ON CONFLICT DO NOTHING`)
    yield* Effect.forEach(users, ({ id }) => readEverything(String(id)), { discard: true }).pipe(Effect.provide(server))
  })

  it.live("with times that are none, and system messages that are texts, also as the last message, are shown", () =>
    Effect.gen(function* () {
      const names = ["ann", "ANN", null].map((name, n) => ({ name, email: "a@x.org" as const, at: times[n] ?? null }))
      yield* migratedAndRead({
        names: names as typeof Hostile.Type.names,
        friends: [
          { from: 1, to: 2, status: "accepted", message: "", at: "infinity" },
          { from: 1, to: 1, status: "accepted", message: null, at: null },
          { from: 3, to: 1, status: "pending", message: "👍", at: "0044-03-15 00:00:00 BC" }
        ],
        contacts: [{ of: 1, with: 1, at: "-infinity" }],
        messages: [
          { sender: 1, conversation: 21, type: "text", content: "hello", isLong: true, at: "infinity" },
          { sender: 2, conversation: 21, type: "system", content: "{}", isLong: false, at: "294000-01-01Z" },
          { sender: 9, conversation: 22, type: "image", content: "", isLong: false, at: "-infinity" },
          { sender: 1, conversation: 22, type: "system", content: "hello", isLong: false, at: null }
        ],
        conversations: [{ id: 24, by: 9, name: "", isDirect: true, at: "infinity" }],
        participants: [
          { conversation: 21, user: 1, at: "infinity" },
          { conversation: 21, user: 1, at: "-infinity" },
          { conversation: 21, user: 2, at: null },
          { conversation: 24, user: 9, at: null }
        ],
        global: [{ author: 1, content: null, at: "9223372036854775807", created: "infinity" }],
        usage: [{ user: 1, count: -1, start: "infinity" }]
      })
      assert.deepStrictEqual(
        yield* query(`SELECT source_row ->> 'created_at' AS former FROM set_aside
          WHERE migration LIKE '%readable_times' AND source_table = 'users' AND reason = 'created_at is no time' ORDER BY 1`),
        [{ former: "-infinity" }, { former: "0044-03-15 00:00:00+00 BC" }, { former: "infinity" }]
      )
      assert.deepStrictEqual(
        yield* query(
          `SELECT count(*)::int AS rows FROM users WHERE created_at < '1970-01-01' OR created_at > '9999-01-01'`
        ),
        [{ rows: 0 }]
      )
      // The cursor of a page of requests has milliseconds.
      assert.deepStrictEqual(
        yield* query(
          "SELECT count(*)::int AS rows FROM friend_requests WHERE created_at <> date_trunc('milliseconds', created_at)"
        ),
        [{ rows: 0 }]
      )
      // A deleted message is empty.
      yield* run(
        "UPDATE chat_messages SET content = '', deleted_at = now(), version = version WHERE message_type = 'system'"
      )
      yield* readEverything(uuid(1)).pipe(Effect.provide(server))
    }).pipe(Effect.scoped, Effect.provide(EmptyDatabase))
  )

  it.live.prop(
    "are carried to rows that every GET and stream can show",
    { legacy: Hostile },
    ({ legacy }) => migratedAndRead(legacy).pipe(Effect.scoped, Effect.provide(EmptyDatabase)),
    { arbitrary: { runs: 6, maxShrinks: 20 } }
  )
})
