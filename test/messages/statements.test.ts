import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Stream, Tracer } from "effect"
import { HttpApi } from "effect/http-api"
import { Api } from "../../src/contract/Api.ts"
import { SessionId } from "../../src/contract/Session.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { clientOf, signedIn, testPassword, TestServer } from "../../src/testing/index.ts"
import { newId, people } from "../world.ts"

/** The statements sent to the database, in order. */
const executed: Array<string> = []

class RecordingSpan extends Tracer.NativeSpan {
  override attribute(key: string, value: unknown): void {
    if (key === "db.query.text") executed.push(String(value))
    super.attribute(key, value)
  }
}

/** Writes down each statement, and the two that begin and end a transaction, which have no span of their own. */
const recorder = Layer.succeed(
  Tracer.Tracer,
  Tracer.make({
    span: (options) => {
      if (options.name === "sql.transaction") executed.push("BEGIN", "COMMIT")
      return new RecordingSpan(options)
    }
  })
)

const password = Redacted.make(Redacted.value(testPassword), { label: "password" })

class People extends Context.Service<People, Effect.Success<typeof makePeople>>()("test/People") {}
const makePeople = people("ada", "grace", "eve")

/** A group of Ada's with Grace, and one message in it, as each endpoint finds it. */
const world = Effect.gen(function* () {
  const [ada, grace, eve] = yield* People
  const asAda = yield* clientOf(ada)
  const { id } = yield* asAda.conversations.create({ payload: { name: "Engines", participantIds: [grace.id] } })
  const messageId = newId()
  const message = { id, messageId }
  yield* asAda.messages.send({ params: message, payload: { content: "an engine", messageType: "text" } })
  yield* asAda.messages.react({ params: { ...message, emoji: "🎉" } })
  const [bob, friend] = [yield* signedIn(), yield* signedIn()]
  const asBob = yield* clientOf(bob)
  yield* (yield* SearchIndex).sweep
  yield* asAda.friends.ask({ payload: { to: friend.id } })
  yield* (yield* clientOf(friend)).friends.ask({ payload: { to: ada.id } })
  return {
    ada,
    grace,
    eve,
    friend,
    asAda,
    id,
    message,
    asBob,
    request: yield* asBob.friends.ask({ payload: { to: ada.id } }),
    asEve: yield* clientOf(eve),
    asNobody: yield* clientOf()
  }
})
type World = Effect.Success<typeof world>

type EndpointName = {
  [Group in keyof Client & string]: `${Group}.${keyof Client[Group] & string}`
}[keyof Client & string]
type Client = World["asAda"]

// A signed-in caller costs one, which finds the owner of the token. A transaction has two of its own, its beginning and its end.
const endpoints: Record<
  EndpointName,
  readonly [statements: number, call: (world: World) => Effect.Effect<unknown, unknown, TestServer>]
