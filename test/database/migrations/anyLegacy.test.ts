import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, References, Schema } from "effect"
import * as Migrator from "../../../src/database/Migrator.ts"
import { migrated, unaccounted, usual, uuid } from "./legacy.ts"
import { LegacyDatabase, query, run } from "./postgres.ts"

describe("any database of an older XFChat", () => {
  it.live("has its set-aside rows listed in the log, by table and reason", () =>
    Effect.gen(function* () {
      const warnings: Array<string> = []
      const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
        if (logLevel === "Warn") warnings.push(String(message))
      })
      yield* run(`${usual} INSERT INTO version_history (version_id) VALUES ('v1'), ('v2')`)
      yield* Migrator.migrate.pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "Warn")
      )
      assert.deepStrictEqual(warnings, [
        "Migration 20240105000000_postgresql_exclusive_schema set aside 2 of version_history: no message has this version (see table set_aside)"
      ])
    }).pipe(Effect.provide(LegacyDatabase))
  )

  const person = Schema.Literals([1, 2, 3, 4, 8, 9])
  const nobody = Schema.NullOr(person)
  const rows = <Fields extends Schema.Struct.Fields>(fields: Fields) =>
    Schema.Array(Schema.Struct(fields)).check(Schema.isMaxLength(8))
  const Legacy = Schema.Struct({
    users: rows({
      email: Schema.Literals(["a@x", "A@x", "b@x", "B@X"]),
      name: Schema.NullOr(Schema.Literals(["ann", "Ann", "ANN", "", "bob"]))
    }),
    friends: rows({
      from: nobody,
      to: nobody,
      status: Schema.NullOr(Schema.Literals(["pending", "accepted", "rejected", "blocked", "odd"]))
    }),
    contacts: rows({ of: nobody, with: nobody }),
    messages: rows({
      sender: nobody,
      conversation: Schema.NullOr(Schema.Literals([21, 22, 23])),
      read: Schema.NullOr(Schema.Boolean),
      at: Schema.Literals([1, 2, 3])
    }),
    global: rows({
      author: nobody,
      at: Schema.NullOr(Schema.Literals([0, -5, 1704067200, 1704067200000, 9223372036854])),
      version: Schema.NullOr(Schema.Literals(["v1", "v2", "v3"]))
    }),
    versions: rows({ known: Schema.Boolean })
  })

  const literal = (value: string | number | boolean | null) => (value === null ? "NULL" : `'${String(value)}'`)
  const id = (n: number | null) => (n === null ? null : uuid(n))
  const insert = (into: string, values: ReadonlyArray<ReadonlyArray<string | number | boolean | null>>) =>
    values.length === 0
      ? ""
      : `INSERT INTO ${into} VALUES ${values.map((row) => `(${row.map(literal).join(", ")})`).join(", ")} ON CONFLICT DO NOTHING;`

  it.live.prop(
    "loses no row on the way forward or back",
    { legacy: Legacy },
    ({ legacy }) =>
      Effect.gen(function* () {
        yield* migrated(
          usual,
          insert(
            "users (id, email, password_hash, username)",
            legacy.users.map(({ email, name }, n) => [uuid(n + 1), email, "", name])
          ),
          insert(
            "friend_requests (id, from_user_id, to_user_id, from_email, status)",
            legacy.friends.map(({ from, status, to }, n) => [uuid(100 + n), id(from), id(to), "", status])
          ),
          insert(
            "contacts (id, user_id, contact_user_id)",
            legacy.contacts.map((row, n) => [uuid(200 + n), id(row.of), id(row.with)])
          ),
          insert(
            "chat_messages (id, conversation_id, sender_id, content, is_read, created_at)",
            legacy.messages.map((row, n) => [
              uuid(300 + n),
              id(row.conversation),
              id(row.sender),
              `chat ${n}`,
              row.read,
              `2024-01-0${row.at}Z`
            ])
          ),
          insert(
            "messages (id, user_id, text, author, timestamp, version)",
            legacy.global.map((row, n) => [
              uuid(302 + n * 2),
              id(row.author),
              `global ${n}`,
              `author ${n}`,
              row.at,
              row.version
            ])
          ),
          insert(
            "version_history (version_id, parents)",
            legacy.versions.map((row, n) => [row.known ? `v${n}` : `w${n}`, "{v0}"])
          )
        )
        yield* Migrator.rollback({ to: 20240104000000n })
        const differing = yield* query(`
          (SELECT 'users' AS source, l.id::text AS key FROM legacy.users l LEFT JOIN users n USING (id)
           WHERE (n.email, n.username) IS DISTINCT FROM (l.email, nullif(l.username, '')))
          UNION ALL
          (SELECT 'friend_requests', l.id::text FROM legacy.friend_requests l LEFT JOIN friend_requests n USING (id)
           WHERE (n.from_user_id, n.to_user_id, n.status) IS DISTINCT FROM (l.from_user_id, l.to_user_id, coalesce(l.status, 'pending')))
          UNION ALL
          (SELECT 'contacts', l.id::text FROM legacy.contacts l LEFT JOIN contacts n USING (id)
           WHERE (n.user_id, n.contact_user_id) IS DISTINCT FROM (l.user_id, l.contact_user_id))
          UNION ALL
          (SELECT 'chat_messages', l.id::text FROM legacy.chat_messages l LEFT JOIN chat_messages n USING (id)
           WHERE (n.conversation_id, n.sender_id, n.content) IS DISTINCT FROM (l.conversation_id, l.sender_id, l.content))
          UNION ALL
          (SELECT 'messages', l.id::text FROM legacy.messages l LEFT JOIN messages n USING (id)
           WHERE (n.user_id, n.text, n.author, n.version, n.created_at)
             IS DISTINCT FROM (l.user_id, l.text, l.author, l.version, l.created_at))
          UNION ALL
          (SELECT 'version_history', l.version_id FROM legacy.version_history l LEFT JOIN version_history n USING (version_id)
           WHERE n.parents IS DISTINCT FROM l.parents)`)
        assert.deepStrictEqual(differing, [])
        yield* Migrator.migrate
        assert.deepStrictEqual(yield* unaccounted, [])
      }).pipe(Effect.provide(LegacyDatabase)),
    { timeout: 60_000, arbitrary: { runs: 12 } }
  )
})
