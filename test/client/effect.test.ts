import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { ChatClient } from "../../src/client/effect/index.ts"
import { memoryStorage } from "../../src/client/index.ts"
import { memoryServer } from "../../src/client/testing.ts"
import { bundle } from "./bundle.ts"

const world = () => {
  const server = memoryServer()
  const ada = server.signUp("ada")
  const grace = server.signUp("grace")
  const layer = ChatClient.layer({ ...server, fetch: (...args) => server.fetch(...args), token: () => ada.token })
  return { server, ada, grace, layer }
}

describe("xfchat/client/effect", () => {
  it.live("calls endpoints, and fails with an error for each problem", () => {
    const { ada, grace, layer } = world()
    return Effect.gen(function* () {
      const { api } = yield* ChatClient
      assert.strictEqual((yield* api.auth.me()).id, ada.user.id)
      const { id } = yield* api.conversations.direct({ userId: grace.user.id })
      const messageId = crypto.randomUUID()
      const missing = yield* api.messages
        .edit({ id, messageId, body: { content: "one" } })
        .pipe(Effect.catchTag("NotFound", ({ problem, status }) => Effect.succeed([problem.type, status])))
      assert.deepStrictEqual(missing, ["NotFound", 404])
    }).pipe(Effect.provide(layer))
  })

  it.live("fails with NoAnswer if there is none", () => {
    const { layer, server } = world()
    server.fault = () => "cut"
    return Effect.gen(function* () {
      const { api } = yield* ChatClient
      const error = yield* Effect.flip(api.auth.me())
      assert.strictEqual(error._tag, "NoAnswer")
    }).pipe(Effect.provide(layer))
  })

  it.live("sends, says why a message is refused, and streams what a conversation and the inbox show", () => {
    const { grace, layer } = world()
    return Effect.gen(function* () {
      const { api, conversation, inbox } = yield* ChatClient
      const { id } = yield* api.conversations.direct({ userId: grace.user.id })
      const { plain, send, snapshots } = conversation(id)
      const shown = yield* snapshots.pipe(
        Stream.map(({ messages }) => messages.map(({ content }) => content)),
        Stream.takeUntil(({ length }) => length === 2),
        Stream.runLast,
        Effect.forkChild
      )
      yield* send("one")
      const refused = yield* Effect.flip(send(" "))
      assert.strictEqual(refused._tag, "ValidationFailed")
      for (const { id } of plain.getSnapshot().outgoing) yield* Effect.promise(() => plain.discard(id))
      yield* send("two")
      assert.deepStrictEqual(yield* Effect.flatMap(Fiber.join(shown), Effect.fromOption), ["one", "two"])
      const first = yield* inbox.pipe(
        Stream.filter(({ page }) => page !== undefined),
        Stream.runHead,
        Effect.flatMap(Effect.fromOption)
      )
      assert.deepStrictEqual(first.page?.conversationIds, [id])
    }).pipe(Effect.provide(layer))
  })

  it.live("closes the client with its layer", () => {
    let isClosed = false
    const close = async () => {
      isClosed = true
    }
    const layer = ChatClient.layer({ ...memoryServer(), storage: { ...memoryStorage(), close } })
    return Effect.gen(function* () {
      yield* Effect.provide(ChatClient, layer)
      assert.isTrue(isClosed)
    })
  })

  it("is no part of the plain client", () => {
    assert.notMatch(bundle("src/client/index.ts"), /Effect|"effect"/)
  })
})
