import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { HttpApi } from "effect/http-api"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { Api } from "../src/contract/Api.ts"
import { Sessions } from "../src/auth/Sessions.ts"
import { Blocks } from "../src/friends/Blocks.ts"
import { Friends } from "../src/friends/Friends.ts"
import { Conversations } from "../src/conversations/Conversations.ts"
import { MessageId } from "../src/contract/Message.ts"
import { Messages } from "../src/messages/Messages.ts"
import { Participants } from "../src/conversations/Participants.ts"
import { signedIn, TestServer, type TestUser } from "../src/testing/index.ts"

/** The callers, by their relation to a group and to its owner. */
const roles = ["nobody", "revoked", "stranger", "former", "participant", "blocked", "owner"] as const
type Role = (typeof roles)[number]
type SignedIn = Exclude<Role, "nobody" | "revoked">

const signUp = Effect.all([signedIn(), signedIn(), signedIn(), signedIn(), signedIn(), signedIn()])
/** Each account costs a hash, so the same people meet in a new group each time, with new sessions. */
class People extends Context.Service<People, Effect.Success<typeof signUp>>()("test/People") {
  static readonly layer = Layer.effect(People, signUp)
}

/** A group with one message of its owner, a person who was removed, and a participant whom the owner has blocked. */
const makeWorld = Effect.gen(function* () {
  const sessions = yield* Sessions
  const sql = yield* SqlClient.SqlClient
  const signIn = Effect.fnUntraced(function* ({ id }: Pick<TestUser, "id">) {
    const { token } = yield* sessions.open(id, { name: undefined, address: undefined })
    return { id, token: Redacted.value(token) }
  })
  const [a, b, c, d, e, f] = yield* People
  const people = [signIn(a), signIn(b), signIn(c), signIn(d), signIn(e), signIn(f)] as const
  const [owner, participant, former, blocked, revoked, stranger] = yield* Effect.all(people)
  yield* sql`DELETE FROM blocks`
  yield* sql`DELETE FROM friend_requests`
  const { id } = yield* (yield* Conversations).create(owner.id, {
    participantIds: [participant.id, former.id, blocked.id, revoked.id]
  })
  const { message } = yield* (yield* Messages).send(owner.id, id, MessageId.make(randomUUID()), {
    content: "hello",
    messageType: "text"
  })
  yield* (yield* Participants).remove(owner.id, id, former.id)
  yield* (yield* Blocks).block(owner.id, blocked.id)
  const { request } = yield* (yield* Friends).ask(stranger.id, { to: owner.id })
  const session = yield* sessions.authenticate(Redacted.make(revoked.token))
  yield* sessions.end(session.id)
  return { people: { owner, participant, former, blocked, revoked, stranger }, id, message, request, session }
})
type World = Effect.Success<typeof makeWorld>

interface Row {
  /** Parameters of the path, in addition to the ids of the group, its message and its owner. */
  readonly params?: (world: World) => Readonly<Record<string, string>>
  readonly query?: string
  readonly body?: (world: World) => unknown
  /** The items of a body that is lines of JSON. */
  readonly lines?: () => ReadonlyArray<unknown>
  /** The status for signed-in callers: one for all, or one for each. All other callers get 401. */
  readonly status: number | Readonly<Record<SignedIn, number>>
}

/** A route for everybody, even with a revoked token. */
interface Public {
  readonly public: number
  readonly body?: () => unknown
}

/** The statuses of a conversation's own routes. People who are not participants do not learn whether it exists. */
const forParticipants = (status: number, others: Partial<Record<SignedIn, number>> = {}) => ({
  stranger: 404,
  former: 404,
  participant: status,
  blocked: status,
  owner: status,
  ...others
})

