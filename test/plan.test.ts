import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import { Api } from "../src/contract/Api.ts"
import { TestDatabase } from "../src/testing/index.ts"
import {
  atOnce,
  Client,
  countStatuses,
  password,
  Person,
  twoPeople,
  uniqueName,
  type Message,
  type SignedIn
} from "../src/conformance/Client.ts"
import { subscribe } from "../src/conformance/Stream.ts"
import { emptied, having } from "./process/database.ts"
import { freePort, proxy } from "./process/tcp.ts"
import { runtimes, startProcess, startServer } from "./serverProcess.ts"

/** The server, its database, and a way to make the database unreachable. */
const served = Effect.gen(function* () {
  const database = yield* proxy((yield* TestDatabase).url)
  const { baseUrl } = yield* startServer("node", database.url)
  return { server: { url: baseUrl }, database, sql: yield* SqlClient.SqlClient }
})
type Served = Effect.Success<typeof served>

/** A promise of the plan, tested on a server of its own. */
const promise = (
  name: string,
  shown: (served: Served) => Effect.Effect<void, SqlError.SqlError, Scope.Scope>,
  isThere = true
) =>
  it.live.runIf(isThere)(name, () =>
    served.pipe(Effect.flatMap(shown), Effect.scoped, Effect.provide(TestDatabase.layer))
  )

/** Starts a server that fails, and returns its message. */
const failsToStart = Effect.fnUntraced(function* (url: string) {
  const server = yield* startProcess(runtimes.node(), {
    DATABASE_URL: url,
    DATABASE_STARTUP_TIMEOUT: "500 millis",
    SERVER_HOST: "127.0.0.1",
    SERVER_PORT: "0"
  })
  assert.strictEqual(yield* server.exit, 1, server.output())
  assert.notMatch(server.output(), /listening/i)
  return server.errorOutput()
})

const signup = (username: string) => ({ username, email: `${username}@example.com`, password })

// Other tests cover each promise in full. This is the plan's own list, in its order and words.
describe("the plan, 5.1:", { timeout: 60_000 }, () => {
  promise("user registration requires the database", ({ database, server, sql }) =>
    Effect.gen(function* () {
      const username = uniqueName()
      const register = Effect.promise(() => new Client(server).post("/api/auth/signup", signup(username)))
      yield* database.breakDown
      assert.strictEqual((yield* register).status, 503)
      yield* database.recover
      assert.lengthOf(yield* sql`SELECT FROM users WHERE username = ${username}`, 0)
      assert.strictEqual((yield* register).status, 201)
      assert.lengthOf(yield* sql`SELECT FROM users WHERE username = ${username}`, 1)
    })
  )

  promise("message persistence is mandatory", ({ database, server, sql }) =>
    Effect.gen(function* () {
      const { ada, messages } = yield* Effect.promise(() => twoPeople(server))
      const id = randomUUID()
      const send = Effect.promise(() => ada.put(`${messages}/${id}`, { content: "kept" }))
      yield* database.breakDown
      assert.strictEqual((yield* send).status, 503)
      yield* database.recover
      assert.lengthOf(yield* sql`SELECT FROM chat_messages WHERE id = ${id}`, 0)
      assert.strictEqual((yield* send).status, 201)
      assert.deepStrictEqual(yield* sql`SELECT content FROM chat_messages WHERE id = ${id}`, [{ content: "kept" }])
    })
  )

  // Once the contract has them.
  const befriends = "ask" in Api.groups.friends.endpoints
  promise(
    "friend requests are stored correctly",
    ({ server, sql }) =>
      Effect.gen(function* () {
        const { ada, grace } = yield* Effect.promise(() => twoPeople(server))
        const stored = sql`
          SELECT id, from_user_id AS "from", to_user_id AS "to", status, message FROM friend_requests`
        const asked = yield* Effect.promise(() =>
          ada.post<{ readonly id: string }>("/api/friends/requests", { to: grace.user.username, message: "It is me" })
        )
        assert.strictEqual(asked.status, 201)
        const request = { id: asked.body.id, from: ada.id, to: grace.id, message: "It is me" }
        assert.deepStrictEqual(yield* stored, [{ ...request, status: "pending" }])
        const answer = yield* Effect.promise(() =>
          grace.put(`/api/friends/requests/${request.id}`, { status: "accepted" })
        )
        assert.strictEqual(answer.status, 200)
        assert.deepStrictEqual(yield* stored, [{ ...request, status: "accepted" }])
      }),
    befriends
  )

  promise("conversation management works", ({ server }) =>
    Effect.promise(async () => {
      const [ada, grace, eve] = [await Person.signUp(server), await Person.signUp(server), await Person.signUp(server)]
      const made = await ada.post<{ readonly id: string }>("/api/conversations", {
        name: "Engines",
        participantIds: [grace.id]
      })
      assert.strictEqual(made.status, 201)
      const path = `/api/conversations/${made.body.id}`
      assert.strictEqual((await eve.get(path)).status, 404)
      assert.strictEqual((await ada.put(`${path}/participants/${eve.id}`, {})).status, 204)
      assert.strictEqual((await eve.get(path)).status, 200)
      assert.strictEqual((await ada.request("PATCH", path, { json: { name: "Looms" } })).status, 200)
      assert.strictEqual((await grace.get<{ readonly name: string }>(path)).body.name, "Looms")
      assert.strictEqual((await eve.request("DELETE", `${path}/participants/${eve.id}`)).status, 204)
      assert.strictEqual((await eve.get(path)).status, 404)
    })
  )

  promise("a transaction that fails midway leaves nothing", ({ server, sql }) =>
    Effect.gen(function* () {
      const { ada, conversation, messages } = yield* Effect.promise(() => twoPeople(server))
      // The last step of a send fails, after all others.
      yield* sql`
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.content = 'refused' THEN RAISE 'midway' USING ERRCODE = '53100'; END IF; RETURN NEW; END $$`
        .unprepared
      yield* sql`CREATE TRIGGER refuse AFTER INSERT ON chat_messages FOR EACH ROW EXECUTE FUNCTION refuse()`.unprepared
      yield* Effect.promise(async () => {
        const before = await ada.get(conversation)
        const id = randomUUID()
        assert.strictEqual((await ada.put(`${messages}/${id}`, { content: "refused" })).status, 503)
        assert.deepStrictEqual((await ada.get(conversation)).body, before.body)
        assert.strictEqual((await ada.get(`${messages}/${id}`)).status, 404)
        // The next message gets its position in the log.
        assert.strictEqual((await ada.send(conversation, "taken")).seq, 1)
      })
    })
  )
})

