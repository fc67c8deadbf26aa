import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { Sessions } from "../../../src/auth/Sessions.ts"
import { UserId } from "../../../src/contract/Account.ts"
import * as Migrator from "../../../src/database/Migrator.ts"
import { TestServer } from "../../../src/testing/index.ts"
import { fill, Hostile, server, times } from "./hostile.ts"
import { uuid } from "./legacy.ts"
import { EmptyDatabase, query, run } from "./postgres.ts"

// Each example migrates a database and starts all services on it.
vi.setConfig({ testTimeout: 300_000 })

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
