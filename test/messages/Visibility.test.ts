import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Position, type ConversationId, type History } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { Receipts } from "../../src/conversations/Receipts.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { findMessages, groupOf, headOf, newId, people, post, refusal, text } from "../world.ts"

/** The texts that a person sees, in every way to read them. */
const seenBy = Effect.fnUntraced(function* (user: TestUser, conversation: ConversationId, word: string) {
  const messages = yield* Messages
  const view = yield* messages.view(user.id, conversation)
  const textsOf = (found: ReadonlyArray<{ readonly messageType: string; readonly content: unknown }>) =>
    found.filter(({ messageType }) => messageType === "text").map(({ content }) => content)
  const newest = yield* messages.page(conversation, view, { limit: 200 })
  const fromStart = yield* messages.page(conversation, view, { limit: 200, after: Position.make(0) })
  const around = yield* messages.page(conversation, view, { limit: 200, around: Position.make(1) })
  const back: Array<unknown> = []
  for (let before: string | null = String(view.head + 1); before !== null;) {
    const page: typeof newest = yield* messages.page(conversation, view, {
      limit: 1,
      before: Position.make(Number(before))
    })
    back.unshift(...textsOf(page.messages))
    before = page.before
  }
  return {
    newest: textsOf(newest.messages),
    fromStart: textsOf(fromStart.messages),
    around: textsOf(around.messages),
    back,
    search: textsOf(yield* findMessages(user, word)).toReversed(),
    searchHere: textsOf(yield* findMessages(user, word, conversation)).toReversed()
  }
})

const inEveryWay = (texts: Array<unknown>) => ({
  newest: texts,
  fromStart: texts,
  around: texts,
  back: texts,
  search: texts,
  searchHere: texts
})

const summaryOf = Effect.fnUntraced(function* ({ id }: TestUser, conversation: ConversationId) {
  const { conversations } = yield* (yield* Conversations).list(id, 200, undefined)
  return conversations.find((summary) => summary.id === conversation)
})

/** Ada's group with Grace, with messages and an edit from before Eve joined. */
const joined = Effect.fnUntraced(function* (history: typeof History.Type) {
  const [ada, grace, eve] = yield* people("ada", "grace", "eve")
  const id = yield* groupOf([ada, grace], { history })
  const earlier = yield* post(ada, id, "earlier secret")
  const edited = yield* post(grace, id, "another earlier secret")
  yield* (yield* MessageChanges).edit(grace.id, { conversationId: id, id: edited.id }, "edited earlier secret")
  yield* (yield* Participants).add(ada.id, id, eve.id)
  return { ada, grace, eve, id, earlier, edited }
})

