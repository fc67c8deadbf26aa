import { assert, layer } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { Position } from "../../src/contract/Conversation.ts"
import { maxContentBytes, maxVersionBytes, maxVersions, type MessageVersion } from "../../src/contract/Message.ts"
import { MessageChanges, type Target } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { pageBytes } from "../../src/contract/Paging.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { groupOf, newId, people, refusal, text } from "../world.ts"

const bytesOf = (versions: ReadonlyArray<MessageVersion>) =>
  versions.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0)

/** The whole history, read by pages, and the pages. */
const readHistory = Effect.fnUntraced(function* ({ id }: TestUser, target: Target, limit: number) {
  const changes = yield* MessageChanges
  const pages: Array<ReadonlyArray<MessageVersion>> = []
  let after: Position | null | undefined
  while (after !== null) {
    const page: Effect.Success<ReturnType<typeof changes.history>> = yield* changes.history(id, target, limit, after)
    pages.push(page.versions)
    after = page.next
  }
  return { pages, versions: pages.flat() }
})

const world = Effect.gen(function* () {
  const [ada, grace] = yield* people("ada", "grace")
  const id = yield* groupOf([ada, grace])
  const target = { conversationId: id, id: newId() }
  const messages = yield* Messages
  const send = (content: string) => messages.send(ada.id, id, target.id, text(content))
  const changes = yield* MessageChanges
  return { ada, grace, target, send, edit: (content: string) => changes.edit(ada.id, target, content) }
})

/** The contents that must be kept, of all earlier contents of a message after its latest edit. */
const kept = (contents: ReadonlyArray<string>) => {
  const [first = assert.fail(), ...later] = contents
  let bytes = Buffer.byteLength(first)
  const latest: Array<string> = []
  for (const content of later.toReversed()) {
    bytes += Buffer.byteLength(content)
    if (latest.length >= maxVersions - 1 || bytes > maxVersionBytes) break
    latest.unshift(content)
  }
  return [first, ...latest]
}

layer(TestServices)("The history of a message", (it) => {
  it.effect("has the first content and the latest ones, up to the limit", () =>
    Effect.gen(function* () {
      const { ada, edit, send, target } = yield* world
      const contents = Array.from({ length: maxVersions + 10 }, (_, n) => `content ${n}`)
      yield* send(contents[0] ?? "")
      yield* Effect.forEach(contents.slice(1), edit)
      const { pages, versions } = yield* readHistory(ada, target, 30)
      assert.deepStrictEqual(
        pages.map(({ length }) => length),
        [30, 30, 30, 10]
      )
      assert.deepStrictEqual(
        versions.map(({ content }) => content),
        kept(contents.slice(0, -1))
      )
      assert.deepStrictEqual((yield* readHistory(ada, target, 200)).versions, versions)

      // The first content, too, is still known.
      assert.isFalse((yield* send("content 0")).created)
      assert.strictEqual(yield* refusal(send("content 1")), "MessageIdReused")
    })
  )

  const anySizes = Arbitrary.array(Arbitrary.schema(Schema.Literals([1, 1_000, 20_000, maxContentBytes])), {
    minLength: 1,
    maxLength: 40
  })
  it.effect.prop(
    "is bounded in bytes after any edits, and so is each page of it",
    [anySizes],
    ([sizes]) =>
      Effect.gen(function* () {
        const { ada, edit, send, target } = yield* world
        const contents = sizes.map((size, n) => `${n}`.padEnd(size, "\u0001"))
        yield* send(contents[0] ?? "")
        yield* Effect.forEach(contents.slice(1), edit)
        yield* edit("the last")
        const { pages, versions } = yield* readHistory(ada, target, 200)
        assert.deepStrictEqual(
          versions.map(({ content }) => content.length),
          kept(contents).map(({ length }) => length)
        )
        assert.isAtMost(bytesOf(versions), maxVersionBytes)
        for (const page of pages) assert.isBelow(bytesOf(page.slice(0, -1)), pageBytes)
        assert.isFalse((yield* send(contents[0] ?? "")).created)
      }),
    { arbitrary: { runs: 5 } }
  )

  it.effect("that an older server left too long is within the limit after the next edit", () =>
    Effect.gen(function* () {
      const { ada, edit, send, target } = yield* world
      const sql = yield* SqlClient.SqlClient
      yield* send("first")
      yield* edit("second")
      yield* sql`
        INSERT INTO message_versions (conversation_id, message_id, version, content, written_at)
        SELECT ${target.conversationId}, ${target.id}, -n, 'older ' || n, now() FROM generate_series(1, 300) n`
      assert.isAbove((yield* readHistory(ada, target, 200)).versions.length, 0)
      yield* edit("third")
      const [row] = yield* sql<{ count: number; first: number }>`
        SELECT count(*)::int AS count, min(version)::int AS first FROM message_versions WHERE message_id = ${target.id}`
      assert.deepStrictEqual(row, { count: maxVersions, first: -300 })
    })
  )
})
