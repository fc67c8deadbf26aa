import { assert, describe, it, vi } from "@effect/vitest"
import { ConfigProvider, Effect, Predicate, Redacted } from "effect"
import { Sessions } from "../../../src/auth/Sessions.ts"
import { UserId } from "../../../src/contract/Account.ts"
import { document } from "../../../src/conformance/Documented.ts"
import * as Migrator from "../../../src/database/Migrator.ts"
import { TestServer } from "../../../src/testing/index.ts"
import { unlimited } from "../../unlimited.ts"
import { fill, Hostile, server } from "./hostile.ts"
import { uuid } from "./legacy.ts"
import { EmptyDatabase, query, run } from "./postgres.ts"

// Each example migrates a database and starts all services on it.
vi.setConfig({ testTimeout: 300_000 })

/** The number of databases: `HOSTILE_RUNS=50` for more. */
const runs = Number(process.env["HOSTILE_RUNS"] ?? 1)

/** A bcrypt hash of an older XFChat, and its password. */
const legacyHash = "$2b$04$BSD1sMpunizjxKEXRVXjDOYQMuWp33hykqbSYrATNcZz4ZK6S56YW"
const password = "pässwörd 1"

const member = (node: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>((at, name) => (Predicate.isObject(at) ? Reflect.get(at, name) : undefined), node)

interface Write {
  readonly method: string
  readonly path: string
  readonly type: string | undefined
  readonly example: unknown
}

/** Those that take something away from the later ones come last, and these at the very end. */
const ends = ["/api/conversations/{id}", "/api/auth/password", "/api/auth/sessions", "/api/auth/logout", "/api/auth/me"]
const rankOf = ({ method, path }: Write) =>
  method === "DELETE" || path === "/api/auth/password" || path === "/api/auth/logout"
    ? 2 + ends.indexOf(path)
    : path.startsWith("/api/friends/blocks")
      ? 1
      : 0

/** Every request of the document that changes something. */
const writes: ReadonlyArray<Write> = Object.entries(Object(document["paths"]))
  .flatMap(([path, item]) =>
    Object.entries(Object(item)).flatMap(([method, operation]) => {
      const [[type, content] = []] = Object.entries(Object(member(operation, "requestBody", "content")))
      return method === "get" ? [] : [{ method: method.toUpperCase(), path, type, example: member(content, "example") }]
    })
  )
  .sort((a, b) => rankOf(a) - rankOf(b))

interface Rows {
  readonly users: ReadonlyArray<string>
  readonly conversations: ReadonlyArray<string>
  readonly messages: ReadonlyArray<string>
  readonly requests: ReadonlyArray<string>
  readonly sessions: ReadonlyArray<string>
}

/** The ids of the first and the last rows: those of the older XFChat, and those that the writes made. */
const idsOf = (table: string) =>
  Effect.map(query(`SELECT id FROM ${table} ORDER BY id`), (rows) => {
    const ids = rows.map(({ id }) => String(id))
    return [...new Set([...ids.slice(0, 3), ...ids.slice(-2)])]
  })

const rowsOf = (user: string) =>
  Effect.all({
    users: idsOf("users"),
    conversations: idsOf("conversations"),
    messages: idsOf("chat_messages"),
    requests: idsOf(`friend_requests WHERE to_user_id = '${user}' OR from_user_id = '${user}'`),
    sessions: idsOf(`sessions WHERE user_id = '${user}'`)
  })

/** The values of a parameter of a path, by the part of the path before it. */
const valuesOf = (rows: Rows, before: string | undefined, name: string): ReadonlyArray<string> => {
  if (name === "emoji") return ["👍"]
  if (name === "userId") return rows.users
  if (name === "messageId") return rows.messages
  return before === "conversations" ? rows.conversations : before === "requests" ? rows.requests : rows.sessions
}

const pathsOf = (template: string, rows: Rows): ReadonlyArray<string> =>
  template.split("/").reduce<ReadonlyArray<string>>(
    (paths, part, index, parts) => {
      const [, name] = /^\{(.+)\}$/.exec(part) ?? []
      const values = name === undefined ? [part] : valuesOf(rows, parts[index - 1], name)
      return paths.flatMap((path) =>
        values.map((value) => (index === 0 ? value : `${path}/${encodeURIComponent(value)}`))
      )
    },
    [""]
  )

/** Somebody who writes. */
interface Writer {
  readonly id: string
  readonly login: string
}

let number = 500

/** The bodies of a write, with ids of these rows in place of those of its example. */
const bodiesOf = ({ example, path, type }: Write, rows: Rows, { login }: Writer): ReadonlyArray<string | undefined> => {
  if (type === "application/x-ndjson") return [`{"id":"${uuid(number++)}","content":"hello"}`]
  if (!Predicate.isObject(example)) return [undefined]
  const changes: ReadonlyArray<object> =
    "to" in example
      ? rows.users.map((to) => ({ to }))
      : path.endsWith("/signup")
        ? [{ username: `name${number}`, email: `name${number++}@example.com` }]
        : path.endsWith("/receipt")
          ? [{ deliveredSeq: 1, readSeq: 1 }]
          : [{}]
  return changes.map((change) =>
    JSON.stringify({
      ...example,
      ...("participantIds" in example ? { participantIds: rows.users } : {}),
      ...("replyTo" in example ? { replyTo: rows.messages[0] } : {}),
      // Owners stay owners, who can delete a group.
      ...("role" in example ? { role: "member" } : {}),
      ...("login" in example ? { login, password } : {}),
      ...("currentPassword" in example ? { currentPassword: password } : {}),
      ...("newPassword" in example ? { newPassword: password } : {}),
      ...(path === "/api/auth/me" && "username" in example
        ? { username: `name${number}`, email: `name${number++}@example.com` }
        : {}),
      ...change
    })
  )
}

/** Everybody tries every write on every row. Fails if an answer is an error of the server; returns the statuses of each write. */
const writeEverything = Effect.fnUntraced(function* (writers: ReadonlyArray<Writer>) {
  const { baseUrl, fetch } = yield* TestServer
  const sessions = yield* Sessions
  const answers = new Map(writes.map(({ method, path }) => [`${method} ${path}`, new Set<number>()]))
  for (const write of writes) {
    const { method, path, type } = write
    for (const writer of writers) {
      const { token } = yield* sessions.open(UserId.make(writer.id), { name: undefined, address: undefined })
      const rows = yield* rowsOf(writer.id)
      // New messages have new ids. Only the newest account is removed from groups, so that these keep their owners.
      const isSend = method === "PUT" && path.endsWith("/{messageId}")
      const isRemoval = method === "DELETE" && path.endsWith("/participants/{userId}")
      const aims = isSend
        ? { ...rows, messages: [...rows.messages, uuid(number++)] }
        : isRemoval
          ? { ...rows, users: rows.users.slice(-1) }
          : rows
      for (const target of pathsOf(path, aims)) {
        for (const body of bodiesOf(write, rows, writer)) {
          const { status, text } = yield* Effect.promise(async () => {
            const answer = await fetch(`${baseUrl}${target}`, {
              method,
              headers: {
                authorization: `Bearer ${Redacted.value(token)}`,
                ...(body === undefined || type === undefined ? {} : { "content-type": type })
              },
              ...(body === undefined ? {} : { body })
            })
            return { status: answer.status, text: await answer.text() }
          })
          assert.isBelow(status, 500, `${method} ${target} ${body}: ${text.slice(0, 500)}`)
          answers.get(`${method} ${path}`)?.add(status)
        }
      }
    }
  }
  return answers
})

/** The writes that nobody succeeded in, with their statuses. */
const neverSucceeded = (answers: ReadonlyMap<string, ReadonlySet<number>>) =>
  [...answers]
    .filter(([, statuses]) => ![...statuses].some((status) => status < 300))
    .map(([write, statuses]) => `${write}: ${[...statuses].join(", ")}`)
    .join("; ")

describe("hostile rows of an older XFChat", () => {
  const migratedAndChanged = Effect.fnUntraced(function* (legacy: typeof Hostile.Type) {
    yield* run(fill(legacy))
    yield* run(`UPDATE users SET password_hash = '${legacyHash}'`)
    yield* Migrator.migrate
    const users = yield* query(
      "SELECT id, coalesce(username, email, '') AS login FROM users WHERE deleted_at IS NULL ORDER BY id"
    )
    yield* run(`INSERT INTO conversation_participants (conversation_id, user_id)
      SELECT id, '${uuid(1)}' FROM conversations ON CONFLICT DO NOTHING`)
    const answers = yield* writeEverything(
      users.map(({ id, login }) => ({ id: String(id), login: String(login) }))
    ).pipe(
      Effect.provide(server),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({ ...process.env, ...unlimited }))
    )
    const refused = neverSucceeded(answers)
    // Rows may happen to leave a few of them nothing to succeed on.
    assert.isAtMost(refused.split("; ").length, 3, refused)
  })

  it.live.prop(
    "make no write of the contract fail, and nearly all succeed for somebody",
    { legacy: Hostile },
    ({ legacy }) => migratedAndChanged(legacy).pipe(Effect.scoped, Effect.provide(EmptyDatabase)),
    { arbitrary: { runs, maxShrinks: 0 } }
  )
})
