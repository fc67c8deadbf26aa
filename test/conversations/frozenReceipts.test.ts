import { assert, layer } from "@effect/vitest"
import { Arbitrary, Context, Effect, Layer, Schema, Redacted } from "effect"
import { AccountDeletion } from "../../src/accounts/AccountDeletion.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import { Blocks } from "../../src/friends/Blocks.ts"
import { Position, type ConversationId } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { Receipts } from "../../src/conversations/Receipts.ts"
import { TestServices, testPassword, type TestUser } from "../../src/testing/index.ts"
import { groupOf, people, post } from "../world.ts"

/** The two flags of all messages, as a person reads them in a page, one by one, and by search. */
const flagsSeenBy = Effect.fnUntraced(function* ({ id: viewer }: TestUser, id: ConversationId) {
  const messages = yield* Messages
  const view = yield* messages.view(viewer, id)
  const page = yield* messages.page(id, view, { limit: 200 })
  const flags: Record<string, string> = {}
  for (const message of page.messages) {
    if (message.messageType === "system") continue
    const single = yield* messages.get(viewer, id, message.id)
    assert.deepStrictEqual([single.isDelivered, single.isRead], [message.isDelivered, message.isRead])
    flags[String(message.seq)] = message.isRead ? "read" : message.isDelivered ? "delivered" : "sent"
  }
  return flags
})

const read = (who: TestUser, id: ConversationId, seq: number) =>
  Effect.flatMap(Receipts, (receipts) => receipts.put(who.id, id, { readSeq: Position.make(seq) }))

const signUp = people("ada", "bob", "grace")
class Three extends Context.Service<Three, Effect.Success<typeof signUp>>()("test/Three") {
  static readonly layer = Layer.effect(Three, signUp)
}

/** The acts in a conversation of Ada, Bob and, if it is a group, Grace. */
const Step = Schema.Union([
  Schema.TaggedStruct("Send", { by: Schema.Literals(["bob", "grace"]) }),
  Schema.TaggedStruct("Edit", { back: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })) }),
  Schema.TaggedStruct("Receive", {
    by: Schema.Literals(["ada", "bob", "grace"]),
    isRead: Schema.Boolean,
    back: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 }))
  })
])
const anySteps = Arbitrary.schema(Schema.Array(Step).check(Schema.isMinLength(4), Schema.isMaxLength(12)))
const anyPlace = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12 })))

layer(Layer.provideMerge(Three.layer, TestServices))("The receipts that a blocked person sees", (it) => {
  /** Runs steps, with a block, or with Ada silent, from one of them on. Returns Bob's view after each step. */
  const seenByBob = Effect.fnUntraced(function* (
    isDirect: boolean,
    steps: ReadonlyArray<typeof Step.Type>,
    from: number,
    isBlocked: boolean
  ) {
    const [ada, bob, grace] = yield* Three
    const blocks = yield* Blocks
    const receipts = yield* Receipts
    yield* blocks.unblock(ada.id, bob.id)
    const id = isDirect
      ? (yield* (yield* Conversations).direct(ada.id, bob.id)).conversation.id
      : yield* groupOf([ada, bob, grace])
    // A direct conversation is always the same one, so its positions count from its present head.
    const { head: start } = yield* (yield* Messages).view(bob.id, id)
    const who = { ada, bob, grace }
    const own: Array<Effect.Success<ReturnType<typeof post>>> = []
    const seen: Array<unknown> = []
    const look = Effect.map(flagsSeenBy(bob, id), (flags) =>
      seen.push(
        Object.entries(flags).flatMap(([seq, flag]) => (Number(seq) > start ? [[Number(seq) - start, flag]] : []))
      )
    )
    let head = start
    for (const [index, step] of steps.entries()) {
      if (index === from && isBlocked) {
        yield* blocks.block(ada.id, bob.id)
        yield* look
      } else if (index === from) yield* look
      if (step._tag === "Send") {
        const by = isDirect ? "bob" : step.by
        const message = yield* post(who[by], id, `message ${index}`)
        if (by === "bob") own.push(message)
        head = message.seq
      } else if (step._tag === "Edit") {
        const message = own.at(-1 - step.back)
        if (message === undefined) continue
        yield* (yield* MessageChanges).edit(bob.id, { conversationId: id, id: message.id }, `edited at ${index}`)
        head = (yield* (yield* Messages).view(bob.id, id)).head
      } else if (!(isDirect && step.by === "grace") && !(index >= from && step.by === "ada" && !isBlocked)) {
        const seq = Position.make(Math.max(0, head - step.back))
        yield* receipts.put(who[step.by].id, id, step.isRead ? { readSeq: seq } : { deliveredSeq: seq })
      }
      yield* look
    }
    return seen
  })

  for (const isDirect of [true, false]) {
    it.effect.prop(
      `in a ${isDirect ? "direct conversation" : "group"} are those of somebody who is away since the block`,
      [anySteps, anyPlace],
      ([steps, from]) =>
        Effect.gen(function* () {
          const away = yield* seenByBob(isDirect, steps, from, false)
          assert.deepStrictEqual(yield* seenByBob(isDirect, steps, from, true), away)
        }),
      { arbitrary: { runs: 12 }, timeout: 120_000 }
    )
  }
})

