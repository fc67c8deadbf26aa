import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Predicate } from "effect"
import { randomUUID } from "node:crypto"
import { maxParticipants } from "../../src/contract/Conversation.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { TestServer, type TestUser } from "../../src/testing/index.ts"
import { groupOf, headOf, people, post } from "../world.ts"

/** Ada owns a group; Bob is its admin, Grace a member; Eve is not in it. */
const makeWorld = Effect.gen(function* () {
  const [ada, bob, grace, eve] = yield* people("ada", "bob", "grace", "eve")
  const id = yield* groupOf([ada, bob, grace])
  yield* (yield* Participants).setRole(ada.id, id, bob.id, "admin")
  const [adas, graces] = [yield* post(ada, id, "Ada's"), yield* post(grace, id, "Grace's")]
  return { ada, bob, grace, eve, id, adas, graces }
})
class World extends Context.Service<World, Effect.Success<typeof makeWorld>>()("test/World") {}

interface Answer {
  readonly status: number
  readonly type: unknown
  readonly paths: ReadonlyArray<string>
}

const request = Effect.fnUntraced(function* ({ token }: TestUser, method: string, path: string, body?: unknown) {
  const { baseUrl, fetch } = yield* TestServer
  const response = yield* Effect.promise(() =>
    fetch(`${baseUrl}/api${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
  )
  const problem: unknown = yield* Effect.promise(() => response.json())
  const errors = Predicate.hasProperty(problem, "errors") && Array.isArray(problem.errors) ? problem.errors : []
  assert.strictEqual(response.headers.get("content-type"), "application/problem+json")
  return {
    status: response.status,
    type: Predicate.hasProperty(problem, "type") ? problem.type : undefined,
    paths: errors.map(({ path }: { readonly path: ReadonlyArray<string> }) => path.join("."))
  } satisfies Answer
})

type Person = "ada" | "bob" | "grace" | "eve"
type Row = readonly [method: string, path: string, body?: unknown]

const text = { content: "hello" }
const unknownUser = "00000000-0000-4000-8000-000000000000"

// `:id` is the group, `:adas` and `:graces` are messages in it, `:new` is an id that nobody has used, and a name is the id
// of a person.
const refusals: ReadonlyArray<
  readonly [who: Person, status: number, type: string, what: string, rows: ReadonlyArray<Row>]
> = [
  [
    "eve",
    404,
    "NotFound",
    "an outsider does not learn whether the conversation exists",
    [
      ["GET", "/conversations/:id"],
      ["PATCH", "/conversations/:id", { name: "Mine" }],
      ["DELETE", "/conversations/:id"],
      ["GET", "/conversations/:id/participants"],
      ["PUT", "/conversations/:id/participants/:eve", {}],
      ["PUT", "/conversations/:id/participants/:eve", { role: "owner" }],
      ["DELETE", "/conversations/:id/participants/:eve"],
      ["DELETE", "/conversations/:id/participants/:ada"],
      ["PUT", "/conversations/:id/receipt", { readSeq: 1 }],
      ["GET", "/conversations/:id/messages"],
      ["GET", "/conversations/:id/messages?after=0&wait=1s"],
      ["PUT", "/conversations/:id/messages/:new", text],
      ["PUT", "/conversations/:id/messages/:adas", { content: "Ada's" }],
      ["GET", "/conversations/:id/messages/:adas"],
      ["PATCH", "/conversations/:id/messages/:adas", text],
      ["DELETE", "/conversations/:id/messages/:adas"],
      ["GET", "/conversations/:id/messages/:adas/history"],
      ["PUT", "/conversations/:id/messages/:adas/reactions/%F0%9F%91%8D"],
      ["GET", "/conversations/:id/messages/:adas/reactions/%F0%9F%91%8D"],
      ["DELETE", "/conversations/:id/messages/:adas/reactions/%F0%9F%91%8D"]
    ]
  ],
  [
    "ada",
    404,
    "NotFound",
    "an id that does not exist",
    [
      ["GET", "/conversations/:new"],
      ["PATCH", "/conversations/:new", { name: "Mine" }],
      ["GET", "/conversations/:new/messages"],
      ["PUT", `/conversations/:id/participants/${unknownUser}`, {}],
      ["GET", "/conversations/:id/messages/:new"],
      ["PATCH", "/conversations/:id/messages/:new", text],
      ["DELETE", "/conversations/:id/messages/:new"],
      ["GET", "/conversations/:id/messages/:new/history"],
      ["PUT", "/conversations/:id/messages/:new/reactions/:tada:"],
      ["GET", "/conversations/:id/messages/:new/reactions/:tada:"],
      ["DELETE", "/conversations/:id/messages/:new/reactions/:tada:"]
    ]
  ],
  [
    "grace",
    403,
    "Forbidden",
    "a member does not lead the group, nor speak for others",
    [
      ["PATCH", "/conversations/:id", { name: "Mine" }],
      ["DELETE", "/conversations/:id"],
      ["PUT", "/conversations/:id/participants/:eve", {}],
      ["PUT", "/conversations/:id/participants/:grace", { role: "admin" }],
      ["DELETE", "/conversations/:id/participants/:bob"],
      ["PUT", "/conversations/:id/messages/:adas", { content: "Ada's" }],
      ["PATCH", "/conversations/:id/messages/:adas", text],
      ["DELETE", "/conversations/:id/messages/:adas"]
    ]
  ],
  [
    "bob",
    403,
    "Forbidden",
    "an admin does not own the group",
    [
      ["DELETE", "/conversations/:id"],
      ["PUT", "/conversations/:id/participants/:grace", { role: "admin" }],
      ["PUT", "/conversations/:id/participants/:bob", { role: "owner" }],
      ["DELETE", "/conversations/:id/participants/:ada"],
      ["PATCH", "/conversations/:id/messages/:graces", text]
    ]
  ],
  [
    "ada",
    403,
    "Forbidden",
    "a group keeps its owner",
    [["PUT", "/conversations/:id/participants/:ada", { role: "member" }]]
  ],
  [
    "ada",
    422,
    "MessageIdReused",
    "an id belongs to one message",
    [
      ["PUT", "/conversations/:id/messages/:adas", text],
      ["PUT", "/conversations/:id/messages/:adas", { content: "Ada's", replyTo: ":graces" }],
      ["PUT", "/conversations/:id/messages/:adas", { content: { url: "https://example.com" }, messageType: "image" }]
    ]
  ]
]

const image = { url: "https://example.com/a.png" }
const file = { ...image, filename: "a.png", size: 1, mimeType: "image/png" }
const send = (body: unknown) => ["PUT", "/conversations/:id/messages/:new", body] as const
const asImage = (content: unknown) => send({ messageType: "image", content })
const asFile = (content: unknown) => send({ messageType: "file", content })

/** Invalid requests, each with the member that the answer names. */
const invalid: ReadonlyArray<readonly [what: string, path: string, row: Row]> = [
  ["no content", "payload.content", send({})],
  ["an empty text", "payload.content", send({ content: "" })],
  ["a text of a byte too many", "payload.content", send({ content: `${"é".repeat(32_768)}x` })],
  ["a NUL", "payload.content", send({ content: "a\u0000b" })],
  ["a text as an image", "payload.content", asImage("a.png")],
  ["an image as a text", "payload.content", send({ content: image })],
  ["an image as a file", "payload.content", asFile(image)],
  ["a file as an image", "payload.content", asImage(file)],
  ["an image without a URL", "payload.content.url", asImage({ width: 1 })],
  ["a URL that is none", "payload.content.url", asImage({ url: "a.png" })],
  ["a URL that a browser would run", "payload.content.url", asImage({ url: "javascript:alert(1)" })],
  ["a width of nothing", "payload.content.width", asImage({ ...image, width: 0 })],
  ["half a pixel", "payload.content.height", asImage({ ...image, height: 0.5 })],
  ["a caption too long", "payload.content.caption", asImage({ ...image, caption: "x".repeat(1_025) })],
  ["a member that images do not have", "payload.content.alt", asImage({ ...image, alt: "A" })],
  ["a file without a name", "payload.content.filename", asFile({ ...file, filename: "" })],
  ["a file of negative size", "payload.content.size", asFile({ ...file, size: -1 })],
  ["a media type that is none", "payload.content.mimeType", asFile({ ...file, mimeType: "png" })],
  ["a type that only the server writes", "payload.messageType", send({ content: "hello", messageType: "system" })],
  ["a kind that there is not", "payload.messageType", send({ content: "hello", messageType: "poll" })],
  ["a reply to no id", "payload.replyTo", send({ ...text, replyTo: "the first" })],
  ["a reply to what is not there", "payload.replyTo", send({ ...text, replyTo: randomUUID() })],
  ["a member that messages do not have", "payload.colour", send({ ...text, colour: "red" })],
  ["a message id that is none", "params.messageId", ["PUT", "/conversations/:id/messages/first", text]],
  ["a conversation id that is none", "params.id", ["GET", "/conversations/first/messages"]],
  ["an edit to nothing", "payload.content", ["PATCH", "/conversations/:id/messages/:adas", { content: "" }]],
  ["a reaction too long", "params.emoji", ["PUT", `/conversations/:id/messages/:adas/reactions/${"x".repeat(65)}`]],
  ["a reaction of two words", "params.emoji", ["PUT", "/conversations/:id/messages/:adas/reactions/a%20b"]],
  ["a page too large", "query.limit", ["GET", "/conversations/:id/messages?limit=201"]],
  ["a position below the log", "query.before", ["GET", "/conversations/:id/messages?before=-1"]],
  ["a search for nothing", "query.q", ["GET", "/messages/search?q="]],
  ["a search without words", "query.q", ["GET", "/messages/search"]],
  ["a role that there is not", "payload.role", ["PUT", "/conversations/:id/participants/:eve", { role: "king" }]],
  ["a receipt below the log", "payload.readSeq", ["PUT", "/conversations/:id/receipt", { readSeq: -1 }]],
  ["a name of white space", "payload.name", ["PATCH", "/conversations/:id", { name: " " }]],
  ["a name too long", "payload.name", ["POST", "/conversations", { name: "x".repeat(256), participantIds: [] }]],
  ["a history that there is not", "payload.history", ["PATCH", "/conversations/:id", { history: "none" }]],
  [
    "a group with unknown people",
    "payload.participantIds",
    ["POST", "/conversations", { participantIds: [unknownUser] }]
  ],
  [
    "a group too large",
    "payload.participantIds",
    ["POST", "/conversations", { participantIds: Array.from({ length: maxParticipants }, () => randomUUID()) }]
  ],
  ["a cursor that is none", "query.cursor", ["GET", "/conversations?cursor=second"]]
]

layer(Layer.effect(World, makeWorld).pipe(Layer.provideMerge(TestServer.layer)))("Refused:", (it) => {
  /** Makes a request, which changes nothing. */
  const attempt = Effect.fnUntraced(function* (who: Person, [method, path, body]: Row) {
    const world = yield* World
    const ids: Record<string, string> = {
      id: world.id,
      new: randomUUID(),
      adas: world.adas.id,
      graces: world.graces.id,
      ada: world.ada.id,
      bob: world.bob.id,
      grace: world.grace.id,
      eve: world.eve.id
    }
    const place = (text: string) => text.replaceAll(/:([a-z]+)/g, (whole, name: string) => ids[name] ?? whole)
    const before = yield* headOf(world.ada, world.id)
    const placed: unknown = body === undefined ? undefined : JSON.parse(place(JSON.stringify(body)))
    const answer = yield* request(world[who], method, place(path), placed)
    assert.strictEqual(yield* headOf(world.ada, world.id), before)
    return answer
  })

  for (const [who, status, type, what, rows] of refusals) {
    it.effect(`${what}: ${status} for ${who}`, () =>
      Effect.forEach(rows, (row) =>
        Effect.map(attempt(who, row), (answer) =>
          assert.deepInclude(answer, { status, type }, `${row[0]} ${row[1]} ${JSON.stringify(row[2] ?? "")}`)
        )
      )
    )
  }

  for (const [what, path, row] of invalid) {
    it.effect(`${what}: 422, which names ${path}`, () =>
      Effect.map(attempt("ada", row), (answer) => {
        assert.deepInclude(answer, { status: 422, type: "ValidationFailed" })
        assert.include(answer.paths, path)
      })
    )
  }
})
