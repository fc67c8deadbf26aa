import { assert, describe, layer } from "@effect/vitest"
import { Arbitrary, Context, Effect, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import { isDeepStrictEqual } from "node:util"
import { Blocks } from "../../src/friends/Blocks.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { Position } from "../../src/contract/Conversation.ts"
import { MessageId, TextContent } from "../../src/contract/Message.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { Receipts } from "../../src/conversations/Receipts.ts"
import { RingBytes } from "../../src/messages/Ring.ts"
import { signedIn, TestServer, type TestUser } from "../../src/testing/index.ts"
import {
  Copy,
  encodings,
  get,
  Refused,
  told,
  type Encoding,
  type Source,
  type Told
} from "../../src/conformance/Subscriber.ts"

/** The people of the histories. The first one owns the group and stays; the last one is not a participant at first. */
class People extends Context.Service<People, ReadonlyArray<TestUser>>()("test/People") {
  static readonly layer = Layer.effect(
    People,
    Effect.all([signedIn(), signedIn(), signedIn(), signedIn()], { concurrency: "unbounded" })
  )
}
const owner = 0
const atFirst = [0, 1, 2]

const Person = Schema.Literals([0, 1, 2, 3])
const Guest = Schema.Literals([1, 2, 3])
/** A position in a list of any length, counted from its end, since most acts concern the latest messages. */
const FromEnd = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 6 }))
const Emoji = Schema.Literals(["👍", "🎉"])

/** The acts between sends. An act that is not possible or not allowed is skipped. */
const Act = Schema.Union([
  Schema.TaggedStruct("Edit", { which: FromEnd, text: TextContent.check(Schema.isMaxLength(20)) }),
  Schema.TaggedStruct("Erase", { which: FromEnd }),
  Schema.TaggedStruct("React", { by: Person, which: FromEnd, emoji: Emoji }),
  Schema.TaggedStruct("Unreact", { by: Person, which: FromEnd, emoji: Emoji }),
  // A participant leaves or is removed, and anyone else joins.
  Schema.TaggedStruct("Move", { who: Guest, removed: Schema.Boolean }),
  // A block if there is none, otherwise its end.
  Schema.TaggedStruct("Block", { by: Person, whom: Person }),
  Schema.TaggedStruct("Receive", { by: Person, back: FromEnd, isRead: Schema.Boolean }),
  Schema.TaggedStruct("SetHistory", { history: Schema.Literals(["whole", "since_joining"]) })
])
type Act = typeof Act.Type

/** In each step up to two people send at once, then an act follows. A snapshot holds all of the messages. */
const anyHistory = Arbitrary.array(
  Arbitrary.all({
    senders: Arbitrary.schema(Schema.Array(Person).check(Schema.isMaxLength(2))),
    act: Arbitrary.schema(Act)
  }),
  { minLength: 8, maxLength: 12 }
)
/** The number of steps before the first participants subscribe, from when on the server follows the log. */
const anyLate = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12 })))
const anyEncoding = Arbitrary.schema(Schema.Literals(encodings))
const anyResumes = Arbitrary.array(
  Arbitrary.all({ encoding: anyEncoding, point: Arbitrary.schema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))) }),
  { minLength: 6, maxLength: 6 }
)

/** A message as the model knows it. */
interface Known {
  readonly id: MessageId
  readonly seq: number
  readonly by: number
  text: string | null
  reactions: ReadonlyArray<{ readonly emoji: string; readonly by: number }>
}

/** A subscriber who listens while the history is made. */
class Listener {
  /** The copy they came with, and all that they have had since. */
  readonly copies: Array<Copy>
  /** Resolves when the subscription has ended. */
  readonly ended: Promise<void>
  private readonly source: Source
  private readonly leaving = new AbortController()
  private changed = () => {}

  constructor(source: Source, encoding: Encoding, from: Copy) {
    this.source = source
    this.copies = [from]
    this.ended = this.listen(told(source, encoding, from.version, this.leaving.signal))
  }

