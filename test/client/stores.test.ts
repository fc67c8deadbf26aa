import { assert, layer, vi } from "@effect/vitest"
import { Context, Effect } from "effect"
import { createClient, type Fetch, ProblemError } from "../../src/client/index.ts"
import { TestServer } from "../../src/testing/index.ts"
import { randomOf } from "./proxy.ts"

interface Server {
  readonly baseUrl: string
  readonly fetch: Fetch
}

/** A network that sometimes breaks streams and requests. Each piece of a stream may be the last. */
const breaking = (fetch: Fetch, random: () => number): Fetch => {
  return async (url, init) => {
    if (random() < 0.1) throw new TypeError("fetch failed")
    const response = await fetch(url, init)
    if (response.body === null || !response.headers.get("content-type")?.includes("ndjson")) return response
    const pieces = response.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          if (random() < 0.2) controller.error(new TypeError("terminated"))
          else controller.enqueue(chunk)
        }
      })
    )
    return new Response(pieces, response)
  }
}

let names = 0

/** Signs up a person, with a client on a bad network and calls on a good one. */
const signUp = async ({ baseUrl, fetch }: Server, random: () => number = () => 1) => {
  names += 1
  const { api: open } = createClient({ url: baseUrl, fetch })
  const username = `person_${names}`
  const { token, user } = await open.auth.signup({
    body: { username, email: `${username}@example.com`, password: "correct horse battery" }
  })
  const { api } = createClient({ url: baseUrl, fetch, token: () => token })
  const client = createClient({ url: baseUrl, fetch: breaking(fetch, random), token: () => token })
  return { id: user.id, username, token, api, client }
}

const run = (test: (server: Server) => Promise<void>) =>
  Effect.gen(function* () {
    const server = Context.get(yield* Effect.context<TestServer>(), TestServer)
    yield* Effect.promise(() => test(server))
  })

layer(TestServer.layer, { timeout: 120_000, excludeTestServices: true })("the stores, against the server", (it) => {
  it.effect("the inbox and the presence equal a fresh GET, whatever has happened, through every cut", () =>
    run(async (server) => {
      const random = randomOf(1)
      const [ada, grace, alan] = [await signUp(server, random), await signUp(server), await signUp(server)]
      await using _ = ada.client
      const leaves = [ada.client.inbox.subscribe(() => {}), ada.client.presence.subscribe(() => {})]
      const others = [grace, alan]
      const actions: ReadonlyArray<(other: typeof grace) => Promise<unknown>> = [
        async ({ api }) => api.friends.ask({ body: { to: ada.id } }),
        async ({ id }) => ada.api.friends.ask({ body: { to: id } }),
        async ({ id }) => ada.api.friends.remove({ userId: id }),
        async ({ id }) => ada.api.friends.block({ userId: id }),
        async ({ id }) => ada.api.friends.unblock({ userId: id }),
        async ({ api }) => {
          const { id } = await api.conversations.direct({ userId: ada.id })
          await api.messages.send({
            id,
            messageId: crypto.randomUUID(),
            body: { content: "Hello", messageType: "text" }
          })
          await api.conversations.typing({ id, body: {} })
        },
        async ({ api }) => {
          const { id } = await api.conversations.create({ body: { participantIds: [ada.id] } })
          await api.messages.send({ id, messageId: crypto.randomUUID(), body: { content: "All", messageType: "text" } })
        },
        async () => {
          const { conversations } = await ada.api.conversations.list({})
          const group = conversations.find(({ isDirectMessage }) => !isDirectMessage)
          if (group !== undefined) await ada.api.conversations.removeParticipant({ id: group.id, userId: ada.id })
        },
        async ({ api }) => api.auth.update({ body: { displayName: `name ${random()}` } })
      ]
      for (let count = 0; count < 40; count++) {
        const other = others[Math.floor(random() * others.length)]
        const action = actions[Math.floor(random() * actions.length)]
        // The server refuses some actions, such as a request to a friend.
        await action!(other!).catch((error: unknown) => assert.instanceOf(error, ProblemError))
      }
      await vi.waitFor(
        async () => {
          ada.client.reconnect()
          assert.deepStrictEqual(ada.client.inbox.getSnapshot().page, await ada.api.inbox.inbox())
          assert.deepStrictEqual(ada.client.presence.getSnapshot().page, await ada.api.presence.presence())
        },
        { timeout: 60_000, interval: 200 }
      )
      leaves.forEach((leave) => leave())
    })
  )

  it.effect("a conversation shows the messages around a position, as they are now, and leads back to the newest", () =>
    run(async (server) => {
      const random = randomOf(2)
      const [ada, grace] = [await signUp(server, random), await signUp(server)]
      await using _ = ada.client
      const { id } = await grace.api.conversations.direct({ userId: ada.id })
      const sent: Array<string> = []
      for (let count = 1; count <= 150; count++) {
        const messageId = crypto.randomUUID()
        await grace.api.messages.send({ id, messageId, body: { content: `${count}`, messageType: "text" } })
        sent.push(messageId)
      }
      const conversation = ada.client.conversation(id)
      const leave = conversation.subscribe(() => {})
      const patiently = async (work: () => Promise<void>): Promise<void> => {
        for (let tries = 0; tries < 50; tries++) {
          try {
            return await work()
          } catch (error) {
            assert.include(String(error), "There is no answer")
          }
        }
      }
      await vi.waitFor(() => assert.lengthOf(conversation.getSnapshot().messages, 50), { timeout: 30_000 })
      await patiently(() => conversation.jumpTo(30, 10))
      const around = conversation.getSnapshot()
      assert.lengthOf(around.messages, 10)
      assert.isTrue(around.messages.some(({ seq }) => seq === 30))
      assert.deepStrictEqual([around.hasEarlier, around.hasLater], [true, true])

      // One message is shown, one is loaded below, and one is not loaded.
      await grace.api.messages.edit({ id, messageId: sent[29]!, body: { content: "thirty" } })
      await grace.api.messages.edit({ id, messageId: sent[139]!, body: { content: "a hundred and forty" } })
      await grace.api.messages.edit({ id, messageId: sent[69]!, body: { content: "seventy" } })
      await patiently(() => conversation.loadEarlier(10))
      while (conversation.getSnapshot().hasLater) await patiently(() => conversation.loadLater(20))
      while (conversation.getSnapshot().hasEarlier) await patiently(() => conversation.loadEarlier(200))
      const { messages } = await ada.api.messages.page({ id, limit: 200 })
      await vi.waitFor(() => assert.deepStrictEqual(conversation.getSnapshot().messages, messages), {
        timeout: 30_000
      })
      leave()
    })
  )
})