layer(TestServices)("A block", (it) => {
  for (const kind of ["direct conversation", "group"] as const) {
    const conversation = Effect.gen(function* () {
      const [ada, bob, grace] = yield* people("ada", "bob", "grace")
      const id =
        kind === "group"
          ? yield* groupOf([ada, bob, grace])
          : (yield* (yield* Conversations).direct(ada.id, bob.id)).conversation.id
      const start = kind === "group" ? 1 : 0
      const others = kind === "group" ? [grace] : []
      return { ada, bob, grace, id, others, blocks: yield* Blocks, at: (n: number) => String(start + n), start }
    })

    it.effect(`in a ${kind} changes no receipt that the blocked person sees, and its end brings those of now`, () =>
      Effect.gen(function* () {
        const { ada, at, blocks, bob, id, others, start } = yield* conversation
        yield* post(bob, id, "read by Ada")
        yield* post(bob, id, "not read by Ada")
        yield* post(ada, id, "from Ada")
        for (const other of others) yield* read(other, id, start + 3)
        yield* read(ada, id, start + 1)
        yield* read(bob, id, start + 3)
        const before = yield* flagsSeenBy(bob, id)
        assert.deepInclude(before, { [at(1)]: "read" })
        assert.strictEqual(before[at(3)], "read")
        yield* blocks.block(ada.id, bob.id)
        assert.deepStrictEqual(yield* flagsSeenBy(bob, id), before)

        yield* read(ada, id, start + 3)
        assert.deepStrictEqual(yield* flagsSeenBy(bob, id), before)
        yield* post(bob, id, "after")
        for (const who of [ada, ...others]) yield* read(who, id, start + 4)
        assert.deepStrictEqual(yield* flagsSeenBy(bob, id), { ...before, [at(4)]: "sent" })

        yield* blocks.unblock(ada.id, bob.id)
        const after = { [at(1)]: "read", [at(2)]: "read", [at(3)]: "read", [at(4)]: "read" }
        assert.deepStrictEqual(yield* flagsSeenBy(bob, id), after)
        // Another block freezes the present state.
        yield* blocks.block(ada.id, bob.id)
        assert.deepStrictEqual(yield* flagsSeenBy(bob, id), after)
      })
    )

    it.effect(`in a ${kind} leaves nobody's receipts to the blocker but those of the others`, () =>
      Effect.gen(function* () {
        const { ada, at, blocks, bob, id, others, start } = yield* conversation
        yield* post(ada, id, "from Ada")
        yield* read(bob, id, start + 1)
        yield* blocks.block(ada.id, bob.id)
        assert.deepStrictEqual(yield* flagsSeenBy(ada, id), { [at(1)]: "sent" })
        for (const other of others) {
          yield* read(other, id, start + 1)
          assert.deepStrictEqual(yield* flagsSeenBy(ada, id), { [at(1)]: "read" })
        }
        yield* blocks.unblock(ada.id, bob.id)
        assert.deepStrictEqual(yield* flagsSeenBy(ada, id), { [at(1)]: "read" })
      })
    )

    it.effect(`in a ${kind} keeps the receipts as they were when the blocker deletes the account`, () =>
      Effect.gen(function* () {
        const { ada, at, blocks, bob, id, others, start } = yield* conversation
        yield* post(bob, id, "not read by Ada")
        for (const other of others) yield* read(other, id, start + 1)
        yield* blocks.block(ada.id, bob.id)
        yield* read(ada, id, start + 1)
        assert.deepStrictEqual(yield* flagsSeenBy(bob, id), { [at(1)]: "sent" })
        const session = yield* (yield* Sessions).authenticate(Redacted.make(ada.token))
        yield* (yield* AccountDeletion).deleteAccount(session, testPassword)
        // A person who has left a group does not keep a message from being read.
        assert.deepStrictEqual(yield* flagsSeenBy(bob, id), { [at(1)]: kind === "group" ? "read" : "sent" })
      })
    )
  }

  it.effect("between people of a group holds back their receipts, also when one of them leaves and comes back", () =>
    Effect.gen(function* () {
      const participants = yield* Participants
      const [ada, bob, grace] = yield* people("ada", "bob", "grace")
      const id = yield* groupOf([grace, ada, bob])
      yield* (yield* Blocks).block(ada.id, bob.id)
      yield* post(bob, id, "one")
      yield* read(grace, id, 2)
      yield* read(ada, id, 2)
      assert.deepStrictEqual(yield* flagsSeenBy(bob, id), { "2": "sent" })
      // Bob, who comes back, finds Ada where she was.
      yield* participants.remove(grace.id, id, bob.id)
      yield* participants.add(grace.id, id, bob.id)
      assert.deepStrictEqual(yield* flagsSeenBy(bob, id), { "2": "sent" })
      // Ada, who comes back, begins where everybody who joins begins.
      yield* participants.remove(grace.id, id, ada.id)
      assert.deepStrictEqual(yield* flagsSeenBy(bob, id), { "2": "read" })
      yield* participants.add(grace.id, id, ada.id)
      assert.deepStrictEqual(yield* flagsSeenBy(bob, id), { "2": "read" })
      const { seq } = yield* post(bob, id, "two")
      for (const who of [ada, grace]) yield* read(who, id, seq)
      assert.deepStrictEqual(yield* flagsSeenBy(bob, id), { "2": "read", [String(seq)]: "sent" })
    })
  )

  it.effect("holds for a person who joins while it lasts, and for a group that is created then", () =>
    Effect.gen(function* () {
      const [ada, bob, grace] = yield* people("ada", "bob", "grace")
      yield* (yield* Blocks).block(ada.id, bob.id)
      const joined = yield* groupOf([grace, ada])
      yield* (yield* Participants).add(grace.id, joined, bob.id)
      const made = yield* groupOf([grace, ada, bob])
      for (const id of [joined, made]) {
        const { seq } = yield* post(bob, id, "not for Ada")
        for (const who of [ada, grace]) yield* read(who, id, seq)
        assert.deepStrictEqual(yield* flagsSeenBy(bob, id), { [String(seq)]: "sent" })
        assert.deepStrictEqual(yield* flagsSeenBy(grace, id), { [String(seq)]: "read" })
      }
    })
  )
})
