import { assert } from "../Assert.ts"
import type { Server } from "../Server.ts"
import type { Subject } from "../Subject.ts"
import { isDeepStrictEqual } from "node:util"
import { Copy, sourceOf, encodings, get, told, type Encoding, type Source } from "../Subscriber.ts"
import { Person, newConversation, type Conversation } from "../Client.ts"

/** A copy that follows a conversation until it is stopped. */
class Follower {
  copy: Copy
  readonly ended: Promise<void>
  private readonly source: Source
  private readonly leaving = new AbortController()
  private changed = () => {}

  constructor(person: Person, messages: string, encoding: Encoding, from = new Copy(undefined, [])) {
    this.copy = from
    this.source = sourceOf(person, messages)
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
      const changed = new Promise<void>((resolve) => (this.changed = resolve))
      await Promise.race([changed, this.ended.then(() => assert.fail("the stream has ended"))])
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

/** A promise for each of some encodings. */
const inEach = (
  some: ReadonlyArray<Encoding>,
  promise: string,
  test: (server: Server, encoding: Encoding) => Promise<void>
): Subject["promises"] =>
  Object.fromEntries(some.map((encoding) => [`${encoding}: ${promise}`, (server: Server) => test(server, encoding)]))

export const receipts: Subject = {
  name: "Receipts in a conversation's stream",
  document: "docs/streaming.md",
  promises: {
    ...inEach(streams, "each copy becomes what a GET shows, live and resumed", async (server, encoding) => {
      const { ada, conversation, grace, messages } = await newConversation(server)
      const live = new Follower(ada, messages, encoding)
      const { seq } = await ada.send(conversation, "one")
      assert.strictEqual((await live.isCurrent()).messages[0]?.isDelivered, false)
      await receive(grace, conversation, { deliveredSeq: seq })
      assert.deepInclude((await live.isCurrent()).messages[0], { isDelivered: true, isRead: false })
      const before = live.copy
      await receive(grace, conversation, { readSeq: seq })
      assert.strictEqual((await live.isCurrent()).messages[0]?.isRead, true)
      // A person who answers has read.
      await ada.send(conversation, "two")
      await grace.send(conversation, "three")
      assert.strictEqual((await live.isCurrent()).messages[1]?.isRead, true)
      const resumed = new Follower(ada, messages, encoding, before)
      await resumed.isCurrent()
      assert.strictEqual(resumed.copy.version, "3")
      for (const follower of [live, resumed]) await follower.leave()
    }),

    "poll: each answer has the receipts at its end, and they end no wait": async (server) => {
      const { ada, conversation, grace, messages } = await newConversation(server)
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
    },

    ...inEach(streams, "a person who was removed gets none of later", async (server, encoding) => {
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
    }),

    ...inEach(
      encodings,
      "a block hides and freezes them, and its end brings those of now",
      async (server, encoding) => {
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
        assert.strictEqual(bobs?.messages.at(-1)?.isRead, false)
        assert.strictEqual(eves?.messages.at(-1)?.isRead, true)
        assert.strictEqual((await ada.request("DELETE", `/api/friends/blocks/${bob.id}`)).status, 204)
        assert.strictEqual((await all())[1]?.messages.at(-1)?.isRead, true)
        for (const follower of live) await follower.leave()
      }
    )
  }
}
