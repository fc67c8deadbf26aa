import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Blocks } from "../../src/friends/Blocks.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Search } from "../../src/search/Search.ts"
import { TestServer, type TestUser } from "../../src/testing/index.ts"
import { Copy, encodings, toldOfLog, type Encoding } from "../../src/conformance/Subscriber.ts"
import { groupOf, people, post } from "../world.ts"

const one = (emoji: string, ...users: ReadonlyArray<TestUser>) => ({
  emoji,
  count: users.length,
  userIds: users.map(({ id }) => id)
})

const world = Effect.gen(function* () {
  const [ada, bob, grace] = yield* people("ada", "bob", "grace")
  const id = yield* groupOf([ada, bob, grace])
  const message = yield* post(ada, id, "what do you think?")
  const target = { conversationId: id, id: message.id }
  const changes = yield* MessageChanges
  yield* changes.react(bob.id, target, "👍")
  yield* changes.react(grace.id, target, "👍")
  yield* changes.react(bob.id, target, "🎉")
  return { ada, bob, grace, id, target, changes, blocks: yield* Blocks, messages: yield* Messages }
})

/** Follows a log in one encoding until the scope closes. Waits until the copy is as expected. */
const follow = Effect.fnUntraced(function* ({ token }: TestUser, id: string, encoding: Encoding) {
  const { baseUrl, fetch } = yield* TestServer
  const leaving = new AbortController()
  const updates = toldOfLog(
    { fetch, token, url: `${baseUrl}/api/conversations/${id}/messages` },
    encoding,
    undefined,
    leaving.signal
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => leaving.abort()))
  let copy = new Copy(undefined, [])
  const copies: Array<Copy> = []
  const until = (version: number) =>
    Effect.promise(async () => {
      while (Number(copy.version ?? -1) < version) {
        const { value } = await updates.next()
        if (value === undefined) return assert.fail("the stream ended")
        copies.push((copy = copy.with(value)))
      }
      return copy
    })
  return { until, copies }
})

layer(TestServer.layerSocket)("A reaction of somebody whom I block", (it) => {
  it.effect("is in no message, count or list for me, and is there for all others, until I unblock them", () =>
    Effect.gen(function* () {
      const { ada, blocks, bob, changes, grace, id, messages, target } = yield* world
      const search = yield* Search
      const seenBy = Effect.fnUntraced(function* (viewer: TestUser) {
        const single = yield* messages.get(viewer.id, id, target.id)
        const view = yield* messages.view(viewer.id, id)
        const page = yield* messages.page(id, view, { limit: 10 })
        const { messages: found } = yield* search.search(viewer.id, { query: "think", conversationId: id, limit: 10 })
        assert.deepStrictEqual(page.messages.at(-1)?.reactions, single.reactions)
        assert.deepStrictEqual(found[0]?.reactions, single.reactions)
        for (const { count, emoji, userIds } of single.reactions) {
          const { items } = yield* changes.reactors(viewer.id, target, emoji, 10, undefined)
          assert.deepStrictEqual(
            items.map((reactor) => reactor.id),
            userIds
          )
          assert.strictEqual(count, userIds.length)
        }
        return single.reactions
      })
      const all = [one("👍", bob, grace), one("🎉", bob)]
      assert.deepStrictEqual(yield* seenBy(ada), all)
      yield* blocks.block(ada.id, bob.id)
      assert.deepStrictEqual(yield* seenBy(ada), [one("👍", grace)])
      assert.deepStrictEqual((yield* changes.reactors(ada.id, target, "🎉", 10, undefined)).items, [])
      assert.deepStrictEqual(yield* seenBy(grace), all)
      assert.deepStrictEqual(yield* seenBy(bob), all)
      yield* blocks.unblock(ada.id, bob.id)
      assert.deepStrictEqual(yield* seenBy(ada), all)
    })
  )

  for (const encoding of encodings) {
    it.effect(`is not told by a stream (${encoding}), which forgets the earlier ones at the block`, () =>
      Effect.gen(function* () {
        const { ada, blocks, bob, changes, grace, id, messages, target } = yield* world
        const { until: asAda, copies } = yield* follow(ada, id, encoding)
        const { until: asGrace } = yield* follow(grace, id, encoding)
        const reactions = ({ messages }: Copy) => messages.find((message) => message.id === target.id)?.reactions
        const head = Effect.map(messages.view(ada.id, id), (view) => view.head)
        assert.deepStrictEqual(reactions(yield* asAda(yield* head)), [one("👍", bob, grace), one("🎉", bob)])

        yield* blocks.block(ada.id, bob.id)
        const before = copies.length
        yield* changes.react(bob.id, target, "😀")
        assert.deepStrictEqual(reactions(yield* asAda(yield* head)), [one("👍", grace)])
        yield* changes.unreact(bob.id, target, "👍")
        yield* changes.react(ada.id, target, "👍")
        yield* post(grace, id, "more")
        assert.deepStrictEqual(reactions(yield* asAda(yield* head)), [one("👍", grace, ada)])
        for (const copy of copies.slice(before)) {
          assert.notInclude(JSON.stringify(copy.messages.map((message) => message.reactions)), bob.id)
        }
        assert.deepStrictEqual(reactions(yield* asGrace(yield* head)), [
          one("👍", grace, ada),
          one("🎉", bob),
          one("😀", bob)
        ])

        yield* blocks.unblock(ada.id, bob.id)
        yield* post(grace, id, "even more")
        assert.deepStrictEqual(reactions(yield* asAda(yield* head)), [
          one("👍", grace, ada),
          one("🎉", bob),
          one("😀", bob)
        ])
      })
    )
  }
})
