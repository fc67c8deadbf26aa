import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Migrator from "../../src/database/Migrator.ts"
import { EmptyDatabase, query, run } from "../database/migrations/postgres.ts"

const counts = Effect.map(query("SELECT count::text FROM usage_tracking ORDER BY period_start"), (rows) =>
  rows.map(({ count }) => count)
)

describe("usage that was counted before", () => {
  it.live("stays, and is capped to an INTEGER when the migration is reverted", () =>
    Effect.gen(function* () {
      yield* Migrator.migrate
      yield* Migrator.rollback({ to: 20240108000000n })
      const user = "aaaaaaaa-0000-0000-0000-000000000000"
      yield* run(`
        INSERT INTO users (id, username, email, password_hash) VALUES ('${user}', 'ann', 'ann@x.org', '');
        INSERT INTO usage_tracking (user_id, metric_type, count, period_start) VALUES
          ('${user}', 'messages', 7, '2024-01-01'), ('${user}', 'messages', NULL, '2024-02-01')`)
      yield* Migrator.migrate
      yield* run(`
        INSERT INTO usage_tracking (user_id, metric_type, count, period_start)
        VALUES ('${user}', 'content_bytes', 3000000000, '2024-03-01')`)
      assert.deepStrictEqual(yield* counts, ["7", null, "3000000000"])
      yield* Migrator.rollback({ to: 20240108000000n })
      assert.deepStrictEqual(yield* counts, ["7", null, "2147483647"])
    }).pipe(Effect.provide(EmptyDatabase))
  )
})