> = {
  "auth.signup": [
    2,
    ({ asNobody }) => asNobody.auth.signup({ payload: { username: "newcomer", email: "new@example.com", password } })
  ],
  "auth.login": [5, ({ ada, asNobody }) => asNobody.auth.login({ payload: { login: ada.account.username, password } })],
  "auth.logout": [2, ({ asEve }) => asEve.auth.logout()],
  "auth.me": [2, ({ asAda }) => asAda.auth.me()],
  "auth.changePassword": [
    8,
    ({ asAda }) => asAda.auth.changePassword({ payload: { currentPassword: password, newPassword: password } })
  ],
  // Two of them sign up the person who is deleted.
  "auth.deleteAccount": [
    18,
    Effect.fnUntraced(function* ({ asNobody }) {
      const { token } = yield* asNobody.auth.signup({
        payload: { username: "shortlived", email: "short@example.com", password }
      })
      const asShortlived = yield* clientOf({ token: Redacted.value(token) })
      yield* asShortlived.auth.deleteAccount({ payload: { currentPassword: password } })
    })
  ],
  "auth.sessions": [2, ({ asAda }) => asAda.auth.sessions()],
  "auth.endSession": [
    2,
    ({ asAda }) => Effect.ignore(asAda.auth.endSession({ params: { id: SessionId.make(newId()) } }))
  ],
  "auth.endOtherSessions": [2, ({ asAda }) => asAda.auth.endOtherSessions()],
  "auth.update": [10, ({ asAda }) => asAda.auth.update({ payload: { displayName: "Ada" } })],
  "people.search": [2, ({ asAda }) => asAda.people.search({ query: { query: "gra" } })],
  "people.get": [2, ({ asAda, eve }) => asAda.people.get({ params: { id: eve.id } })],
  "friends.list": [2, ({ asAda }) => asAda.friends.list({ query: {} })],
  "friends.remove": [7, ({ asAda, friend }) => asAda.friends.remove({ params: { userId: friend.id } })],
  "friends.requests": [2, ({ asAda }) => asAda.friends.requests({ query: { direction: "incoming" } })],
  "friends.ask": [8, ({ asAda, eve }) => asAda.friends.ask({ payload: { to: eve.account.username } })],
  "friends.answer": [
    10,
    ({ asAda, request }) => asAda.friends.answer({ params: { id: request.id }, payload: { status: "accepted" } })
  ],
  "friends.withdraw": [8, ({ asBob, request }) => asBob.friends.withdraw({ params: { id: request.id } })],
  "friends.blocks": [2, ({ asAda }) => asAda.friends.blocks({ query: {} })],
  "friends.block": [14, ({ asAda, friend }) => asAda.friends.block({ params: { userId: friend.id } })],
  "friends.unblock": [4, ({ asAda, grace }) => asAda.friends.unblock({ params: { userId: grace.id } })],
  "conversations.direct": [7, ({ asAda, eve }) => asAda.conversations.direct({ params: { userId: eve.id } })],
  "conversations.create": [
    7,
    ({ asAda, grace }) => asAda.conversations.create({ payload: { participantIds: [grace.id] } })
  ],
  "conversations.list": [2, ({ asAda }) => asAda.conversations.list({ query: {} })],
  "conversations.get": [2, ({ asAda, id }) => asAda.conversations.get({ params: { id } })],
  "conversations.update": [
    7,
    ({ asAda, id }) => asAda.conversations.update({ params: { id }, payload: { name: "Looms" } })
  ],
  "conversations.remove": [5, ({ asAda, id }) => asAda.conversations.remove({ params: { id } })],
  "conversations.participants": [2, ({ asAda, id }) => asAda.conversations.participants({ params: { id }, query: {} })],
  "conversations.putParticipant": [
    8,
    ({ asAda, eve, id }) => asAda.conversations.putParticipant({ params: { id, userId: eve.id }, payload: {} })
  ],
  "conversations.removeParticipant": [
    7,
    ({ asAda, grace, id }) => asAda.conversations.removeParticipant({ params: { id, userId: grace.id } })
  ],
  "conversations.receipt": [2, ({ asAda, id }) => asAda.conversations.receipt({ params: { id }, payload: {} })],
  "messages.page": [3, ({ asAda, id }) => asAda.messages.page({ params: { id }, query: {} })],
  "messages.send": [
    2,
    ({ asAda, id }) =>
      asAda.messages.send({ params: { id, messageId: newId() }, payload: { content: "hello", messageType: "text" } })
  ],
  // Their number does not matter, as long as none is a reply to another one.
  "messages.sendAll": [
    2,
    ({ asAda, id }) =>
      Stream.runDrain(
        Stream.unwrap(
          asAda.messages.sendAll({
            params: { id },
            payload: Stream.fromIterable(
              Array.from({ length: 10 }, (_, n) => ({
                id: newId(),
                content: `hello ${n}`,
                messageType: "text" as const
              }))
            )
          })
        )
      )
  ],
  "messages.get": [2, ({ asAda, message }) => asAda.messages.get({ params: message })],
  "messages.edit": [
    9,
    ({ asAda, message }) => asAda.messages.edit({ params: message, payload: { content: "a loom" } })
  ],
  "messages.erase": [9, ({ asAda, message }) => asAda.messages.erase({ params: message })],
  "messages.history": [3, ({ asAda, message }) => asAda.messages.history({ params: message, query: {} })],
  "messages.react": [8, ({ asAda, message }) => asAda.messages.react({ params: { ...message, emoji: "👍" } })],
  "messages.unreact": [7, ({ asAda, message }) => asAda.messages.unreact({ params: { ...message, emoji: "🎉" } })],
  "messages.reactors": [
    3,
    ({ asAda, message }) => asAda.messages.reactors({ params: { ...message, emoji: "🎉" }, query: {} })
  ],
  // A few more statements first index the latest messages.
  "search.search": [4, ({ asAda }) => asAda.search.search({ query: { q: "engine" } })],
  "usage.usage": [2, ({ asAda }) => asAda.usage.usage()],
  "inbox.inbox": [2, ({ asAda }) => asAda.inbox.inbox({ query: {} })],
  "operations.livez": [0, ({ asNobody }) => asNobody.operations.livez()],
  "operations.readyz": [3, ({ asNobody }) => asNobody.operations.readyz()],
  "operations.metrics": [0, ({ asNobody }) => asNobody.operations.metrics()],
  "presence.presence": [2, ({ asAda }) => asAda.presence.presence({ query: {} })],
  "conversations.typing": [2, ({ asAda, id }) => asAda.conversations.typing({ params: { id }, payload: {} })]
}

