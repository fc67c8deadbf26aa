import { assert, describe, it, vi } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { TestDatabase } from "../../src/testing/index.ts"
import { twoPeople } from "../../src/conformance/Client.ts"
import { startServer } from "../serverProcess.ts"

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

const backup = fileURLToPath(new URL("../../docs/backup.md", import.meta.url))

/** The statements in the guide for a database that was restored to an earlier state. */
const statements = Effect.promise(async () => {
  const [, section = ""] = (await readFile(backup, "utf8")).split("### What clients have seen")
  const [sayLost = "", signOut = ""] = [...section.matchAll(/```sql\n([^]*?)```/g)].map(([, block = ""]) => block)
  return { sayLost, signOut }
})

interface Inbox {
  readonly conversations: Readonly<Record<string, { readonly lastMessage: { readonly preview: string } }>>
  readonly requests?: ReadonlyArray<unknown>
}

describe("a database restored to an earlier time by the documented steps", () => {
  it.live("sends a snapshot to clients that saw lost changes, and signs everybody out", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { baseUrl, line } = yield* startServer("node", (yield* TestDatabase).url)
      const { conversation, grace } = yield* Effect.promise(() => twoPeople({ url: baseUrl }))
      const send = (content: string) => Effect.promise(() => grace.send(conversation, content))
      const since = (version: number) =>
        Effect.promise(() =>
          grace.get<{ updates: ReadonlyArray<{ snapshot?: { messages: ReadonlyArray<{ content: string }> } }> }>(
            `${conversation}/messages?wait=1s&after=${version}`
          )
        )
      const follow = (version: string) =>
        Effect.promise(() =>
          grace.get<{ updates: ReadonlyArray<{ snapshot?: Inbox; change?: Inbox }> }>(
            `/api/inbox?wait=1s&after=${version}`
          )
        )
      yield* send("kept")
      const lost = yield* send("lost")
      yield* sql`DELETE FROM chat_messages WHERE id = ${lost.id}`
      yield* sql`UPDATE conversations SET head = head - 1`
      const [{ horizon } = assert.fail()] = yield* sql<{ horizon: number }>`
        SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS horizon`
      const { sayLost, signOut } = yield* statements
      yield* sql.unsafe(sayLost)
      yield* line(/The database has lost commits/)
      yield* send("new")
      // Another message now has the version of the lost one.
      const { updates } = (yield* since(lost.version)).body
      assert.deepStrictEqual(
        updates.map(({ snapshot }) => snapshot?.messages.map(({ content }) => content)),
        [["kept", "new"]]
      )
      const [picture] = (yield* follow(`${horizon}.1.0.0`)).body.updates
      assert.deepStrictEqual(
        Object.values(picture?.snapshot?.conversations ?? {}).map(({ lastMessage }) => lastMessage.preview),
        ["new"]
      )
      yield* sql.unsafe(signOut)
      assert.strictEqual((yield* since(lost.version)).status, 401)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
