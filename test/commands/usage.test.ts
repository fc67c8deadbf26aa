import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { having } from "../process/database.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { xfchat } from "./command.ts"

const cells = (output: string) =>
  output
    .trimEnd()
    .split("\n")
    .map((line) => line.trim().split(/\s+/))

describe("xfchat usage", () => {
  it.live("shows a month by user and metric, the heaviest user first, with totals", () =>
    Effect.gen(function* () {
      yield* having(
        "INSERT INTO users (username, email, password_hash) VALUES ('ada', 'a@example.com', ''), ('grace', 'g@example.com', '')",
        `INSERT INTO usage_tracking (user_id, metric_type, count, period_start)
         SELECT id, metric, count, period FROM users JOIN (VALUES
           ('ada', 'messages', 3, date '2026-11-01'), ('ada', 'messages', 1000, date '2026-10-01'),
           ('grace', 'messages', 5, date '2026-11-01'), ('grace', 'requests', 70, date '2026-11-01'),
           ('grace', 'requests', 9, date '2026-12-01')) AS v (name, metric, count, period) ON name = username`
      )
      const all = yield* xfchat(["usage", "--month", "2026-11"])
      assert.strictEqual(all.exit, 0, all.errorOutput)
      assert.deepStrictEqual(cells(all.output), [
        ["user", "messages", "requests"],
        ["grace", "5", "70"],
        ["ada", "3", "0"],
        ["all", "8", "70"]
      ])
      const one = yield* xfchat(["usage", "--month", "2026-11", "--user", "ADA"], { runtime: "deno" })
      assert.deepStrictEqual(cells(one.output), [
        ["user", "messages"],
        ["ada", "3"],
        ["all", "3"]
      ])
      const none = yield* xfchat(["usage", "--month", "2020-01"])
      assert.deepStrictEqual([none.exit, none.output], [0, "No usage in 2020-01.\n"])
      assert.strictEqual((yield* xfchat(["usage", "--month", "November"])).exit, 2)
    }).pipe(Effect.provide(TestDatabase.layer))
  )
})
