import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import { maxReceiptsListed, maxParticipantsListed } from "../../src/contract/Conversation.ts"
import { SystemContent } from "../../src/contract/Message.ts"
import { signedIn, TestServer, type TestUser } from "../../src/testing/index.ts"
import { call } from "../friends/caller.ts"
import { encodings } from "../../src/conformance/Subscriber.ts"
import { inboxOf, subscribe } from "./subscriber.ts"

interface Profile {
  readonly id: string
  readonly displayName: string | null
}

interface Item {
  readonly unreadCount: number
  readonly mentionCount: number
  readonly participants: ReadonlyArray<Profile>
  readonly participantCount: number
  readonly lastMessage: {
    readonly senderId: string | null
    readonly sender: Profile | null
    readonly subject: Profile | null
    readonly event: unknown
    readonly preview: string | null
    readonly isDelivered: boolean
    readonly isRead: boolean
  }
}

const itemOf = (user: TestUser, conversation: string) =>
  Effect.map(inboxOf(user), ({ conversations }) => conversations[conversation] as Item)

const groupOf = Effect.fnUntraced(function* (owner: TestUser, ...others: ReadonlyArray<TestUser>) {
  const participantIds = others.map(({ id }) => id)
  const { body } = yield* call(owner, "POST", "/conversations", { participantIds })
  return (body as { readonly id: string }).id
})

const named = Effect.fnUntraced(function* (displayName: string) {
  const user = yield* signedIn()
  const { body, status } = yield* call(user, "PATCH", "/auth/me", { displayName })
  assert.strictEqual(status, 200, JSON.stringify(body))
  return user
})

const send = (sender: TestUser, conversation: string, content: string) =>
  Effect.map(
    call(sender, "PUT", `/conversations/${conversation}/messages/${randomUUID()}`, { content }),
    ({ body }) => body as { readonly seq: number }
  )

