import { assert, layer } from "@effect/vitest"
import { Arbitrary, Array as Arrays, Context, Effect, Exit, Layer, Schema, Scope } from "effect"
import { randomUUID } from "node:crypto"
import { Position, type ConversationId } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageId, type Message } from "../../src/contract/Message.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { pageBytes } from "../../src/contract/Paging.ts"
import { braidEncoding, eventEncoding, lineEncoding } from "../../src/live/Encoding.ts"
import type { Frame } from "../../src/messages/Frame.ts"
import { RingBudget, ringBytes } from "../../src/messages/Ring.ts"
import { Topic } from "../../src/messages/Topic.ts"
import { signedIn, TestServices, type TestUser } from "../../src/testing/index.ts"

class Ada extends Context.Service<Ada, TestUser>()("test/Ada") {
  static readonly layer = Layer.effect(Ada, signedIn())
}

const encodings = [braidEncoding, eventEncoding, lineEncoding]

/** The most bytes, before encoding, of several frames that a listener gets at once. */
const batchBytes = 131_072

const at = (position: number) => Position.make(position)

/** A conversation of Ada's, and a topic that follows it from its first `readOn`. */
const followed = Effect.fnUntraced(function* (budget: RingBudget) {
  const ada = yield* Ada
  const messages = yield* Messages
  const changes = yield* MessageChanges
  const { id } = yield* (yield* Conversations).create(ada.id, { participantIds: [] })
  const sent: Array<MessageId> = []
  const topic = new Topic(id, messages, budget, { delivery: () => {}, miss: () => {} })
  const head = Effect.map(messages.heads([id]), ([found]) => (found ?? assert.fail()).head)
  return {
    id,
    topic,
    head,
    send: (content: string) =>
      Effect.map(
        messages.send(ada.id, id, MessageId.make(randomUUID()), { content, messageType: "text" }),
        ({ message }) => void sent.push(message.id)
      ),
    edit: (fromEnd: number, content: string) => {
      const message = sent.at(-1 - fromEnd)
      return message === undefined
        ? Effect.void
        : Effect.asVoid(changes.edit(ada.id, { conversationId: id, id: message }, content))
    },
    readOn: Effect.flatMap(head, (head) => topic.readTo(head))
  }
})

/** All frames that a listener at a position gets, each in every encoding. */
const framesAfter = Effect.fnUntraced(function* (topic: Topic, position: number, head: number) {
  const frames: Array<Frame> = []
  for (let last = position; last < head; last = frames.at(-1)?.position ?? assert.fail()) {
    const batch = yield* topic.after(at(last))
    assert.isBelow(
      batch.slice(0, -1).reduce((sum, { message }) => sum + String(message.content).length, 0),
      batchBytes
    )
    for (const frame of batch) {
      for (const encoding of encodings) frame.encode(encoding, at(last))
      last = frame.position
    }
    frames.push(...batch)
  }
  return frames
})

/** The log in the database. */
const logAfter = (id: ConversationId, position: number) =>
  Messages.use((messages) => messages.since(id, at(position), 10_000, 1_000_000_000))

/** A reader of a log: its position, the messages that it got, and a scope while it listens. */
const reader = (): { cursor: number; copy: Map<string, Message>; listening: Scope.Closeable | undefined } => ({
  cursor: 1,
  copy: new Map(),
  listening: undefined
})

/** A listener that never reads. */
const listener = { wake: () => {} }

/** The least bytes that the frames of a topic can have: their texts and their encoded forms. */
const leastBytes = (topic: Topic, head: number): number => {
  let bytes = 0
  const seen = new Set<Frame>()
  for (let position = 0; position < head; position++) {
    for (const frame of topic.fromMemory(at(position)) ?? []) seen.add(frame)
  }
  for (const frame of seen) {
    bytes += String(frame.message.content).length
    for (const encoding of encodings) bytes += frame.encode(encoding, at(frame.position - 1)).length
  }
  return bytes
}