describe("the plan, 5.2:", { timeout: 60_000 }, () => {
  it.live("connection failure fails start-up", () =>
    Effect.gen(function* () {
      const says = yield* failsToStart(`postgresql://someone:secret@127.0.0.1:${yield* freePort}/xfchat`)
      assert.match(says, /No connection to PostgreSQL at 127\.0\.0\.1:\d+/)
      assert.notInclude(says, "secret")
    }).pipe(Effect.scoped)
  )

  it.live("migration failure fails start-up", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      yield* emptied
      // An object that makes the first migration fail.
      yield* having("CREATE VIEW users AS SELECT 1 AS id")
      assert.match(yield* failsToStart(Redacted.value(url)), /^Migration \d{14}_\w+ failed: /m)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  promise("constraint violations answer properly", ({ server, sql }) =>
    Effect.gen(function* () {
      const { ada, grace, messages } = yield* Effect.promise(() => twoPeople(server))
      const id = randomUUID()
      const answers = yield* Effect.promise(async () => [
        await new Client(server).post("/api/auth/signup", { ...signup(uniqueName()), username: ada.user.username }),
        await new Client(server).post("/api/auth/signup", { ...signup(uniqueName()), email: ada.user.email }),
        await ada.put(`/api/conversations/direct/${randomUUID()}`),
        await ada.put(`${messages}/${id}`, { content: "hers" }),
        await grace.put(`${messages}/${id}`, { content: "his" }),
        await ada.put(`${messages}/${id}`, { content: "another" })
      ])
      assert.deepStrictEqual(
        answers.map(({ body: { type }, status }) => (status < 300 ? status : `${status} ${type}`)),
        ["409 UsernameTaken", "409 EmailTaken", "404 NotFound", 201, "403 Forbidden", "422 MessageIdReused"]
      )
      assert.lengthOf(yield* sql`SELECT FROM users`, 2)
      assert.deepStrictEqual(yield* sql`SELECT content FROM chat_messages`, [{ content: "hers" }])
    })
  )

  promise("concurrent message writes lose nothing", ({ server, sql }) =>
    Effect.gen(function* () {
      const { ada, grace, messages } = yield* Effect.promise(() => twoPeople(server))
      const answers = yield* Effect.promise(() =>
        atOnce(200, (index) =>
          (index % 2 === 0 ? ada : grace).put<Message>(`${messages}/${randomUUID()}`, { content: `${index}` })
        )
      )
      assert.deepStrictEqual(countStatuses(answers), { 201: 200 })
      const sent = answers.map(({ body: { content, id, seq } }) => ({ id, seq, content }))
      assert.deepStrictEqual(
        yield* sql`SELECT id, seq::int AS seq, content FROM chat_messages ORDER BY seq`,
        sent.toSorted((one, other) => one.seq - other.seq)
      )
      assert.lengthOf(new Set(sent.map(({ seq }) => seq)), 200)
    })
  )

  promise("authentication always asks the database", ({ database, server, sql }) =>
    Effect.gen(function* () {
      const ada = yield* Effect.promise(() => Person.signUp(server))
      const ask = Effect.map(
        Effect.promise(() => ada.get("/api/auth/me")),
        ({ status }) => status
      )
      assert.strictEqual(yield* ask, 200)
      yield* database.breakDown
      assert.strictEqual(yield* ask, 503)
      yield* database.recover
      yield* Effect.repeat(ask, { until: (status) => status === 200 })
      yield* sql`DELETE FROM sessions`
      assert.strictEqual(yield* ask, 401)
      const login = { login: ada.user.username, password }
      const sign = Effect.promise(() => new Client(server).post<SignedIn>("/api/auth/login", login))
      assert.strictEqual((yield* sign).status, 200)
      yield* sql`UPDATE users SET password_hash = ''`
      assert.strictEqual((yield* sign).status, 401)
    })
  )

  promise("all messages are delivered and persisted", ({ server, sql }) =>
    Effect.gen(function* () {
      const { ada, conversation, grace, messages } = yield* Effect.promise(() => twoPeople(server))
      const stream = yield* Effect.acquireRelease(
        Effect.promise(() => subscribe(grace, messages)),
        (stream) => Effect.promise(() => stream[Symbol.asyncDispose]())
      )
      const delivered = yield* Effect.promise(async () => {
        await stream.snapshot()
        await atOnce(50, (index) => ada.send(conversation, `${index}`))
        return stream.appendsAfter(0, 50)
      })
      assert.deepStrictEqual(
        yield* sql`SELECT id, seq::int AS seq, content FROM chat_messages ORDER BY seq`,
        delivered.map(({ content, id, seq }) => ({ id, seq, content }))
      )
    })
  )
})
