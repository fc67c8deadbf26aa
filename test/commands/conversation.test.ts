import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestDatabase } from "../../src/testing/index.ts"
import { twoPeople, type Conversation, type Page } from "../../src/conformance/Client.ts"
import { startServer } from "../serverProcess.ts"
import { xfchat } from "./command.ts"

describe("xfchat conversation", () => {
  it.live("shows a group without its messages, and hands it over under a running server", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const { baseUrl } = yield* startServer("node", url)
      const { ada, grace, id, path } = yield* Effect.promise(async () => {
        const { ada, grace } = await twoPeople({ url: baseUrl })
        const made = await ada.post<Conversation>("/api/conversations", { name: "Engines", participantIds: [grace.id] })
        const { id } = made.body
        await ada.send(`/api/conversations/${id}`, "a canary")
        return { ada, grace, id, path: `/api/conversations/${id}` }
      })

      const shown = yield* xfchat(["conversation", "show", id.toUpperCase()])
      assert.strictEqual(shown.exit, 0, shown.errorOutput)
      assert.includeMembers(shown.output.split("\n"), [`Group ${id}`, 'Name: "Engines"', "Head: 2", "Participants: 2"])
      assert.match(shown.output, new RegExp(`^${ada.user.username} +owner +active$`, "m"))
      assert.match(shown.output, new RegExp(`^${grace.user.username} +member +active$`, "m"))
      assert.notInclude(shown.output + shown.errorOutput, "canary")

      const done = yield* xfchat(["conversation", "hand-over", id, "--to", grace.user.username.toUpperCase()])
      assert.strictEqual(done.exit, 0, done.errorOutput)
      const log = yield* Effect.promise(() => grace.get<Page>(`${path}/messages`))
      assert.deepStrictEqual(
        log.body.messages.slice(2).map(({ content, senderId }): unknown => ({ content, senderId })),
        [
          { event: "roleChanged", by: ada.id, user: ada.id, role: "admin" },
          { event: "roleChanged", by: ada.id, user: grace.id, role: "owner" }
        ].map((content) => ({ content, senderId: null }))
      )
      // The new owner may do what only owners may.
      assert.strictEqual((yield* Effect.promise(() => grace.request("DELETE", path))).status, 204)

      const refused = yield* xfchat(["conversation", "hand-over", id, "--to", grace.user.username])
      assert.deepStrictEqual([refused.exit, refused.output], [1, ""])
      assert.match(refused.errorOutput, /^There is no conversation .*\n$/)
      const malformed = yield* xfchat(["conversation", "show", "engines"])
      assert.strictEqual(malformed.exit, 2)
      assert.match(malformed.errorOutput, /must be a UUID/)
    }).pipe(Effect.provide(TestDatabase.layer))
  )
})
