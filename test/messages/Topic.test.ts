import { assert, layer } from "@effect/vitest"
import { Array as Arrays, Effect } from "effect"
import { randomUUID } from "node:crypto"
import { Position } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageId } from "../../src/contract/Message.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { RingBudget } from "../../src/messages/Ring.ts"
import { Topic } from "../../src/messages/Topic.ts"
import { signedIn, TestServices } from "../../src/testing/index.ts"

/** A direct conversation, and a topic of it whose reads of the log are counted. */
const followed = Effect.gen(function* () {
  const messages = yield* Messages
  const changes = yield* MessageChanges
  const [ada, grace] = [yield* signedIn(), yield* signedIn()]
  const { conversation } = yield* (yield* Conversations).direct(ada.id, grace.id)
  const { id: conversationId } = conversation
  const send = Effect.suspend(() =>
    messages.send(ada.id, conversationId, MessageId.make(randomUUID()), { content: "x", messageType: "text" })
  )
  const edit = (id: MessageId, content: string) => changes.edit(ada.id, { conversationId, id }, content)
  let reads = 0
  let misses = 0
  const topic = new Topic(
    conversationId,
    { ...messages, since: (...range) => Effect.suspend(() => (reads++, messages.since(...range))) },
    new RingBudget(67_108_864),
    { delivery: () => {}, miss: () => misses++ }
  )
  return { topic, send, edit, reads: () => reads, misses: () => misses }
})

/** All positions that a listener at a position gets. */
const placesAfter = Effect.fnUntraced(function* (topic: Topic, position: number, head: number) {
  const places: Array<number> = []
  for (let at = position; at < head; at = places.at(-1) ?? assert.fail()) {
    places.push(...(yield* topic.after(Position.make(at))).map((frame) => frame.position))
  }
  return places
})

layer(TestServices)("A topic", (it) => {
  it.effect("gives each position once to a listener from before it was followed, though some were vacated", () =>
    Effect.gen(function* () {
      const { edit, send, topic } = yield* followed
      const { message } = yield* send
      yield* edit(message.id, "y")
      yield* edit(message.id, "z")
      yield* topic.readTo(Position.make(3))
      yield* send
      yield* topic.readTo(Position.make(4))
      assert.deepStrictEqual(yield* placesAfter(topic, 0, 4), [1, 3, 4])
      assert.deepStrictEqual(yield* placesAfter(topic, 2, 4), [3, 4])
    })
  )

  it.effect("reads the missed messages once for a thousand listeners that come back together", () =>
    Effect.gen(function* () {
      const { misses, reads, send, topic } = yield* followed
      yield* Effect.replicateEffect(send, 120, { concurrency: "unbounded", discard: true })
      yield* topic.readTo(Position.make(120))
      const places = yield* Effect.forEach(Arrays.range(1, 1_000), () => placesAfter(topic, 20, 120), {
        concurrency: "unbounded"
      })
      for (const received of places) assert.deepStrictEqual(received, Arrays.range(21, 120))
      assert.strictEqual(reads(), 1)
      assert.strictEqual(misses(), 1)
    })
  )

  it.effect("reads for a listener that is behind its memory, and shares again once it has caught up", () =>
    Effect.gen(function* () {
      const { send, topic } = yield* followed
      yield* topic.readTo(Position.make(0))
      yield* Effect.replicateEffect(send, 600, { concurrency: "unbounded", discard: true })
      yield* topic.readTo(Position.make(600))
      assert.deepStrictEqual(yield* placesAfter(topic, 0, 600), Arrays.range(1, 600))
      const [first] = yield* topic.after(Position.make(400))
      const [again] = yield* topic.after(Position.make(400))
      assert.strictEqual(first, again)
    })
  )
})
