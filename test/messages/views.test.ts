import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Blocks } from "../../src/friends/Blocks.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { TestServices } from "../../src/testing/index.ts"
import { groupOf, people, post } from "../world.ts"

layer(TestServices)("Views", (it) => {
  it.effect("that are asked together are those that are asked one by one", () =>
    Effect.gen(function* () {
      const messages = yield* Messages
      const blocks = yield* Blocks
      const everyone = yield* people("ada", "grace", "eve", "alan", "linus", "bob")
      const [ada, grace, eve, alan, linus, bob] = everyone
      const all = yield* groupOf(everyone)
      // Nobody in it is concerned by the block between Eve and Linus, though Eve is by one of hers elsewhere.
      const without = yield* groupOf([ada, grace, eve])
      const late = yield* groupOf([alan, linus], { history: "since_joining" })
      const conversations = [all, without, late]
      yield* post(ada, all, "before the blocks")
      yield* post(linus, late, "to the two of us")
      yield* blocks.block(eve.id, linus.id)
      yield* blocks.block(grace.id, ada.id)
      yield* post(ada, all, "after them")
      yield* post(eve, without, "here too")
      yield* post(bob, all, "and later")
      const asked = conversations.flatMap((id) => everyone.map((person) => [person.id, id] as const))
      const see = ([viewer, id]: (typeof asked)[number]) => Effect.result(messages.view(viewer, id))
      const oneByOne = yield* Effect.forEach(asked, see)
      const together = yield* Effect.forEach([...asked, ...asked], see, { concurrency: "unbounded" })
      assert.deepStrictEqual(together, [...oneByOne, ...oneByOne])
      assert.deepStrictEqual(
        [all, without, late].map(
          (id) => asked.filter(([, asked], place) => asked === id && oneByOne[place]?._tag === "Success").length
        ),
        [6, 3, 2]
      )
    })
  )
})
