import { assert, layer } from "@effect/vitest"
import { Array as Arrays, Effect } from "effect"
import { Position, type ConversationId } from "../../src/contract/Conversation.ts"
import { maxContentBytes, toJson, type MessagePage } from "../../src/contract/Message.ts"
import type { View } from "../../src/messages/LogView.ts"
import type { PageRequest } from "../../src/messages/MessagePages.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { pageBytes } from "../../src/contract/Paging.ts"
import { TestServices } from "../../src/testing/index.ts"
import { findMessages, groupOf, headOf, people, post } from "../world.ts"

const bytesOf = ({ content }: MessagePage["messages"][number]) =>
  typeof content === "string" ? Buffer.byteLength(content) : 0

/** The members of a message other than its content. */
const envelope = 2_048

const assertBounded = (page: MessagePage) => {
  const sizes = page.messages.map(bytesOf)
  const all = Arrays.reduce(sizes, 0, (sum, size) => sum + size)
  assert.isAtMost(all, pageBytes + 2 * maxContentBytes)
  assert.isAtMost(Buffer.byteLength(toJson(page)), 6 * (pageBytes + 2 * maxContentBytes) + envelope * sizes.length)
}

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
            assertBounded(page)
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
