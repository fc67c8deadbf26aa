import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { load } from "../../../src/database/MigrationFile.ts"
import * as Migrator from "../../../src/database/Migrator.ts"
import { newest, oldest, usual } from "./legacy.ts"
import { catalog, EmptyDatabase, query, run } from "./postgres.ts"

/** The schemas of an empty database: the newest, and that of the last XFChat without this history. */
const schemas = Effect.gen(function* () {
  yield* Migrator.migrate
  const fresh = yield* catalog
  yield* Migrator.rollback({ to: 20240104000000n })
  return { fresh, older: yield* catalog }
}).pipe(Effect.provide(EmptyDatabase))

/** Migrations that change only rows. */
const changesRowsAlone = new Set([20261127010000n, 20261127010100n, 20261127130000n, 20261127141000n, 20261127153000n])

describe("the schema", () => {
  it.live("is the same after each migration, whether reached forward or back", () =>
    Effect.gen(function* () {
      const migrations = yield* load(yield* Migrator.MigrationsFolder)
      for (const { down, id, up } of migrations) {
        const before = yield* catalog
        yield* run(up)
        const after = yield* catalog
        if (changesRowsAlone.has(id)) assert.deepStrictEqual(after, before)
        else assert.notDeepEqual(after, before)
        yield* run(down)
        assert.deepStrictEqual(yield* catalog, before)
        yield* run(up)
        assert.deepStrictEqual(yield* catalog, after)
      }
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("is the same for every database of an older XFChat", () =>
    Effect.gen(function* () {
      const { fresh, older } = yield* schemas
      for (const legacy of [oldest, usual, newest]) {
        const { backAgain, migrated } = yield* Effect.gen(function* () {
          yield* run(legacy)
          yield* Migrator.migrate
          const migrated = yield* catalog
          yield* Migrator.rollback({ to: 20240104000000n })
          return { migrated, backAgain: yield* catalog }
        }).pipe(Effect.provide(EmptyDatabase))
        assert.deepStrictEqual(migrated, fresh)
        assert.deepStrictEqual(
          backAgain.filter(
            (line) => !/^(messages|version_history|CREATE UNIQUE INDEX (messages|version_history))/.test(line)
          ),
          older.filter(
            (line) => !/^(messages|version_history|CREATE UNIQUE INDEX (messages|version_history))/.test(line)
          )
        )
      }
    })
  )

  it.live("has an index for every foreign key, so that no deletion reads a whole table", () =>
    Effect.gen(function* () {
      yield* Migrator.migrate
      const uncovered = yield* query(`
        SELECT conname FROM pg_constraint c
        WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace AND NOT EXISTS (
          SELECT FROM pg_index i WHERE i.indrelid = c.conrelid
            AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)`)
      assert.deepStrictEqual(uncovered, [])
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("refuses rows that the program must never write", () =>
    Effect.gen(function* () {
      yield* Migrator.migrate
      const [a, b, c] = ["a", "b", "c"].map((digit) => `${digit.repeat(8)}-0000-0000-0000-000000000000`)
      yield* run(`
        INSERT INTO users (id, username, email, password_hash) VALUES ('${a}', 'Ann', 'Ann@x', ''), ('${b}', 'Bob', NULL, ''),
          ('${c}', 'Cy', NULL, '');
        INSERT INTO friend_requests (from_user_id, to_user_id) VALUES ('${a}', '${b}');
        INSERT INTO conversations (id, is_direct_message, direct_low, direct_high) VALUES ('${a}', TRUE, '${a}', '${b}');
        INSERT INTO conversations (id) VALUES ('${b}');
        INSERT INTO conversation_participants (conversation_id, user_id) VALUES ('${b}', '${a}');
        INSERT INTO chat_messages (id, conversation_id, content, seq, version) VALUES ('${a}', '${a}', 'hi', 1, 1)`)
      const message = (columns: string, values: string) =>
        `INSERT INTO chat_messages (id, conversation_id, content, seq, version${columns}) VALUES (${values})`
      const refused: Record<string, string> = {
        users_username_key: "INSERT INTO users (username, password_hash) VALUES ('ANN', '')",
        users_email_key: "INSERT INTO users (username, email, password_hash) VALUES ('Dee', 'aNN@X', '')",
        friend_requests_pair_key: `INSERT INTO friend_requests (from_user_id, to_user_id) VALUES ('${b}', '${a}')`,
        friend_requests_self_check: `INSERT INTO friend_requests (from_user_id, to_user_id) VALUES ('${a}', '${a}')`,
        friend_requests_status_check: `INSERT INTO friend_requests (from_user_id, to_user_id, status) VALUES ('${a}', '${c}', '')`,
        blocks_self_check: `INSERT INTO blocks VALUES ('${a}', '${a}')`,
        conversations_direct_pair_key: `INSERT INTO conversations (is_direct_message, direct_low, direct_high) VALUES (TRUE, '${a}', '${b}')`,
        conversations_direct_order_check: `INSERT INTO conversations (is_direct_message, direct_low, direct_high) VALUES (TRUE, '${c}', '${a}')`,
        conversations_direct_check: `INSERT INTO conversations (direct_low, direct_high) VALUES ('${a}', '${c}')`,
        chat_messages_id_key: message("", `'${a}', '${b}', 'hi', 2, 2`),
        chat_messages_seq_key: message("", `'${b}', '${a}', 'hi', 1, 1`),
        chat_messages_version_check: message("", `'${b}', '${a}', 'hi', 2, 1`),
        chat_messages_content_check: message("", `'${b}', '${a}', repeat('é', 32769), 2, 2`),
        chat_messages_reply_to_fkey: message(", reply_to", `'${b}', '${b}', 'hi', 1, 1, '${a}'`),
        chat_messages_message_type_check: message(", message_type", `'${b}', '${a}', 'hi', 2, 2, 'video'`),
        conversation_participants_role_check: "UPDATE conversation_participants SET role = 'king'",
        conversation_participants_cursor_check: "UPDATE conversation_participants SET last_read_seq = 1",
        sessions_token_hash_check: `INSERT INTO sessions (user_id, token_hash, expires_at) VALUES ('${a}', 'short', now())`
      }
      for (const [constraint, statement] of Object.entries(refused)) {
        const { reason } = yield* Effect.flip(run(statement))
        assert.propertyVal(reason.cause, "constraint", constraint)
      }
    }).pipe(Effect.provide(EmptyDatabase))
  )

  it.live("accepts a message of exactly 65536 bytes", () =>
    Effect.gen(function* () {
      yield* Migrator.migrate
      yield* run(`INSERT INTO conversations (id) VALUES ('00000000-0000-0000-0000-000000000001');
        INSERT INTO chat_messages (id, conversation_id, content, seq, version)
        VALUES (gen_random_uuid(), '00000000-0000-0000-0000-000000000001', repeat('é', 32768), 1, 1)`)
      assert.deepStrictEqual(yield* query("SELECT octet_length(content) AS bytes FROM chat_messages"), [
        { bytes: 65536 }
      ])
    }).pipe(Effect.provide(EmptyDatabase))
  )
})