const statementsOf = Effect.fnUntraced(function* <E, R>(call: Effect.Effect<unknown, E, R>) {
  executed.length = 0
  yield* call
  return [...executed]
})

const server = Layer.effect(People, makePeople).pipe(Layer.provideMerge(TestServer.layer), Layer.provideMerge(recorder))

/** The endpoints that only read, by whether they read one thing or all. */
const reads = [
  "people.search",
  "people.get",
  "friends.list",
  "friends.requests",
  "friends.blocks",
  "conversations.list",
  "conversations.get",
  "conversations.participants",
  "messages.page",
  "messages.get",
  "messages.history",
  "messages.reactors",
  "search.search",
  "inbox.inbox",
  "presence.presence"
] as const

layer(server)("The number of SQL statements", (it) => {
  it("is stated for each endpoint of the contract", () => {
    const contract: Array<string> = []
    HttpApi.reflect(Api, {
      onGroup: () => {},
      onEndpoint: ({ endpoint, group }) => contract.push(`${group.identifier}.${endpoint.identifier}`)
    })
    assert.sameMembers(Object.keys(endpoints), contract)
  })

  for (const [name, [statements, call]] of Object.entries(endpoints)) {
    it.effect(`of ${name} is ${statements}`, () =>
      Effect.gen(function* () {
        const sent = yield* statementsOf(call(yield* world))
        assert.strictEqual(sent.length, statements, sent.join("\n"))
      })
    )
  }

  it.effect("of endpoints that only read is the same, however much there is to read", () =>
    Effect.gen(function* () {
      const filled = yield* world
      const { asAda, eve, id, message } = filled
      yield* asAda.conversations.putParticipant({ params: { id, userId: eve.id }, payload: {} })
      for (let n = 0; n < 10; n++) {
        const params = { id, messageId: newId() }
        yield* asAda.messages.send({ params, payload: { content: `engine ${n}`, messageType: "text" } })
        yield* asAda.messages.react({ params: { ...params, emoji: "👍" } })
        yield* asAda.messages.edit({ params: message, payload: { content: `the first engine ${n}` } })
        yield* asAda.conversations.create({ payload: { participantIds: [eve.id] } })
      }
      yield* (yield* SearchIndex).sweep
      for (const name of reads) {
        const [statements, call] = endpoints[name]
        const sent = yield* statementsOf(call(filled))
        assert.strictEqual(sent.length, statements, `${name}\n${sent.join("\n")}`)
      }
    })
  )
})
