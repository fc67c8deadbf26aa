import { assert, describe, it } from "@effect/vitest"
import { type Client, type ConversationSnapshot, createClient, memoryStorage } from "../../src/client/index.ts"
import { type Asked, type MemoryServer, memoryServer } from "../../src/client/testing.ts"

/** Waits until a conversation's value passes. */
const until = (
  conversation: ReturnType<Client["conversation"]>,
  passes: (snapshot: ConversationSnapshot) => boolean
): Promise<void> =>
  new Promise((resolve) => {
    const stop = conversation.subscribe(() => {
      if (!passes(conversation.getSnapshot())) return
      stop()
      resolve()
    })
  })

/** The requests for people. */
const watchRequests = (server: MemoryServer) => {
  const requests: Array<ReadonlyArray<string>> = []
  server.fault = ({ path, query }: Asked) => {
    if (path === "/api/users") requests.push(query.get("ids")?.split(",") ?? [])
    return undefined
  }
  return requests
}

const groupOf = async (count: number) => {
  const server = memoryServer()
  const people = Array.from({ length: count }, (_, index) => server.signUp(`person${index}`))
  const clients = people.map(({ token }) => createClient({ ...server, fetch: server.fetch, token: () => token }))
  const [first] = clients
  assert.isDefined(first)
  const participantIds = people.slice(1).map(({ user }) => user.id)
  const { id } = await first.api.conversations.create({ body: { name: "Everyone", participantIds } })
  for (const [index, client] of clients.entries()) await client.conversation(id).send(`from ${index}`).sent
  const names = (snapshot: ConversationSnapshot) =>
    snapshot.messages.map(({ senderId }) => {
      const sender = snapshot.people[senderId ?? ""]
      return sender?.displayName ?? sender?.username
    })
  const close = async () => void (await Promise.all(clients.map((client) => client.close())))
  return { server, people, clients, first, id, names, [Symbol.asyncDispose]: close }
}

describe("the people of a conversation", () => {
  it("are named by one request for all whom the inbox does not have, and by none for each message", async () => {
    await using group = await groupOf(20)
    const requests = watchRequests(group.server)
    const conversation = group.first.conversation(group.id)
    const stop = conversation.subscribe(() => {})
    await until(conversation, (snapshot) => group.names(snapshot).filter(Boolean).length === 20)
    assert.deepStrictEqual(
      group.names(conversation.getSnapshot()),
      group.people.map(({ user }) => user.username)
    )
    assert.lengthOf(requests, 1)
    const { messages } = conversation.getSnapshot()
    await conversation.send("once more").sent
    await until(conversation, (snapshot) => snapshot.messages.length === 21)
    assert.strictEqual(conversation.getSnapshot().messages[0], messages[0])
    assert.lengthOf(requests, 1)
    stop()
  })

  it("change their names and pictures as the inbox brings them, without a request", async () => {
    await using group = await groupOf(2)
    const conversation = group.first.conversation(group.id)
    const stop = conversation.subscribe(() => {})
    await until(conversation, (snapshot) => group.names(snapshot).every((name) => name !== undefined))
    const requests = watchRequests(group.server)
    const body = { displayName: "Grace Hopper", avatarUrl: "https://example.com/grace.png" }
    const [, grace] = group.clients
    await grace?.api.auth.update({ body })
    await until(conversation, (snapshot) => group.names(snapshot)[1] === "Grace Hopper")
    const { people } = conversation.getSnapshot()
    assert.strictEqual(people[group.people[1]?.user.id ?? ""]?.avatarUrl, body.avatarUrl)
    assert.lengthOf(
      requests.flat().filter((id) => id === group.people[1]?.user.id),
      0
    )
    stop()
  })

  it("are shown from the storage before there is a network, and asked again after that", async () => {
    await using group = await groupOf(12)
    const storage = memoryStorage()
    const open = () =>
      createClient({ ...group.server, fetch: group.server.fetch, token: () => group.people[0]?.token ?? "", storage })
    const before = open()
    const isNamed = (snapshot: ConversationSnapshot) => group.names(snapshot).filter(Boolean).length === 12
    await until(before.conversation(group.id), isNamed)
    await before.close()

    // Somebody whom the inbox does not show has a new name.
    await group.clients[8]?.api.auth.update({ body: { displayName: "Somebody" } })
    let isCut = true
    group.server.fault = () => (isCut ? "cut" : undefined)
    await using after = open()
    const conversation = after.conversation(group.id)
    await until(conversation, isNamed)
    assert.strictEqual(group.names(conversation.getSnapshot())[8], "person8")
    isCut = false
    const stop = conversation.subscribe(() => {})
    after.reconnect()
    await until(conversation, (snapshot) => group.names(snapshot)[8] === "Somebody")
    stop()
  })

  it("are asked for until there is an answer, and no further after a refusal", async () => {
    await using group = await groupOf(12)
    const requests = watchRequests(group.server)
    const watch = group.server.fault
    const faults = ["cut", new Response(null, { status: 503, headers: { "retry-after": "0" } })] as const
    group.server.fault = (asked) => {
      void watch(asked)
      return asked.path === "/api/users" ? faults[requests.length - 1] : undefined
    }
    const conversation = group.first.conversation(group.id)
    const stop = conversation.subscribe(() => {})
    await until(conversation, (snapshot) => group.names(snapshot).filter(Boolean).length === 12)
    assert.lengthOf(requests, 3)
    stop()
  })
})