layer(TestServer.layer, { excludeTestServices: true })("An inbox is enough to draw a list", (it) => {
  it.effect("every system message has a text, and the profiles of the people in it", () =>
    Effect.gen(function* () {
      const [ada, grace, tim] = [yield* named("Ada L"), yield* named("Grace H"), yield* named("Tim B")]
      const group = yield* groupOf(ada, grace)
      const path = `/conversations/${group}`
      const seen = new Set<string>()
      const expect = Effect.fnUntraced(function* (preview: string, author: TestUser, subject?: TestUser) {
        const { lastMessage } = yield* itemOf(ada, group)
        assert.strictEqual(lastMessage.preview, preview)
        assert.strictEqual(lastMessage.senderId, author.id)
        assert.strictEqual(lastMessage.sender?.id, author.id)
        if (subject !== undefined) assert.strictEqual(lastMessage.subject?.id, subject.id)
        seen.add((lastMessage.event as { readonly event: string }).event)
      })
      yield* expect("Ada L created the group", ada)
      yield* call(ada, "PATCH", path, { name: "Engines" })
      yield* expect("Ada L renamed the group to Engines", ada)
      yield* call(ada, "PATCH", path, { name: null })
      yield* expect("Ada L took the group's name away", ada)
      yield* call(ada, "PATCH", path, { description: "All of them" })
      yield* expect("Ada L changed the description", ada)
      yield* call(ada, "PATCH", path, { history: "since_joining" })
      yield* expect("Ada L changed who sees the history", ada)
      yield* call(ada, "PUT", `${path}/participants/${tim.id}`, {})
      yield* expect("Ada L added Tim B", ada, tim)
      yield* call(ada, "PUT", `${path}/participants/${tim.id}`, { role: "admin" })
      yield* expect("Tim B is now an admin", ada, tim)
      yield* call(tim, "DELETE", `${path}/participants/${tim.id}`)
      yield* expect("Tim B left", tim, tim)
      yield* call(ada, "DELETE", `${path}/participants/${grace.id}`)
      yield* expect("Ada L removed Grace H", ada, grace)
      assert.sameMembers(
        [...seen],
        SystemContent.members.map(({ fields }) => fields.event.literal)
      )
    })
  )

  it.effect("mentions are counted, as well as unread messages", () =>
    Effect.gen(function* () {
      const [ada, grace] = [yield* signedIn(), yield* signedIn()]
      const group = yield* groupOf(ada, grace)
      const first = yield* send(ada, group, `hello @${grace.account.username}`)
      yield* send(ada, group, "anybody?")
      yield* send(ada, group, `@${grace.account.username}!`)
      assert.include(yield* itemOf(grace, group), { unreadCount: 3, mentionCount: 2 })
      yield* call(grace, "PUT", `/conversations/${group}/receipt`, { readSeq: first.seq })
      assert.include(yield* itemOf(grace, group), { unreadCount: 2, mentionCount: 1 })
    })
  )

  it.effect("a conversation has its first few participants, and the number of all", () =>
    Effect.gen(function* () {
      const ada = yield* signedIn()
      const others = yield* Effect.forEach(Array.from({ length: maxParticipantsListed + 2 }), () => signedIn())
      const group = yield* groupOf(ada, ...others)
      const { participantCount, participants } = yield* itemOf(ada, group)
      assert.strictEqual(participantCount, others.length + 1)
      assert.lengthOf(participants, maxParticipantsListed)
      const ids = others.map(({ id }): string => id)
      assert.isTrue(participants.every(({ id }) => ids.includes(id)))
      // All of them, page by page.
      const found: Array<string> = []
      let cursor: string | null = null
      do {
        const query: string = cursor === null ? "" : `&cursor=${cursor}`
        const { body } = yield* call(ada, "GET", `/conversations/${group}/participants?limit=3${query}`)
        const page = body as { readonly participants: ReadonlyArray<Profile>; readonly cursor: string | null }
        assert.isAtMost(page.participants.length, 3)
        found.push(...page.participants.map(({ id }) => id))
        cursor = page.cursor
      } while (cursor !== null)
      assert.lengthOf(found, others.length + 1)
      assert.sameMembers(found, [ada.id, ...ids])
    })
  )

  it.effect("one request returns many people, and leaves out unknown ones", () =>
    Effect.gen(function* () {
      const [ada, grace] = [yield* signedIn(), yield* signedIn()]
      const { body } = yield* call(ada, "GET", `/users?ids=${grace.id},${randomUUID()},${ada.id},${grace.id}`)
      const users = (body as { readonly users: ReadonlyArray<Profile> }).users
      assert.sameMembers(
        users.map(({ id }) => id),
        [ada.id, grace.id]
      )
      const single = yield* call(ada, "GET", `/users/${grace.id}`)
      assert.deepStrictEqual(
        users.find(({ id }) => id === grace.id),
        single.body as Profile
      )
      const tooMany = Array.from({ length: 101 }, () => randomUUID()).join()
      assert.strictEqual((yield* call(ada, "GET", `/users?ids=${tooMany}`)).status, 422)
      assert.strictEqual((yield* call(ada, "GET", "/users")).status, 422)
      assert.strictEqual((yield* call(ada, "GET", `/users?ids=${ada.id}&query=ada`)).status, 422)
    })
  )

  for (const encoding of encodings) {
    it.effect(`another person's new name, picture or receipt changes the item, and no other (${encoding})`, () =>
      Effect.gen(function* () {
        const [ada, grace] = [yield* signedIn(), yield* signedIn()]
        const group = yield* groupOf(ada, grace)
        const other = yield* groupOf(ada)
        const { seq } = yield* send(ada, group, "hello")
        const there = yield* subscribe(ada, encoding)
        yield* Effect.promise(() => there.next())
        const changes: ReadonlyArray<Effect.Effect<unknown, never, TestServer>> = [
          call(grace, "PATCH", "/auth/me", { displayName: "Amazing Grace" }),
          call(grace, "PATCH", "/auth/me", { avatarUrl: "https://example.com/grace.png" }),
          call(grace, "PUT", `/conversations/${group}/receipt`, { deliveredSeq: seq }),
          call(grace, "PUT", `/conversations/${group}/receipt`, { readSeq: seq })
        ]
        for (const change of changes) {
          const { page, version } = there
          yield* change
          const now = yield* inboxOf(ada)
          assert.notDeepEqual(now, page)
          yield* Effect.promise(() => there.reach(now))
          assert.strictEqual(there.page?.conversations[other], page?.conversations[other])
          const back = yield* subscribe(ada, encoding, { version, page })
          yield* Effect.promise(() => back.next())
          assert.deepStrictEqual(back.page, now)
        }
        const item = there.page?.conversations[group] as Item
        assert.isTrue(item.lastMessage.isRead)
      })
    )
  }

  it.effect("in a group too large for everyone's receipts, no receipt changes an item", () =>
    Effect.gen(function* () {
      const ada = yield* signedIn()
      const others = yield* Effect.forEach(Array.from({ length: maxReceiptsListed }), () => signedIn(), {
        concurrency: 4
      })
      const group = yield* groupOf(ada, ...others)
      const { seq } = yield* send(ada, group, "hello")
      yield* Effect.forEach(others, (user) => call(user, "PUT", `/conversations/${group}/receipt`, { readSeq: seq }))
      const { isDelivered, isRead } = (yield* itemOf(ada, group)).lastMessage
      assert.deepStrictEqual({ isDelivered, isRead }, { isDelivered: false, isRead: false })
    })
  )
})
