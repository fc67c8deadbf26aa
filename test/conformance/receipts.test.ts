import { assert, it } from "@effect/vitest"
import { isDeepStrictEqual } from "node:util"
import { Copy, encodings, get, told, type Encoding, type Source } from "../messages/subscriber.ts"
import { Person, twoPeople, type Conversation } from "./client.ts"
import { conformance } from "./server.ts"

/** A copy that follows a conversation until it is stopped. */
class Follower {
  copy: Copy
  readonly ended: Promise<void>
  private readonly source: Source
  private readonly leaving = new AbortController()
  private changed = () => {}

  constructor({ server, token = "" }: Person, messages: string, encoding: Encoding, from = new Copy(undefined, [])) {
    this.copy = from
    this.source = { fetch: globalThis.fetch, url: server.url + messages, token }
    this.ended = this.follow(told(this.source, encoding, from.version, this.leaving.signal))
  }

  private async follow(updates: ReturnType<typeof told>) {
    try {
      for await (const update of updates) {
        this.copy = this.copy.with(update)
        this.changed()
      }
    } catch (error) {
      if (!this.leaving.signal.aborted) throw error
    }
  }

  /** Waits until the copy has each message with its present flags. */
  async equals(messages: Copy["messages"]): Promise<void> {
    while (!isDeepStrictEqual(this.copy.current, messages)) {
      await new Promise<void>((resolve) => (this.changed = resolve))
    }
  }

  /** Waits until the copy equals the answer to a GET. */
  async isCurrent(): Promise<Copy> {
    const fresh = await get(this.source)
    assert.deepStrictEqual(fresh.current, fresh.messages)
    await this.equals(fresh.messages)
    return fresh
  }

  async leave(): Promise<void> {
    this.leaving.abort()
    await this.ended
  }
}

const streams = ["braid", "events", "lines"] as const

const receive = async (person: Person, conversation: string, receipt: object) => {
  assert.strictEqual((await person.put(`${conversation}/receipt`, receipt)).status, 204)
}

const groupOf = async (owner: Person, ...others: ReadonlyArray<Person>) => {
  const { body } = await owner.post<Conversation>("/api/conversations", { participantIds: others.map(({ id }) => id) })
  return `/api/conversations/${body.id}`
}

conformance("Receipts in a conversation's stream", (server) => {
  it.concurrent.each(streams)("%s: each copy becomes what a GET shows, live and resumed", async (encoding) => {
    const { ada, conversation, grace, messages } = await twoPeople(server)
    const live = new Follower(ada, messages, encoding)
    const { seq } = await ada.send(conversation, "one")
    assert.isFalse((await live.isCurrent()).messages[0]?.isDelivered)
    await receive(grace, conversation, { deliveredSeq: seq })
    assert.deepInclude((await live.isCurrent()).messages[0], { isDelivered: true, isRead: false })
    const before = live.copy
    await receive(grace, conversation, { readSeq: seq })
    assert.isTrue((await live.isCurrent()).messages[0]?.isRead)
    // A person who answers has read.
    await ada.send(conversation, "two")
    await grace.send(conversation, "three")
    assert.isTrue((await live.isCurrent()).messages[1]?.isRead)
    const resumed = new Follower(ada, messages, encoding, before)
    await resumed.isCurrent()
    assert.strictEqual(resumed.copy.version, "3")
    for (const follower of [live, resumed]) await follower.leave()
  })

  it.concurrent("poll: each answer has the receipts at its end, and they end no wait", async () => {
    const { ada, conversation, grace, messages } = await twoPeople(server)
    const { seq } = await ada.send(conversation, "one")
    const began = performance.now()
    const waiting = ada.get<{ updates: ReadonlyArray<unknown>; receipts: Copy["receipts"] }>(
      `${messages}?wait=3s&after=1`
    )
    await receive(grace, conversation, { readSeq: seq })
    const { body } = await waiting
    assert.isAbove(performance.now() - began, 2_500)
    assert.deepStrictEqual(body.updates, [])
    assert.deepStrictEqual(
      body.receipts.find(({ userId }) => userId === grace.id),
      { userId: grace.id, deliveredSeq: 1, readSeq: 1 }
    )
  })

  it.concurrent.each(streams)("%s: a person who was removed gets none of later", async (encoding) => {
    const [ada, bob, eve] = await Promise.all([Person.signUp(server), Person.signUp(server), Person.signUp(server)])
    const group = await groupOf(ada, bob, eve)
    const removed = new Follower(eve, `${group}/messages`, encoding)
    const there = new Follower(ada, `${group}/messages`, encoding)
    await ada.send(group, "one")
    await removed.isCurrent()
    assert.strictEqual((await ada.request("DELETE", `${group}/participants/${eve.id}`)).status, 204)
    await receive(bob, group, { readSeq: 3 })
    await there.isCurrent()
    await removed.ended
    for (const { deliveredSeq } of removed.copy.receipts) assert.isAtMost(deliveredSeq, 2)
    await there.leave()
  })

  it.concurrent.each(encodings)(
    "%s: a block hides and freezes them, and its end brings those of now",
    async (encoding) => {
      const [ada, bob, eve] = await Promise.all([Person.signUp(server), Person.signUp(server), Person.signUp(server)])
      const group = await groupOf(ada, bob, eve)
      // A long poll waits for more than receipts: it is asked again.
      const isCurrent = async (person: Person) => {
        const follower = new Follower(person, `${group}/messages`, encoding)
        const fresh = await follower.isCurrent()
        await follower.leave()
        return fresh
      }
      const live =
        encoding === "poll" ? [] : [ada, bob, eve].map((who) => new Follower(who, `${group}/messages`, encoding))
      const all = async () => {
        for (const follower of live) await follower.isCurrent()
        return Promise.all([ada, bob, eve].map(isCurrent))
      }
      const { seq } = await bob.send(group, "from Bob")
      assert.strictEqual((await ada.put(`/api/friends/blocks/${bob.id}`)).status, 204)
      for (const person of [ada, eve]) await receive(person, group, { readSeq: seq })
      const [adas, bobs, eves] = await all()
      assert.deepStrictEqual(adas?.receipts.map(({ userId }) => userId).toSorted(), [ada.id, eve.id].toSorted())
      assert.isFalse(bobs?.messages.at(-1)?.isRead)
      assert.isTrue(eves?.messages.at(-1)?.isRead)
      assert.strictEqual((await ada.request("DELETE", `/api/friends/blocks/${bob.id}`)).status, 204)
      assert.isTrue((await all())[1]?.messages.at(-1)?.isRead)
      for (const follower of live) await follower.leave()
    }
  )
})