  get copy(): Copy {
    return this.copies.at(-1) ?? assert.fail()
  }

  private async listen(updates: AsyncIterable<Told>) {
    try {
      for await (const update of updates) {
        this.copies.push(this.copy.with(update))
        this.changed()
      }
    } catch (error) {
      // For a long poll, the end is a refusal.
      if (!(error instanceof Refused) && !this.leaving.signal.aborted) throw error
    }
  }

  /** Waits until the copy has a version. */
  reach(version: number): Promise<Copy> {
    return this.until((copy) => Number(copy.version ?? -1) >= version)
  }

  /** Waits until the copy is as it should be. */
  async until(isReached: (copy: Copy) => boolean): Promise<Copy> {
    const end = this.ended.then(() => assert.fail(`the subscription ended at ${this.copy.version}`))
    while (!isReached(this.copy)) {
      await Promise.race([end, new Promise<void>((resolve) => (this.changed = resolve))])
    }
    end.catch(() => {})
    return this.copy
  }

  /**
   * Waits until each message is as a GET shows it, receipts included, for which time has to pass: no faster than the server
   * reads, so that the stream does not reach its maximum age meanwhile.
   */
  equals(fresh: Copy): Effect.Effect<void> {
    const passing = Effect.forever(
      Effect.andThen(
        TestClock.adjust("5 seconds"),
        Effect.promise(() => get(this.source))
      )
    )
    return Effect.raceFirst(
      Effect.promise(async () => {
        await this.until((copy) => isDeepStrictEqual(copy.current, fresh.messages))
      }),
      passing
    )
  }

  async leave(): Promise<void> {
    this.leaving.abort()
    await this.ended
  }
}

/** With memory for changes, and with none, when every change is read from the database. */
const memories = [
  { name: "A subscriber's copy", server: TestServer.layer, runs: 20 },
  {
    name: "A copy from a server without memory",
    server: Layer.provide(TestServer.layer, Layer.succeed(RingBytes, 0)),
    runs: 10
  }
]