/** The status of each route for each caller. */
const rows: Readonly<Record<string, Row | Public>> = {
  "auth.signup": {
    public: 201,
    body: () => {
      const name = `u${randomUUID().replaceAll("-", "").slice(0, 20)}`
      return { username: name, email: `${name}@example.com`, password: "correct horse battery" }
    }
  },
  "auth.login": { public: 401, body: () => ({ login: randomUUID(), password: "correct horse battery" }) },
  "auth.logout": { status: 204 },
  "auth.me": { status: 200 },
  "auth.update": { status: 200, body: () => ({ displayName: "Another" }) },
  "auth.deleteAccount": { status: 403, body: () => ({ currentPassword: "wrong wrong wrong" }) },
  "auth.changePassword": {
    status: 403,
    body: () => ({ currentPassword: "wrong wrong wrong", newPassword: "correct horse battery" })
  },
  "auth.sessions": { status: 200 },
  "auth.endSession": { status: 404, params: ({ session }) => ({ id: session.id }) },
  "auth.endOtherSessions": { status: 204 },
  "people.search": { status: 200, query: "?query=nobody" },
  // A blocked person does not learn of the block here, either.
  "people.get": { status: 200, params: ({ people }) => ({ id: people.owner.id }) },
  "friends.list": { status: 200 },
  "friends.remove": { status: 204 },
  "friends.requests": { status: 200, query: "?direction=incoming" },
  "friends.ask": {
    status: { stranger: 200, former: 201, participant: 201, blocked: 201, owner: 422 },
    body: ({ people }) => ({ to: people.owner.id })
  },
  // The stranger has sent the owner a request.
  "friends.answer": {
    status: { stranger: 403, former: 404, participant: 404, blocked: 404, owner: 200 },
    params: ({ request }) => ({ id: request.id }),
    body: () => ({ status: "rejected" })
  },
  "friends.withdraw": {
    status: { stranger: 204, former: 404, participant: 404, blocked: 404, owner: 403 },
    params: ({ request }) => ({ id: request.id })
  },
  "friends.blocks": { status: 200 },
  "friends.block": { status: { stranger: 204, former: 204, participant: 204, blocked: 204, owner: 422 } },
  "friends.unblock": { status: 204 },
  // The answer about a person who blocks the caller is the same as about a stranger.
  "conversations.direct": {
    status: { stranger: 201, former: 201, participant: 201, blocked: 403, owner: 422 }
  },
  "conversations.create": { status: 201, body: () => ({ name: "Another", participantIds: [] }) },
  "conversations.list": { status: 200 },
  "conversations.get": { status: forParticipants(200) },
  "conversations.update": {
    status: forParticipants(403, { owner: 200 }),
    body: () => ({ name: "Another" })
  },
  "conversations.remove": { status: forParticipants(403, { owner: 204 }) },
  "conversations.participants": { status: forParticipants(200) },
  "conversations.putParticipant": {
    status: forParticipants(403, { owner: 204 }),
    params: (world) => ({ userId: world.people.stranger.id }),
    body: () => ({})
  },
  "conversations.removeParticipant": {
    status: forParticipants(403, { owner: 204 }),
    params: (world) => ({ userId: world.people.revoked.id })
  },
  "conversations.receipt": { status: forParticipants(204), body: () => ({ readSeq: 1 }) },
  "messages.page": { status: forParticipants(200) },
  "messages.send": {
    status: forParticipants(201),
    params: () => ({ messageId: randomUUID() }),
    body: () => ({ content: "hello" })
  },
  "messages.sendAll": {
    status: forParticipants(200),
    lines: () => [{ id: randomUUID(), content: "hello" }]
  },
  "messages.get": { status: forParticipants(200) },
  "messages.edit": { status: forParticipants(403, { owner: 200 }), body: () => ({ content: "hello again" }) },
  "messages.erase": { status: forParticipants(403, { owner: 204 }) },
  "messages.history": { status: forParticipants(200) },
  "messages.react": { status: forParticipants(204) },
  "messages.reactors": { status: forParticipants(200) },
  "messages.unreact": { status: forParticipants(204) },
  "search.search": { status: 200, query: "?q=hello" },
  "inbox.inbox": { status: 200 },
  "conversations.typing": { status: forParticipants(204), body: () => ({}) },
  "presence.presence": { status: 200 },
  "usage.usage": { status: 200 },
  "operations.livez": { public: 200 },
  "operations.readyz": { public: 200 },
  "operations.metrics": { public: 200 }
}

interface Route {
  readonly name: string
  readonly method: string
  readonly path: string
}

const routes: Array<Route> = []
HttpApi.reflect(Api, {
  onGroup: () => {},
  onEndpoint: ({ endpoint, group }) => {
    routes.push({ name: `${group.identifier}.${endpoint.identifier}`, method: endpoint.method, path: endpoint.path })
  }
})

layer(Layer.provideMerge(People.layer, TestServer.layer))("To each", (it) => {
  const ask = Effect.fnUntraced(function* ({ method, path }: Route, row: Row | Public, world: World, role: Role) {
    const { baseUrl, fetch } = yield* TestServer
    const params: Readonly<Record<string, string>> = {
      id: world.id,
      messageId: world.message.id,
      userId: world.people.owner.id,
      emoji: encodeURIComponent("👍"),
      ...("params" in row ? row.params?.(world) : {})
    }
    const url = path.replaceAll(/:([a-zA-Z]+)/g, (_, name: string) => params[name] ?? assert.fail(`no ${name}`))
    const lines = "lines" in row ? row.lines?.() : undefined
    const body = lines === undefined ? row.body?.(world) : lines.map((line) => JSON.stringify(line)).join("\n")
    return yield* Effect.promise(() =>
      fetch(`${baseUrl}${url}${"query" in row ? row.query : ""}`, {
        method,
        headers: {
          ...(role === "nobody" ? {} : { authorization: `Bearer ${world.people[role].token}` }),
          ...(body === undefined
            ? {}
            : { "content-type": lines === undefined ? "application/json" : "application/x-ndjson" })
        },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
      })
    )
  })

  for (const route of routes) {
    it.effect(`what is theirs: ${route.method} ${route.path}`, () =>
      Effect.gen(function* () {
        const row = rows[route.name] ?? assert.fail(`${route.name} has no row in this table`)
        const answered: Record<string, number> = {}
        const expected: Record<string, number> = {}
        for (const role of roles) {
          const response = yield* ask(route, row, yield* makeWorld, role)
          yield* Effect.promise(() => response.text())
          answered[role] = response.status
          expected[role] =
            "public" in row
              ? row.public
              : role === "nobody" || role === "revoked"
                ? 401
                : typeof row.status === "number"
                  ? row.status
                  : row.status[role]
        }
        assert.deepStrictEqual(answered, expected)
      })
    )
  }

  it("every row is of a route that exists", () => {
    assert.deepStrictEqual(
      Object.keys(rows).filter((name) => !routes.some((route) => route.name === name)),
      []
    )
  })
})
