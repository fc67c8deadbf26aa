import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { createClient } from "../../src/client/index.ts"
import { TestServer } from "../../src/testing/index.ts"
import { groupOf, people, wholeLog } from "../world.ts"

layer(TestServer.layer, { excludeTestServices: true })("Messages that wait in the client", (it) => {
  it.effect("go together, in their order, and one that is refused holds up no other", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      const { baseUrl, fetch } = yield* TestServer
      const methods: Array<string | undefined> = []
      const count: typeof fetch = (url, init) => {
        if (init?.body !== undefined) methods.push(init.method)
        return fetch(url, init)
      }
      yield* Effect.promise(async () => {
        await using client = createClient({ url: baseUrl, token: () => ada.token, fetch: count })
        const conversation = client.conversation(id)
        const contents = Array.from({ length: 40 }, (_, n) => (n === 20 ? "" : `message ${n}`))
        const sent = await Promise.allSettled(contents.map((content) => conversation.send(content).sent))
        assert.deepStrictEqual(
          sent.map(({ status }) => status),
          contents.map((content) => (content === "" ? "rejected" : "fulfilled"))
        )
      })
      const log = yield* wholeLog(id)
      assert.deepStrictEqual(
        log.slice(1).map(({ message }) => message.content),
        Array.from({ length: 40 }, (_, n) => `message ${n}`).filter((_, n) => n !== 20)
      )
      assert.include(methods, "POST")
      assert.isAtMost(methods.length, 3)
    })
  )
})