describe.each(memories)("$name", ({ runs, server }) => {
  layer(Layer.provideMerge(People.layer, server))((it) => {
    it.effect.prop(
      "is what a plain GET answers, whatever was done, from wherever it resumed and in every encoding",
      { steps: anyHistory, late: anyLate, resumes: anyResumes },
      ({ late, resumes, steps }) =>
        Effect.gen(function* () {
          const people = yield* People
          const server = yield* TestServer
          const conversations = yield* Conversations
          const messages = yield* Messages
          const changes = yield* MessageChanges
          const participants = yield* Participants
          const blocks = yield* Blocks
          const receipts = yield* Receipts
          const idOf = (person: number) => (people[person] ?? assert.fail()).id
          // The people are those of the history before.
          for (const { id } of people) for (const other of people) yield* blocks.unblock(id, other.id)
          const { id: conversationId } = yield* conversations.create(idOf(owner), {
            participantIds: atFirst.map(idOf)
          })
          const sourceOf = (person: number): Source => ({
            fetch: server.fetch,
            url: `${server.baseUrl}/api/conversations/${conversationId}/messages`,
            token: (people[person] ?? assert.fail()).token
          })

          // The model.
          const posted: Array<Known> = []
          let head = 1
          let sinceJoining = false
          /** Participants, each with the position after which they see messages. */
          const visibleAfter = new Map(atFirst.map((person) => [person, 0]))
          /** The people whom each person blocks. */
          const blocked = new Map(people.map((_, person) => [person, new Set<number>()]))
          const areApart = (one: number, other: number) =>
            blocked.get(one)?.has(other) === true || blocked.get(other)?.has(one) === true
          const seen = (person: number) => posted.filter(({ seq }) => seq > (visibleAfter.get(person) ?? Infinity))

          // The subscribers: one for each time that a person is a participant, with all encodings in turn.
          let opened = 0
          const listeners = new Map<number, Listener>()
          const copies = new Map(people.map((_, person) => [person, [new Copy(undefined, []), new Copy("0", [])]]))
          const listen = Effect.fnUntraced(function* (person: number, from: Copy) {
            const encoding = encodings[opened++ % encodings.length] ?? assert.fail()
            const listener = new Listener(sourceOf(person), encoding, from)
            listeners.set(person, listener)
            yield* Effect.promise(() => listener.reach(head))
          })
          const keep = (person: number, kept: ReadonlyArray<Copy>) => copies.get(person)?.push(...kept)
          yield* Effect.addFinalizer(() =>
            Effect.promise(() => Promise.all([...listeners.values()].map((listener) => listener.leave())))
          )

          const post = (by: number) =>
            Effect.map(
              messages.send(idOf(by), conversationId, MessageId.make(randomUUID()), {
                content: `by ${by}`,
                messageType: "text"
              }),
              ({ message }): Known => ({ id: message.id, seq: message.seq, by, text: `by ${by}`, reactions: [] })
            )

          const send = Effect.fnUntraced(function* (by: ReadonlyArray<number>) {
            const sent = yield* Effect.forEach(by, post, { concurrency: "unbounded" })
            posted.push(...sent.toSorted((a, b) => a.seq - b.seq))
            head += sent.length
          })

          const take = Effect.fnUntraced(function* (act: Act) {
            switch (act._tag) {
              case "Edit":
              case "Erase": {
                const known = posted.at(-1 - act.which)
                if (known === undefined || known.text === null || !seen(known.by).includes(known)) return
                const target = { conversationId, id: known.id }
                if (act._tag === "Edit") {
                  if (act.text !== known.text) head += 1
                  known.text = act.text
                  return void (yield* changes.edit(idOf(known.by), target, act.text))
                }
                head += 1
                known.text = null
                known.reactions = []
                return yield* changes.erase(idOf(known.by), target)
              }
              case "React":
              case "Unreact": {
                const known = seen(act.by).at(-1 - act.which)
                if (known === undefined || known.text === null) return
                const target = { conversationId, id: known.id }
                const others = known.reactions.filter(({ by, emoji }) => by !== act.by || emoji !== act.emoji)
                const isThere = others.length < known.reactions.length
                if (isThere === (act._tag === "Unreact")) head += 1
                if (act._tag === "React") {
                  if (!isThere) known.reactions = [...others, { emoji: act.emoji, by: act.by }]
                  return yield* changes.react(idOf(act.by), target, act.emoji)
                }
                known.reactions = others
                return yield* changes.unreact(idOf(act.by), target, act.emoji)
              }
              case "Move": {
                if (!visibleAfter.has(act.who)) {
                  const join = participants.add(idOf(owner), conversationId, idOf(act.who))
                  if (areApart(owner, act.who))
                    return void assert.strictEqual((yield* Effect.flip(join))._tag, "Forbidden")
                  yield* join
                  visibleAfter.set(act.who, sinceJoining ? head : 0)
                  head += 1
                  return yield* listen(act.who, new Copy("0", []))
                }
                const listener = listeners.get(act.who)
                const last = yield* Effect.promise(() => get(sourceOf(act.who)))
                yield* participants.remove(idOf(act.removed ? owner : act.who), conversationId, idOf(act.who))
                visibleAfter.delete(act.who)
                listeners.delete(act.who)
                head += 1
                // They must not get a message that is posted right after that.
                yield* send([owner])
                if (listener === undefined) return
                yield* Effect.promise(() => listener.ended)
                assert.deepStrictEqual(listener.copy.log, last.log)
                for (const { deliveredSeq } of listener.copy.receipts)
                  assert.isAtMost(deliveredSeq, Number(last.version))
                return keep(act.who, listener.copies)
              }
              case "Block": {
                const whom = blocked.get(act.by) ?? assert.fail()
                if (act.by === act.whom) return
                yield* (whom.has(act.whom) ? blocks.unblock : blocks.block)(idOf(act.by), idOf(act.whom))
                if (!whom.delete(act.whom)) whom.add(act.whom)
                const listener = listeners.get(act.by)
                if (listener === undefined) return
                const { log } = yield* Effect.promise(() => get(sourceOf(act.by)))
                return void (yield* Effect.promise(() => listener.until((copy) => isDeepStrictEqual(copy.log, log))))
              }
              case "Receive": {
                if (!visibleAfter.has(act.by)) return
                const seq = Position.make(Math.max(0, head - act.back))
                return yield* receipts.put(
                  idOf(act.by),
                  conversationId,
                  act.isRead ? { readSeq: seq } : { deliveredSeq: seq }
                )
              }
              case "SetHistory":
                if (sinceJoining !== (act.history === "since_joining")) head += 1
                sinceJoining = act.history === "since_joining"
                return void (yield* conversations.update(idOf(owner), conversationId, { history: act.history }))
            }
          })

          for (const [index, step] of steps.entries()) {
            if (index === late) {
              for (const person of atFirst.filter((person) => visibleAfter.has(person) && !listeners.has(person))) {
                yield* listen(person, yield* Effect.promise(() => get(sourceOf(person))))
              }
            }
            yield* send(step.senders.filter((person) => visibleAfter.has(person)))
            yield* take(step.act)
            for (const person of visibleAfter.keys()) {
              keep(person, [yield* Effect.promise(() => get(sourceOf(person)))])
            }
          }
          yield* send([owner])

          for (const [person, after] of visibleAfter) {
            const source = sourceOf(person)
            const fresh = yield* Effect.promise(() => get(source))
            assert.strictEqual(fresh.version, String(head))
            assert.deepStrictEqual(fresh.current, fresh.messages)
            assert.isTrue(fresh.messages.every(({ seq }) => seq > after))
            assert.deepStrictEqual(
              fresh.messages
                .filter(({ messageType }) => messageType !== "system")
                .map(({ content, deletedAt, id, reactions, senderId, seq }) => ({
                  id,
                  seq,
                  senderId,
                  content,
                  isDeleted: deletedAt !== null,
                  reactions
                })),
              seen(person).map(({ by, id, reactions, seq, text }) => {
                if (blocked.get(person)?.has(by) === true) {
                  return { id, seq, senderId: null, content: null, isDeleted: false, reactions: [] }
                }
                return {
                  id,
                  seq,
                  senderId: idOf(by),
                  content: text,
                  isDeleted: text === null,
                  reactions: [
                    ...Map.groupBy(
                      reactions.filter((reaction) => blocked.get(person)?.has(reaction.by) !== true),
                      ({ emoji }) => emoji
                    )
                  ].map(([emoji, reactions]) => ({
                    emoji,
                    count: reactions.length,
                    userIds: reactions.map(({ by }) => idOf(by))
                  }))
                }
              })
            )

            const live = listeners.get(person)
            if (live !== undefined) {
              assert.deepStrictEqual((yield* Effect.promise(() => live.reach(head))).log, fresh.log)
              yield* live.equals(fresh)
              keep(person, live.copies)
            }

            const points = copies.get(person) ?? []
            yield* Effect.forEach(
              resumes,
              ({ encoding, point }) =>
                Effect.gen(function* () {
                  const resumed = new Listener(source, encoding, points[point % points.length] ?? assert.fail())
                  const copy = yield* Effect.promise(() => resumed.reach(head))
                  assert.deepStrictEqual(copy.log, fresh.log)
                  yield* resumed.equals(fresh)
                  yield* Effect.promise(() => resumed.leave())
                }),
              { discard: true }
            )
          }
        }).pipe(Effect.scoped),
      { arbitrary: { runs } }
    )
  })
})
