import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import * as Migrator from "../../../src/database/Migrator.ts"
import { catalog, connections, DatabaseUrl, EmptyDatabase, folderOf, LegacyDatabase, query, run } from "./postgres.ts"

const first = {
  "20240101000000_first.up.sql": "CREATE TABLE first (id INT); INSERT INTO first VALUES (1), (2);",
  "20240101000000_first.down.sql": "DROP TABLE first;"
}
const second = {
  "20240102000000_second.up.sql": "CREATE TABLE second (id INT);",
  "20240102000000_second.down.sql": "DROP TABLE second;"
}
const third = {
  "20240103000000_third.up.sql": "CREATE TABLE third (id INT);",
  "20240103000000_third.down.sql": "DROP TABLE third;"
}

/** Runs with these migration files instead of the project's. */
const withFiles =
  (files: Record<string, string>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.flatMap(folderOf(files), (folder) => Effect.provideService(self, Migrator.MigrationsFolder, folder))

const names = Effect.map(Migrator.migrate, (runs) => runs.map(({ name }) => name))
const states = Effect.map(Migrator.status, (all) => all.map(({ name, state }) => `${name} ${state}`))

/** The failure of an effect, and the promise that its message is one line without the password. */
const refusal = <A, E extends Migrator.MigrationError, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(self)
    assert.notInclude(error.message, "\n")
    const password = new URL(Redacted.value(yield* DatabaseUrl)).password
    if (password !== "") assert.notInclude(error.message, password)
    return error
  })

const sqlxHistory = (rows: string) => `
  CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL);
  INSERT INTO _sqlx_migrations VALUES ${rows};`