const Size = Schema.Literals([1, 3_000, 40_000, 65_536])
const Which = Schema.Literals([0, 1])
const Act = Schema.Union([
  Schema.TaggedStruct("Send", { which: Which, size: Size }),
  Schema.TaggedStruct("Edit", {
    which: Which,
    fromEnd: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })),
    size: Size
  }),
  // The topic learns of the whole log, and a reader takes one batch.
  Schema.TaggedStruct("ReadOn", { which: Which }),
  Schema.TaggedStruct("Take", { which: Which }),
  // A listener comes or leaves.
  Schema.TaggedStruct("Listen", { which: Which })
])
const anyActs = Arbitrary.array(Arbitrary.schema(Act), { minLength: 30, maxLength: 60 })
/** From nothing to more than the whole log. */
const anyBudget = Arbitrary.schema(Schema.Literals([0, 2_000, 50_000, 1_000_000, 67_108_864]))

layer(Layer.provideMerge(Ada.layer, TestServices))("The rings", (it) => {
  it.effect("hold at most their budget of bytes, whatever the number of conversations and the size of messages", () =>
    Effect.gen(function* () {
      const most = 6_000_000
      const budget = new RingBudget(most)
      const all = yield* Effect.replicateEffect(followed(budget), 12)
      for (const { readOn, topic } of all) {
        yield* readOn
        yield* topic.listen(listener)
      }
      for (const { head, readOn, send, topic } of all) {
        yield* Effect.forEach(Arrays.range(1, 32), () => send("é".repeat(32_768)), { concurrency: 8 })
        yield* readOn
        assert.isAtMost(budget.bytes, most)
        const frames = yield* framesAfter(topic, 1, yield* head)
        assert.lengthOf(frames, 32)
        assert.isAtMost(budget.bytes, most)
        assert.isAtMost(leastBytes(topic, yield* head), ringBytes)
      }
      let least = 0
      for (const { head, topic } of all) least += leastBytes(topic, yield* head)
      assert.isAbove(least, 0)
      assert.isAtMost(least, budget.bytes)
      assert.isAtMost(budget.bytes, most)
      for (const { topic } of all) topic.end()
      assert.strictEqual(budget.bytes, 0)
    })
  )

  it.effect("keep the latest message of a conversation for the thousands who are about to read it, however large", () =>
    Effect.gen(function* () {
      const { head, readOn, send, topic } = yield* followed(new RingBudget(67_108_864))
      yield* readOn
      yield* topic.listen(listener)
      // As JSON, six times as long.
      for (const _ of [1, 2, 3]) yield* send("\u0001".repeat(65_536))
      yield* readOn
      const last = yield* head
      const [frame = assert.fail()] = yield* framesAfter(topic, last - 1, last)
      assert.isAbove(frame.bytes, ringBytes)
      assert.deepStrictEqual(topic.fromMemory(at(last - 1)), [frame])
      assert.isUndefined(topic.fromMemory(at(last - 2)))
    })
  )

  it.effect("first give up the frames that nobody listens to", () =>
    Effect.gen(function* () {
      const budget = new RingBudget(400_000)
      const [heard, left] = [yield* followed(budget), yield* followed(budget)]
      const scope = yield* Scope.make()
      yield* heard.topic.listen(listener)
      yield* Scope.provide(left.topic.listen(listener), scope)
      for (const { readOn, send } of [heard, left]) {
        yield* readOn
        yield* send("x".repeat(30_000))
        yield* send("x".repeat(30_000))
        yield* readOn
      }
      yield* Scope.close(scope, Exit.void)
      // A listener that comes back finds its frames.
      assert.lengthOf(left.topic.fromMemory(at(1)) ?? [], 2)
      for (const _ of [1, 2, 3]) yield* heard.send("x".repeat(30_000))
      yield* heard.readOn
      assert.isDefined(heard.topic.fromMemory(at(1)))
      assert.isUndefined(left.topic.fromMemory(at(2)))
      assert.lengthOf(yield* framesAfter(left.topic, 1, yield* left.head), 2)
    })
  )

  it.effect("are read in batches within a budget of bytes", () =>
    Effect.gen(function* () {
      const messages = yield* Messages
      const { edit, head, id, send } = yield* followed(new RingBudget(0))
      for (const size of [...Arrays.replicate(65_536, 12), 1, 1]) yield* send("x".repeat(size))
      yield* edit(13, "y".repeat(60_000))
      const places: Array<number> = []
      const last = yield* head
      for (let position = 0; position < last; position = places.at(-1) ?? assert.fail()) {
        const read = yield* messages.since(id, at(position), 256)
        assert.isBelow(
          read.slice(0, -1).reduce((sum, { bytes }) => sum + bytes, 0),
          pageBytes
        )
        places.push(...read.map((change) => change.position))
      }
      assert.deepStrictEqual(
        places,
        (yield* logAfter(id, 0)).map((change) => change.position)
      )
      assert.lengthOf(yield* messages.since(id, at(1), 256, 1), 1)
    })
  )

  it.effect("give all messages from before they followed a log, though these are too large to be read at once", () =>
    Effect.gen(function* () {
      const { head, id, readOn, send, topic } = yield* followed(new RingBudget(67_108_864))
      yield* topic.listen(listener)
      for (const _ of Arrays.range(1, 20)) yield* send("x".repeat(65_536))
      yield* readOn
      for (const _ of Arrays.range(1, 3)) yield* send("x")
      yield* readOn
      const last = yield* head
      const all = yield* Effect.all(Arrays.replicate(framesAfter(topic, 0, last), 5), { concurrency: "unbounded" })
      const log = (yield* logAfter(id, 0)).map((change) => change.position)
      for (const frames of all) {
        assert.deepStrictEqual(
          frames.map((frame) => frame.position),
          log
        )
      }
    })
  )

  it.effect.prop(
    "resume exactly from every position, with any budget and any listeners",
    { acts: anyActs, most: anyBudget },
    ({ acts, most }) =>
      Effect.gen(function* () {
        const budget = new RingBudget(most)
        const readers = yield* Effect.replicateEffect(
          Effect.map(followed(budget), (log) => Object.assign(log, reader())),
          2
        )
        for (const act of acts) {
          const log = readers[act.which] ?? assert.fail()
          switch (act._tag) {
            case "Send":
              yield* log.send("a".repeat(act.size))
              break
            case "Edit":
              yield* log.edit(act.fromEnd, "b".repeat(act.size))
              break
            case "ReadOn":
              yield* log.readOn
              break
            case "Take":
              if (!log.topic.hasAfter(at(log.cursor))) break
              for (const frame of yield* log.topic.after(at(log.cursor))) {
                for (const encoding of encodings) frame.encode(encoding, at(log.cursor))
                log.copy.set(frame.message.id, frame.message)
                log.cursor = frame.position
              }
              break
            case "Listen":
              if (log.listening === undefined) {
                log.listening = yield* Scope.make()
                yield* Scope.provide(log.topic.listen(listener), log.listening)
              } else {
                yield* Scope.close(log.listening, Exit.void)
                log.listening = undefined
              }
          }
          assert.isAtMost(budget.bytes, most)
        }
        for (const { copy, cursor, head, id, readOn, topic } of readers) {
          yield* readOn
          const last = yield* head
          const log = yield* logAfter(id, 0)
          for (const { message } of yield* framesAfter(topic, cursor, last)) copy.set(message.id, message)
          for (const { message } of log) {
            if (message.messageType === "text") assert.deepStrictEqual(copy.get(message.id), message)
          }
          yield* Effect.forEach(
            Arrays.range(0, last),
            (position) =>
              Effect.map(framesAfter(topic, position, last), (frames) => {
                const places = frames.map((frame) => frame.position)
                // Memory may also have positions that a later change has vacated.
                assert.includeMembers(
                  places,
                  log.map((change) => change.position).filter((place) => place > position)
                )
                assert.deepStrictEqual(
                  places,
                  [...new Set(places)].toSorted((one, other) => one - other)
                )
              }),
            { concurrency: "unbounded", discard: true }
          )
          assert.isAtMost(budget.bytes, most)
        }
      }),
    { arbitrary: { runs: 20 } }
  )
})
