import { assert, describe, it, layer } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { ConversationId } from "../../src/contract/Conversation.ts"
import { firstIncarnation } from "../../src/contract/Incarnation.ts"
import { formatInboxVersion, parseInboxVersion } from "../../src/inbox/InboxVersion.ts"
import { digestKey, greatestDigest, mostDigests } from "../../src/inbox/ItemDigests.ts"
import { signedIn, TestServer, type TestUser } from "../../src/testing/index.ts"
import { call } from "../friends/caller.ts"
import { encodings } from "../../src/conformance/Subscriber.ts"
import { inboxOf, subscribe, type Page, type Subscriber } from "./subscriber.ts"

const done = Effect.fnUntraced(function* (...[user, method, path, json]: Parameters<typeof call>) {
  const { body, status } = yield* call(user, method, path, json)
  assert.include([200, 201, 204], status, `${method} ${path}: ${JSON.stringify(body)}`)
  return body as { readonly id: string; readonly seq: number }
})

const write = (user: TestUser, conversation: string, content: string) =>
  done(user, "PUT", `/conversations/${conversation}/messages/${randomUUID()}`, { content })

/** Ada blocks Bob. They share a direct conversation and two groups with Carol, and Ada has one more with Carol. */
const world = Effect.gen(function* () {
  const [ada, bob, carol] = [yield* signedIn(), yield* signedIn(), yield* signedIn()]
  const { id: direct } = yield* done(ada, "PUT", `/conversations/direct/${bob.id}`)
  const [group, second, apart] = [
    yield* done(carol, "POST", "/conversations", { participantIds: [ada.id, bob.id] }),
    yield* done(carol, "POST", "/conversations", { participantIds: [ada.id, bob.id] }),
    yield* done(carol, "POST", "/conversations", { participantIds: [ada.id] })
  ]
  const own = yield* write(ada, group.id, "hello")
  yield* done(carol, "PUT", `/conversations/${group.id}/participants/${bob.id}`, { role: "admin" })
  yield* done(ada, "PUT", `/friends/blocks/${bob.id}`)
  return { ada, bob, carol, direct, group: group.id, second: second.id, apart: apart.id, own }
})

type World = Effect.Success<typeof world>

/** All acts of Bob in the conversations that he shares with Ada. */
const act = Effect.fnUntraced(function* ({ ada, bob, direct, group, own, second }: World) {
  const messages = `/conversations/${group}/messages`
  yield* write(bob, direct, "are you there?")
  yield* write(bob, second, "anybody?")
  const { id, seq } = yield* write(bob, group, `@${ada.account.username}!`)
  yield* done(bob, "PATCH", `${messages}/${id}`, { content: `hello @${ada.account.username}` })
  yield* done(bob, "PUT", `${messages}/${own.id}/reactions/${encodeURIComponent("👍")}`)
  yield* done(bob, "DELETE", `${messages}/${own.id}/reactions/${encodeURIComponent("👍")}`)
  yield* done(bob, "PUT", `/conversations/${group}/receipt`, { readSeq: seq })
  yield* done(bob, "POST", `/conversations/${group}/typing`, {})
  yield* done(bob, "DELETE", `${messages}/${id}`)
  yield* done(bob, "PATCH", "/auth/me", { displayName: "Robert" })
})

const changed = (before: Page | undefined, after: Page | undefined) =>
  Object.keys(after?.conversations ?? {}).filter((id) => before?.conversations[id] !== after?.conversations[id])

layer(TestServer.layer, { excludeTestServices: true })("Somebody who blocks a person and follows the inbox", (it) => {
  const next = (subscriber: Subscriber) => Effect.promise(() => subscriber.next())

  for (const encoding of encodings) {
    it.effect(`gets nothing of the blocked person's acts, live or after a resume (${encoding})`, () =>
      Effect.gen(function* () {
        const ours = yield* world
        const { ada, apart, carol } = ours
        // The name of the other person in a direct conversation is public. It is all that changes here.
        yield* done(ours.bob, "PATCH", "/auth/me", { displayName: "Robert" })
        const there = yield* subscribe(ada, encoding)
        yield* next(there)
        const { page, version } = there
        yield* act(ours)
        assert.deepStrictEqual(yield* inboxOf(ada), page)
        yield* write(carol, apart, "hello")
        const now = yield* inboxOf(ada)
        assert.deepStrictEqual(yield* next(there), now)
        assert.deepStrictEqual(changed(page, there.page), [apart])

        yield* act(ours)
        for (const resumed of encodings) {
          const back = yield* subscribe(ada, resumed, { version, page })
          assert.deepStrictEqual(yield* next(back), now)
          assert.deepStrictEqual(changed(page, back.page), [apart])
          yield* Effect.promise(() => back.leave())
        }
      })
    )

    it.effect(`misses no act of others there, and no end of a block (${encoding})`, () =>
      Effect.gen(function* () {
        const { ada, bob, carol, group, second } = yield* world
        const there = yield* subscribe(ada, encoding)
        yield* next(there)
        const rename = (user: TestUser, name: string | null) => done(user, "PATCH", `/conversations/${group}`, { name })
        const changes: ReadonlyArray<Effect.Effect<unknown, never, TestServer>> = [
          write(carol, group, "hello"),
          rename(bob, "Looms"),
          rename(bob, null),
          rename(bob, "Looms"),
          done(carol, "DELETE", `/conversations/${group}/participants/${ada.id}`),
          done(carol, "PUT", `/conversations/${group}/participants/${ada.id}`),
          done(carol, "DELETE", `/conversations/${group}/participants/${bob.id}`),
          write(carol, group, "hello again"),
          done(carol, "PUT", `/conversations/${group}/participants/${bob.id}`),
          done(ada, "DELETE", `/friends/blocks/${bob.id}`),
          write(bob, group, "hello"),
          done(ada, "PUT", `/friends/blocks/${bob.id}`)
        ]
        for (const change of changes) {
          const { page, version } = there
          yield* change
          const now = yield* inboxOf(ada)
          yield* Effect.promise(() => there.reach(now))
          const back = yield* subscribe(ada, encoding, { version, page })
          yield* Effect.promise(() => back.reach(now))
          yield* Effect.promise(() => back.leave())
          yield* write(bob, second, "anybody?")
        }
      })
    )
  }
})

describe("The version of an inbox", () => {
  const anyDigests = Arbitrary.array(
    Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: greatestDigest }))),
    {
      maxLength: mostDigests + 8
    }
  )

  it.prop("keeps the digests of the items that changed last", { digests: anyDigests }, ({ digests }) => {
    const entries = digests.map((digest) => [digestKey(ConversationId.make(randomUUID())), digest] as const)
    const version = formatInboxVersion({
      incarnation: firstIncarnation,
      horizon: { next: 900, running: [] },
      count: 3,
      last: null,
      revision: 5,
      seen: [],
      digests: new Map(entries)
    })
    assert.isBelow(version.length, 700)
    assert.deepStrictEqual([...(parseInboxVersion(version)?.digests ?? [])], entries.slice(-mostDigests))
  })
})