describe("migrate", () => {
  it.live("runs the missing migrations, once, in order, and returns them", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* withFiles(first)(names), ["first"])
      assert.deepStrictEqual(yield* withFiles({ ...third, ...first, ...second })(names), ["second", "third"])
      assert.deepStrictEqual(yield* withFiles({ ...third, ...first, ...second })(names), [])
      assert.deepStrictEqual(yield* query("SELECT count(*)::int AS rows FROM first"), [{ rows: 2 }])
      assert.deepStrictEqual(
        yield* query("SELECT id::text, name, duration_ms >= 0 AS timed FROM schema_migrations ORDER BY 1"),
        [
          { id: "20240101000000", name: "first", timed: true },
          { id: "20240102000000", name: "second", timed: true },
          { id: "20240103000000", name: "third", timed: true }
        ]
      )
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("runs a migration that was merged late, below the newest", () =>
    Effect.gen(function* () {
      yield* withFiles({ ...first, ...third })(Migrator.migrate)
      assert.deepStrictEqual(yield* withFiles({ ...first, ...second, ...third })(names), ["second"])
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("runs each migration once when ten processes start at the same time", () =>
    Effect.gen(function* () {
      const url = yield* DatabaseUrl
      const processes = Array.from({ length: 10 }, () => Effect.provide(Migrator.migrate, connections(url)))
      const runs = yield* Effect.all(processes, { concurrency: "unbounded" })
      assert.deepStrictEqual(
        runs
          .flat()
          .map(({ name }) => name)
          .sort(),
        [
          "add_friend_columns",
          "braid_sync_messages",
          "conversation_log",
          "initial_schema",
          "postgresql_exclusive_schema"
        ]
      )
      const once = yield* catalog
      yield* Migrator.rollback({ to: 0n })
      yield* Migrator.migrate
      assert.deepStrictEqual(yield* catalog, once)
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("is not stopped by a time limit for statements, neither running nor waiting", () =>
    Effect.gen(function* () {
      const url = yield* DatabaseUrl
      const limited = Effect.provide(Migrator.migrate, connections(url, { statement_timeout: "100" }))
      const slow = { ...first, "20240101000000_first.up.sql": "SELECT pg_sleep(0.4); CREATE TABLE first (id INT);" }
      const runs = yield* withFiles(slow)(Effect.all([limited, limited], { concurrency: "unbounded" }))
      assert.strictEqual(runs.flat().length, 1)
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("leaves a connection with the limits that it had", () =>
    Effect.gen(function* () {
      const shown = Effect.gen(function* () {
        yield* Migrator.migrate
        return yield* query("SELECT current_setting('statement_timeout') AS it")
      }).pipe(Effect.provide(connections(yield* DatabaseUrl, { statement_timeout: "5000" })))
      assert.deepStrictEqual(yield* shown, [{ it: "5s" }])
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("keeps nothing of a migration that fails, and all earlier ones", () =>
    Effect.gen(function* () {
      const broken = {
        ...second,
        "20240102000000_second.up.sql": "CREATE TABLE second (id INT);\nINSERT INTO second\nVALUES (1 / 0);"
      }
      const error = yield* refusal(withFiles({ ...first, ...broken })(Migrator.migrate))
      assert.strictEqual(error._tag, "MigrationFailed")
      assert.include(error.message, 'Migration 20240102000000_second failed: PostgreSQL says "division by zero"')
      assert.include(error.message, "Nothing of it was kept")
      assert.deepStrictEqual(yield* query("SELECT to_regclass('second') AS second"), [{ second: null }])
      assert.deepStrictEqual(yield* withFiles({ ...first, ...broken })(states), ["first applied", "second pending"])
      assert.deepStrictEqual(yield* withFiles({ ...first, ...second })(names), ["second"])
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("reports the line of a mistake, without the rows that PostgreSQL quotes", () =>
    Effect.gen(function* () {
      const mistaken = { ...first, "20240101000000_first.up.sql": "SELECT 1;\n\nSELECT é FROM nothing;\n" }
      assert.include((yield* refusal(withFiles(mistaken)(Migrator.migrate))).message, "at line 3")

      const duplicate = {
        ...first,
        "20240101000000_first.up.sql":
          "CREATE TABLE first (email TEXT UNIQUE); INSERT INTO first VALUES ('a@b'), ('a@b')"
      }
      const error = yield* refusal(withFiles(duplicate)(Migrator.migrate))
      assert.include(error.message, "first_email_key")
      assert.notInclude(error.message, "a@b")
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("does not let a file commit half of itself", () =>
    Effect.gen(function* () {
      const committing = {
        ...first,
        "20240101000000_first.up.sql": "CREATE TABLE first (id INT); COMMIT; SELECT 1 / 0;"
      }
      const error = yield* refusal(withFiles(committing)(Migrator.migrate))
      assert.strictEqual(error._tag, "MigrationFailed")
      assert.deepStrictEqual(yield* query("SELECT to_regclass('first') AS first"), [{ first: null }])
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("splits strings, comments, and dollar quotes as PostgreSQL does", () =>
    Effect.gen(function* () {
      const up = `
        -- a comment; with 'quotes
        /* another; /* nested */ ' */
        CREATE TABLE first (id TEXT DEFAULT ';''');
        INSERT INTO first VALUES ($$a;b$$), ($x$;$$;$x$), (E'\\';');
        DO $$ BEGIN INSERT INTO first VALUES (';'); END $$`
      yield* withFiles({ ...first, "20240101000000_first.up.sql": up })(Migrator.migrate)
      assert.deepStrictEqual(yield* query('SELECT array_agg(id ORDER BY id COLLATE "C") AS ids FROM first'), [
        { ids: ["';", ";", ";$$;", "a;b"] }
      ])
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("refuses a database on which a newer XFChat ran", () =>
    Effect.gen(function* () {
      yield* withFiles({ ...first, ...second })(Migrator.migrate)
      const error = yield* refusal(withFiles(first)(Migrator.migrate))
      assert.strictEqual(error._tag, "MigrationUnknown")
      assert.include(error.message, "20240102000000_second")
      assert.deepStrictEqual(yield* withFiles(first)(states), ["first applied", "second unknown"])
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("refuses a migration whose file was changed after it ran", () =>
    Effect.gen(function* () {
      yield* withFiles(first)(Migrator.migrate)
      const changed = { ...first, "20240101000000_first.up.sql": "CREATE TABLE first (id BIGINT);" }
      const error = yield* refusal(withFiles({ ...changed, ...second })(Migrator.migrate))
      assert.strictEqual(error._tag, "MigrationChanged")
      assert.include(error.message, "20240101000000_first")
      assert.deepStrictEqual(yield* withFiles({ ...changed, ...second })(states), ["first changed", "second pending"])
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("needs no right to create tables when there is nothing to do", () =>
    Effect.gen(function* () {
      yield* Migrator.migrate
      const role = `reader_${randomUUID().replaceAll("-", "")}`
      yield* run(
        `REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE ${role}; GRANT SELECT ON schema_migrations TO ${role}`
      )
      const runs = yield* Effect.provide(Migrator.migrate, connections(yield* DatabaseUrl, { role })).pipe(
        Effect.ensuring(Effect.orDie(run(`DROP OWNED BY ${role}; DROP ROLE ${role}`)))
      )
      assert.deepStrictEqual(runs, [])
    }).pipe(Effect.provide(EmptyDatabase))
  )
})

describe("rollback", () => {
  const all = { ...first, ...second, ...third }

  it.live("reverts the newest migration", () =>
    Effect.gen(function* () {
      yield* Migrator.migrate
      assert.deepStrictEqual(
        (yield* Migrator.rollback()).map(({ name }) => name),
        ["third"]
      )
      assert.deepStrictEqual(yield* states, ["first applied", "second applied", "third pending"])
    }).pipe(withFiles(all), Effect.provide(EmptyDatabase))
  )

  it.live("reverts all migrations after one, the newest first, or everything", () =>
    Effect.gen(function* () {
      yield* Migrator.migrate
      const above = yield* Migrator.rollback({ to: 20240101000000n })
      assert.deepStrictEqual(
        above.map(({ name }) => name),
        ["third", "second"]
      )
      assert.deepStrictEqual(yield* states, ["first applied", "second pending", "third pending"])
      yield* Migrator.rollback({ to: 0n })
      assert.deepStrictEqual(yield* states, ["first pending", "second pending", "third pending"])
      assert.deepStrictEqual(yield* Migrator.rollback(), [])
    }).pipe(withFiles(all), Effect.provide(EmptyDatabase))
  )

  it.live("keeps a migration whose down file fails", () =>
    Effect.gen(function* () {
      yield* Migrator.migrate
      yield* run("DROP TABLE third")
      const error = yield* refusal(Migrator.rollback())
      assert.include(error.message, "Migration 20240103000000_third, while being reverted, failed")
      assert.deepStrictEqual(yield* states, ["first applied", "second applied", "third applied"])
    }).pipe(withFiles(all), Effect.provide(EmptyDatabase))
  )
})

describe("status", () => {
  it.live("shows whether and when each migration ran, and changes nothing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* withFiles({ ...first, ...second })(states), ["first pending", "second pending"])
      assert.deepStrictEqual(yield* query("SELECT to_regclass('schema_migrations') AS history"), [{ history: null }])
      yield* withFiles(first)(Migrator.migrate)
      const [ran, pending] = yield* withFiles({ ...first, ...second })(Migrator.status)
      assert.instanceOf(ran?.appliedAt, Date)
      assert.deepStrictEqual(pending, { id: 20240102000000n, name: "second", state: "pending", appliedAt: undefined })
    }).pipe(Effect.provide(EmptyDatabase))
  )
})

describe("a history of sqlx", () => {
  const legacy = `
    (20240101000000, 'initial schema', '2024-02-01Z', TRUE, '', 1), (20240103000000, 'add friend columns', now(), TRUE, '', 1),
    (20240104000000, 'braid sync messages', now(), TRUE, '', 1)`

  /** The tables that sqlx's migrations have made, with its history of them. */
  const sqlxDatabase = Effect.fnUntraced(function* (rows: string) {
    yield* Migrator.migrate
    yield* Migrator.rollback({ to: 20240104000000n })
    yield* run("DROP TABLE schema_migrations")
    yield* run(sqlxHistory(rows))
  })

  it.live("is adopted: its first three count as applied, ours follow, and it stays unchanged", () =>
    Effect.gen(function* () {
      yield* sqlxDatabase(legacy)
      const before = yield* query("SELECT * FROM _sqlx_migrations ORDER BY version")
      assert.deepStrictEqual(yield* names, ["postgresql_exclusive_schema", "conversation_log"])
      const all = yield* Migrator.status
      assert.isTrue(all.every(({ state }) => state === "applied"))
      assert.deepStrictEqual(all[0]?.appliedAt, new Date("2024-02-01T00:00:00Z"))
      assert.deepStrictEqual(yield* query("SELECT * FROM _sqlx_migrations ORDER BY version"), before)
      assert.deepStrictEqual(yield* names, [])
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("runs the migrations that sqlx did not run", () =>
    Effect.gen(function* () {
      yield* sqlxDatabase("(20240101000000, 'initial schema', now(), TRUE, '', 1)")
      yield* run("DROP TABLE chat_messages, contacts, friend_requests")
      assert.deepStrictEqual(yield* states, [
        "initial_schema applied",
        "add_friend_columns pending",
        "braid_sync_messages pending",
        "postgresql_exclusive_schema pending",
        "conversation_log pending"
      ])
      assert.strictEqual((yield* names).length, 4)
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("runs our 20240105000000 although sqlx has run its own", () =>
    Effect.gen(function* () {
      yield* sqlxDatabase(`${legacy}, (20240105000000, 'postgresql exclusive schema', now(), TRUE, '', 1)`)
      assert.deepStrictEqual(yield* names, ["postgresql_exclusive_schema", "conversation_log"])
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("is refused, untouched, when it has a migration that is not ours", () =>
    Effect.gen(function* () {
      yield* sqlxDatabase(`${legacy}, (20250101000000, 'stickers', now(), TRUE, '', 1)`)
      const error = yield* refusal(Migrator.migrate)
      assert.strictEqual(error._tag, "MigrationUnknown")
      assert.include(error.message, "20250101000000 stickers (in _sqlx_migrations)")
      assert.deepStrictEqual(yield* query("SELECT to_regclass('schema_migrations') AS history"), [{ history: null }])
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("is refused when one of its migrations failed half-way", () =>
    Effect.gen(function* () {
      yield* sqlxDatabase(`${legacy}, (20240105000000, 'postgresql exclusive schema', now(), FALSE, '', 1)`)
      const error = yield* refusal(Migrator.migrate)
      assert.strictEqual(error._tag, "MigrationFailed")
      assert.include(error.message, "_sqlx_migrations records it as failed")
    }).pipe(Effect.provide(EmptyDatabase))
  )
})