layer(TestServices)("A person who joins a group", (it) => {
  it.effect("sees the whole history if that is the setting, and has nothing unread", () =>
    Effect.gen(function* () {
      const { ada, earlier, edited, eve, id } = yield* joined("whole")
      assert.strictEqual((yield* summaryOf(eve, id))?.unreadCount, 0)
      yield* post(ada, id, "later secret")
      const texts = ["earlier secret", "edited earlier secret", "later secret"]
      assert.deepStrictEqual(yield* seenBy(eve, id, "secret"), inEveryWay(texts))
      assert.deepStrictEqual(yield* seenBy(ada, id, "secret"), inEveryWay(texts))
      assert.strictEqual((yield* (yield* Messages).get(eve.id, id, earlier.id)).id, earlier.id)
      const changes = yield* MessageChanges
      const { versions } = yield* changes.history(eve.id, { conversationId: id, id: edited.id }, 200)
      assert.deepStrictEqual(
        versions.map(({ content }) => content),
        ["another earlier secret"]
      )
      assert.strictEqual((yield* summaryOf(eve, id))?.unreadCount, 1)
    })
  )

  it.effect("sees only messages from after joining if that is the setting", () =>
    Effect.gen(function* () {
      const messages = yield* Messages
      const changes = yield* MessageChanges
      const { ada, earlier, edited, eve, grace, id } = yield* joined("since_joining")
      assert.deepStrictEqual(yield* seenBy(eve, id, "secret"), inEveryWay([]))
      const arrival = yield* summaryOf(eve, id)
      assert.strictEqual(arrival?.unreadCount, 0)
      const preview = `${ada.account.username} added ${eve.account.username}`
      assert.deepInclude(arrival?.lastMessage, { messageType: "system", preview })

      const later = yield* post(ada, id, "later secret")
      // A change of an earlier message is not a new message.
      yield* changes.edit(grace.id, { conversationId: id, id: edited.id }, "edited again, still a secret")
      assert.deepStrictEqual(yield* seenBy(eve, id, "secret"), inEveryWay(["later secret"]))
      const summary = yield* summaryOf(eve, id)
      assert.strictEqual(summary?.unreadCount, 1)
      assert.strictEqual(summary?.lastMessage?.id, later.id)
      assert.strictEqual((yield* seenBy(grace, id, "secret")).newest.length, 3)

      const target = { conversationId: id, id: earlier.id }
      const attempts: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        messages.get(eve.id, id, earlier.id),
        changes.history(eve.id, { conversationId: id, id: edited.id }, 200),
        changes.react(eve.id, target, "👍"),
        changes.edit(eve.id, target, "mine"),
        changes.erase(eve.id, target)
      ]
      for (const attempt of attempts) assert.strictEqual(yield* refusal(attempt), "NotFound")
      const reply = { ...text("about that"), replyTo: earlier.id }
      assert.strictEqual(yield* refusal(messages.send(eve.id, id, newId(), reply)), "ValidationFailed")
    })
  )

  it.effect("keeps the setting from the time of joining; a change applies to those who join after it", () =>
    Effect.gen(function* () {
      const conversations = yield* Conversations
      const participants = yield* Participants
      const { ada, eve, id } = yield* joined("since_joining")
      const [bob, joe] = yield* people("bob", "joe")
      yield* conversations.update(ada.id, id, { history: "whole" })
      yield* participants.add(ada.id, id, bob.id)
      assert.deepStrictEqual((yield* seenBy(eve, id, "secret")).newest, [])
      assert.strictEqual((yield* seenBy(bob, id, "secret")).newest.length, 2)
      yield* conversations.update(ada.id, id, { history: "since_joining" })
      yield* participants.add(ada.id, id, joe.id)
      assert.strictEqual((yield* seenBy(bob, id, "secret")).newest.length, 2)
      assert.deepStrictEqual((yield* seenBy(joe, id, "secret")).newest, [])
    })
  )
})

layer(TestServices)("A person who leaves a group", (it) => {
  for (const how of ["leaves", "is removed"] as const) {
    it.effect(`and ${how}, sees nothing of it any more and changes nothing in it`, () =>
      Effect.gen(function* () {
        const receipts = yield* Receipts
        const messages = yield* Messages
        const changes = yield* MessageChanges
        const conversations = yield* Conversations
        const participants = yield* Participants
        const { ada, eve, id, earlier } = yield* joined("whole")
        const own = yield* post(eve, id, "my own secret")
        yield* participants.remove(how === "leaves" ? eve.id : ada.id, id, eve.id)
        const head = yield* headOf(ada, id)

        const target = { conversationId: id, id: own.id }
        const attempts: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
          conversations.get(eve.id, id),
          conversations.update(eve.id, id, { name: "Mine" }),
          conversations.remove(eve.id, id),
          participants.add(eve.id, id, eve.id),
          participants.remove(eve.id, id, eve.id),
          messages.view(eve.id, id),
          messages.get(eve.id, id, own.id),
          messages.send(eve.id, id, newId(), text("one more")),
          messages.send(eve.id, id, own.id, text("my own secret")),
          changes.edit(eve.id, target, "changed"),
          changes.erase(eve.id, target),
          changes.react(eve.id, target, "👍"),
          changes.unreact(eve.id, target, "👍"),
          changes.history(eve.id, { conversationId: id, id: earlier.id }, 200),
          receipts.put(eve.id, id, { readSeq: head })
        ]
        for (const attempt of attempts) assert.strictEqual(yield* refusal(attempt), "NotFound")
        assert.deepStrictEqual(yield* findMessages(eve, "secret"), [])
        assert.deepStrictEqual(yield* findMessages(eve, "secret", id), [])
        assert.strictEqual(yield* summaryOf(eve, id), undefined)
        assert.strictEqual(yield* headOf(ada, id), head)
      })
    )
  }

  it.effect("and comes back sees only messages from then on if that is the setting", () =>
    Effect.gen(function* () {
      const participants = yield* Participants
      const { ada, eve, id } = yield* joined("since_joining")
      yield* post(ada, id, "first secret")
      yield* participants.remove(eve.id, id, eve.id)
      yield* post(ada, id, "second secret")
      yield* participants.add(ada.id, id, eve.id)
      yield* post(ada, id, "third secret")
      assert.deepStrictEqual(yield* seenBy(eve, id, "secret"), inEveryWay(["third secret"]))
      assert.strictEqual((yield* summaryOf(eve, id))?.unreadCount, 1)
    })
  )
})
