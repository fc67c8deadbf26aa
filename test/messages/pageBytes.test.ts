import { assert, layer } from "@effect/vitest"
import { Array as Arrays, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Position, type ConversationId } from "../../src/contract/Conversation.ts"
import { maxContentBytes, toJson, type MessageId, type MessagePage } from "../../src/contract/Message.ts"
import type { View } from "../../src/messages/LogView.ts"
import type { PageRequest } from "../../src/messages/MessagePages.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { pageBytes } from "../../src/contract/Paging.ts"
import type { SearchPosition } from "../../src/contract/SearchPage.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { Search } from "../../src/search/Search.ts"
import { TestServices } from "../../src/testing/index.ts"
import { findMessages, groupOf, headOf, people, post } from "../world.ts"

const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value))

/** The longest message as JSON: its content, of which JSON escapes each character, and its reactions. */
const longest = 6 * maxContentBytes + 32_768

const assertBounded = (page: MessagePage, more = 1) =>
  assert.isBelow(Buffer.byteLength(toJson(page)), pageBytes + more * longest)

/** Follows a cursor to the end of the log; gives the positions in the order in which they came. */
const walk = (
  id: ConversationId,
  view: View,
  direction: "before" | "after",
  request: PageRequest,
  seen: ReadonlyArray<number> = []
): Effect.Effect<ReadonlyArray<number>, unknown, Messages> =>
  Effect.gen(function* () {
    const page = yield* (yield* Messages).page(id, view, request)
    assertBounded(page)
    const positions = page.messages.map(({ seq }) => seq)
    const all = direction === "before" ? [...positions, ...seen] : [...seen, ...positions]
    const cursor = page[direction]
    return cursor === null
      ? all
      : yield* walk(id, view, direction, { limit: request.limit, [direction]: Position.make(Number(cursor)) }, all)
  })

layer(TestServices)("A page of messages", (it) => {
  it.effect(
    "however long the messages, has at most so many bytes, and its cursors lead to every other message once",
    () =>
      Effect.gen(function* () {
        const [ada, grace] = yield* people("ada", "grace")
        const id = yield* groupOf([ada, grace])
        // Characters that JSON escapes, at the greatest length, among short messages.
        yield* Effect.forEach(Arrays.range(1, 40), (n) =>
          post(ada, id, n % 3 === 0 ? `${n}` : "\u0001".repeat(maxContentBytes - (n % 5)))
        )
        const head = yield* headOf(ada, id)
        const log = Arrays.range(1, head)
        const view = yield* (yield* Messages).view(ada.id, id)
        for (const limit of [1, 3, 50, 200]) {
          assert.deepStrictEqual(yield* walk(id, view, "before", { limit }), log)
          assert.deepStrictEqual(yield* walk(id, view, "after", { limit, after: Position.make(0) }), log)
          for (const around of [1, 20, head].map((position) => Position.make(position))) {
            const page = yield* (yield* Messages).page(id, view, { limit, around })
            // Both sides have one message more than fits.
            assertBounded(page, 2)
            const earlier =
              page.before === null
                ? []
                : yield* walk(id, view, "before", { limit, before: Position.make(Number(page.before)) })
            const later =
              page.after === null
                ? []
                : yield* walk(id, view, "after", { limit, after: Position.make(Number(page.after)) })
            assert.deepStrictEqual([...earlier, ...page.messages.map(({ seq }) => seq), ...later], log)
            assert.include(
              page.messages.map(({ seq }) => seq),
              around
            )
          }
        }
        const page = yield* (yield* Messages).page(id, view, { limit: 200 })
        assert.isBelow(page.messages.length, 20)
        assert.isAbove(page.messages.length, 1)
      })
  )

  it.effect("has at most so many bytes with the most reactions to each, and its cursors lead to the others", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, ...others] = yield* people("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k")
      const id = yield* groupOf([ada, ...others])
      yield* Effect.forEach(Arrays.range(1, 40), (n) => post(ada, id, `needle ${n}`))
      yield* sql`
        INSERT INTO message_reactions (conversation_id, message_id, user_id, emoji)
        SELECT ${id}::uuid, m.id, p.user_id, ':' || repeat('x', 60) || e || ':'
        FROM chat_messages m, conversation_participants p, generate_series(10, 59) e
        WHERE m.conversation_id = ${id} AND p.conversation_id = ${id} AND m.message_type = 'text'`
      const head = yield* headOf(ada, id)
      const view = yield* (yield* Messages).view(ada.id, id)
      const newest = yield* (yield* Messages).page(id, view, { limit: 200 })
      assertBounded(newest)
      assert.isAbove(bytesOf(newest), pageBytes / 2)
      assert.deepStrictEqual(yield* walk(id, view, "before", { limit: 200 }), Arrays.range(1, head))
      assert.deepStrictEqual(
        yield* walk(id, view, "after", { limit: 200, after: Position.make(0) }),
        Arrays.range(1, head)
      )
      const entries = yield* (yield* Messages).since(id, Position.make(0), 200)
      assert.isBelow(entries.length, newest.messages.length + 5)

      const found: Array<number> = []
      let after: SearchPosition | undefined
      do {
        const result = yield* (yield* Search).search(ada.id, { query: "needle", limit: 200, after })
        assert.isBelow(bytesOf(result.messages), pageBytes + longest)
        found.push(...result.messages.map(({ seq }) => seq))
        after = result.next ?? undefined
      } while (after !== undefined)
      assert.lengthOf(found, 40)
      assert.lengthOf(Arrays.dedupe(found), 40)
    })
  )

  it.effect("says that there are others only where there are", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada], { history: "since_joining" })
      const early = yield* post(ada, id, "before")
      yield* (yield* Participants).add(ada.id, id, grace.id)
      const change = (message: { readonly id: MessageId }, emoji: string) =>
        MessageChanges.use((changes) => changes.react(ada.id, { conversationId: id, id: message.id }, emoji))
      // Positions without a message that was posted there: before what Grace sees, between, and at the end.
      yield* change(early, "👍")
      const posted = yield* Effect.forEach(Arrays.range(1, 4), (n) => post(ada, id, `${n}`))
      yield* change(posted[1]!, "👍")
      yield* change(posted[3]!, "👍")
      for (const { id: viewer } of [ada, grace]) {
        const messages = yield* Messages
        const view = yield* messages.view(viewer, id)
        const all = (yield* messages.page(id, view, { limit: 200 })).messages.map(({ seq }) => seq)
        for (const position of Arrays.range(0, view.head + 1).map((n) => Position.make(n))) {
          for (const limit of [1, 2, 200]) {
            for (const request of [{ before: position }, { after: position }, { around: position }]) {
              const page = yield* messages.page(id, view, { limit, ...request })
              const [first, last] = [page.messages[0]?.seq, page.messages.at(-1)?.seq]
              if (first === undefined || last === undefined) continue
              const at = `${JSON.stringify({ limit, ...request })} of ${all.join()}`
              assert.strictEqual(page.before, all.some((seq) => seq < first) ? `${first}` : null, at)
              assert.strictEqual(page.after, all.some((seq) => seq > last) ? `${last}` : null, at)
            }
          }
        }
      }
    })
  )

  it.effect("a search has at most so many bytes", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada, grace])
      yield* Effect.forEach(Arrays.range(1, 20), () => post(ada, id, `needle ${"hay ".repeat(16_000)}`))
      const found = yield* findMessages(ada, "needle")
      assert.isAbove(found.length, 0)
      assert.isBelow(found.length, 12)
    })
  )
})
