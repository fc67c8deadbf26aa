import { assert, describe, it, layer, vi } from "@effect/vitest"
import { Context, Effect } from "effect"
import { createClient, type Encoding, type Fetch, ProblemError } from "../../src/client/index.ts"
import { memoryServer } from "../../src/client/testing.ts"
import { TestServer } from "../../src/testing/index.ts"

interface Server {
  readonly url: string
  readonly fetch: Fetch
}

let names = 0

const signUp = async ({ fetch, url }: Server, encoding: Encoding = "lines") => {
  names += 1
  const username = `promise_${names}`
  const { token, user } = await createClient({ url, fetch }).api.auth.signup({
    body: { username, email: `${username}@example.com`, password: "correct horse battery" }
  })
  return { user, client: createClient({ url, fetch, encoding, token: () => token }) }
}

/** Two people with a direct conversation. */
const twoOf = async (server: Server, encoding?: Encoding) => {
  const [ada, grace] = [await signUp(server, encoding), await signUp(server, encoding)]
  const { id } = await ada.client.api.conversations.direct({ userId: grace.user.id })
  const end = () => Promise.all([ada.client.close(), grace.client.close()])
  return { ada, grace, id, [Symbol.asyncDispose]: async () => void (await end()) }
}

const patient = { timeout: 30_000, interval: 50 }

/** The promises that a program may build on, whichever server it has. */
const promises: Readonly<Record<string, (server: Server) => Promise<void>>> = {
  ...Object.fromEntries(
    (["lines", "events", "poll"] as const).map((encoding) => [
      `both people of a conversation show every change, as a fresh GET does: ${encoding}`,
      async (server: Server) => {
        await using people = await twoOf(server, encoding)
        const { ada, grace, id } = people
        const [adas, graces] = [ada.client.conversation(id), grace.client.conversation(id)]
        for (const conversation of [adas, graces]) conversation.subscribe(() => {})
        const one = await adas.send("one").sent
        const two = await graces.send({ content: "two", replyTo: one.id }).sent
        await adas.edit(one.id, "first")
        await graces.react(one.id, "👍")
        await adas.react(one.id, "🎉")
        await adas.react(one.id, "🎉", false)
        await graces.erase(two.id)
        await graces.markRead(one.seq)
        for (const { client, conversation } of [
          { client: ada.client, conversation: adas },
          { client: grace.client, conversation: graces }
        ]) {
          await vi.waitFor(async () => {
            const { messages, receipts } = await client.api.messages.page({ id })
            const shown = conversation.getSnapshot()
            assert.deepStrictEqual(shown.messages, messages)
            assert.sameDeepMembers([...shown.receipts], [...receipts])
            assert.deepStrictEqual(
              messages.map(({ content }) => content),
              ["first", null]
            )
            assert.isTrue(messages[0]?.isRead)
            assert.deepStrictEqual(
              messages[0]?.reactions.map(({ count, emoji }) => [emoji, count]),
              [["👍", 1]]
            )
          }, patient)
        }
      }
    ])
  ),

  "a message is sent once, however often it is sent with its id": async (server) => {
    await using people = await twoOf(server)
    const { messages } = people.ada.client.api
    const send = { id: people.id, messageId: crypto.randomUUID(), body: { content: "one" } }
    const first = await messages.send(send)
    assert.strictEqual((await messages.send(send)).seq, first.seq)
    assert.lengthOf((await messages.page({ id: people.id })).messages, 1)
    const error = await people.grace.client.api.messages.send(send).catch((error: unknown) => error)
    assert(error instanceof ProblemError)
    assert.strictEqual(error.type, "Forbidden")
    await messages.edit({ ...send, body: { content: "first" } })
    assert.strictEqual((await messages.send(send)).content, "first")
    const other = await messages.send({ ...send, body: { content: "two" } }).catch((error: unknown) => error)
    assert(other instanceof ProblemError)
    assert.strictEqual(other.type, "MessageIdReused")
  },

  "pages lead through a conversation in both directions": async (server) => {
    await using people = await twoOf(server)
    const { ada, id } = people
    for (let count = 1; count <= 12; count++) {
      await ada.client.api.messages.send({ id, messageId: crypto.randomUUID(), body: { content: `${count}` } })
    }
    const { page } = ada.client.api.messages
    const contents = async (query: Omit<Parameters<typeof page>[0], "id">) => {
      const { after, before, messages } = await page({ id, limit: 4, ...query })
      return [messages.map(({ content }) => content).join(), before !== null, after !== null]
    }
    assert.deepStrictEqual(await contents({}), ["9,10,11,12", true, false])
    assert.deepStrictEqual(await contents({ before: 5 }), ["1,2,3,4", false, true])
    assert.deepStrictEqual(await contents({ after: 4 }), ["5,6,7,8", true, true])
    assert.strictEqual(
      (await page({ id, limit: 4, around: 6 })).messages.some(({ seq }) => seq === 6),
      true
    )
  },

  "the inbox shows the conversation, its last message and what is unread": async (server) => {
    await using people = await twoOf(server)
    const { ada, grace, id } = people
    grace.client.inbox.subscribe(() => {})
    const { seq } = await ada.client.conversation(id).send("one").sent
    const summary = () => grace.client.inbox.getSnapshot().page?.conversations[id]
    await vi.waitFor(() => assert.strictEqual(summary()?.unreadCount, 1), patient)
    assert.strictEqual(summary()?.lastMessage?.preview, "one")
    assert.strictEqual(summary()?.other?.username, ada.user.username)
    await grace.client.conversation(id).markRead(seq)
    await vi.waitFor(() => assert.strictEqual(summary()?.unreadCount, 0), patient)
    assert.deepStrictEqual(grace.client.inbox.getSnapshot().page, await grace.client.api.inbox.inbox())
  },

  "nobody sees or changes what is not theirs": async (server) => {
    await using people = await twoOf(server)
    const { ada, grace, id } = people
    const stranger = await signUp(server)
    const { id: messageId } = await ada.client.conversation(id).send("one").sent
    const typeOf = (call: Promise<unknown>) =>
      call.then(
        () => "done",
        (error: { readonly type?: string }) => error.type
      )
    assert.strictEqual(await typeOf(stranger.client.api.messages.page({ id })), "NotFound")
    assert.strictEqual(
      await typeOf(grace.client.api.messages.edit({ id, messageId, body: { content: "two" } })),
      "Forbidden"
    )
    const signedOut = createClient({ ...server, token: () => "nobody" })
    assert.strictEqual(await typeOf(signedOut.api.auth.me()), "Unauthorized")
  }
}

describe("the server in memory", () => {
  for (const [name, test] of Object.entries(promises)) it(`${name}`, () => test(memoryServer()))

  it("has faults to choose, through which the client loses and doubles nothing", async () => {
    const server = memoryServer()
    await using people = await twoOf(server)
    const faults = ["cut", "lost", "lost", "cut"] as const
    let sends = 0
    server.fault = ({ method }) => (method === "PUT" ? faults[sends++] : undefined)
    const conversation = people.ada.client.conversation(people.id)
    conversation.subscribe(() => {})
    const sendings = ["one", "two"].map((content) => conversation.send(content).sent)
    server.cut()
    await Promise.all(sendings)
    await vi.waitFor(() =>
      assert.deepStrictEqual(
        conversation.getSnapshot().messages.map(({ content }) => content),
        ["one", "two"]
      )
    )
  })
})

layer(TestServer.layer, { timeout: 120_000, excludeTestServices: true })("the real server", (it) => {
  for (const [name, test] of Object.entries(promises)) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const { baseUrl: url, fetch } = Context.get(yield* Effect.context<TestServer>(), TestServer)
        yield* Effect.promise(() => test({ url, fetch }))
      })
    )
  }
})
