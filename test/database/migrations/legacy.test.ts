import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Migrator from "../../../src/database/Migrator.ts"
import { globalChat, migrated, newest, oldest, usual, uuid, withoutConversation } from "./legacy.ts"
import { LegacyDatabase, query, run } from "./postgres.ts"

const [ann, bob, cid, gone] = [uuid(1), uuid(2), uuid(3), uuid(9)]

const people = `
  INSERT INTO users (id, email, password_hash, username, created_at) VALUES
    ('${ann}', 'ann@x.org', '', 'ann', '2024-01-01Z'), ('${bob}', 'bob@x.org', '', 'bob', '2024-01-02Z'),
    ('${cid}', 'cid@x.org', '', 'cid', '2024-01-03Z');`

const setAside = query(`
  SELECT source_table, reason, source_row ->> 'id' AS id FROM set_aside ORDER BY set_aside.id`)

const participants = (conversation: string) =>
  Effect.map(
    query(`SELECT user_id, role FROM conversation_participants WHERE conversation_id = '${conversation}' ORDER BY 1`),
    (rows) => rows.map(({ role, user_id }) => [user_id, role])
  )

describe("accounts of an older XFChat", () => {
  const accounts = `
    INSERT INTO users (id, email, password_hash, username, created_at) VALUES
      ('${uuid(1)}', 'Ann@x.org', 'a', 'Ann', '2024-01-02Z'), ('${uuid(2)}', 'ann@X.org', 'b', 'ann', '2024-01-01Z'),
      ('${uuid(3)}', 'c@x.org', 'c', NULL, NULL), ('${uuid(4)}', 'd@x.org', 'd', ' ', now()),
      ('ffffffff-0000-0000-0000-000000000005', 'e@x.org', 'e', 'user_00000000', now()), ('${uuid(6)}', 'f@x.org', 'f', 'ANN', now()),
      ('${uuid(7)}', 'g@x.org', 'g', repeat('long', 10), '2024-01-01Z'), ('${uuid(8)}', 'h@x.org', 'h', repeat('LONG', 10), now());`

  it.live("get one e-mail address each: of those that differ by case, the oldest account keeps its own", () =>
    Effect.gen(function* () {
      yield* migrated(usual, accounts)
      assert.deepStrictEqual(yield* query("SELECT email FROM users ORDER BY id LIMIT 3"), [
        { email: null },
        { email: "ann@X.org" },
        { email: "c@x.org" }
      ])
      assert.deepStrictEqual(
        yield* query(
          "SELECT source_row ->> 'email' AS email, source_row ->> 'id' AS id FROM set_aside WHERE source_row ? 'email'"
        ),
        [{ email: "Ann@x.org", id: uuid(1) }]
      )
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("get one username each: the oldest account keeps it, the others get one made of it and their id", () =>
    Effect.gen(function* () {
      yield* migrated(usual, accounts)
      assert.deepStrictEqual(
        (yield* query("SELECT username FROM users ORDER BY id")).map(({ username }) => username),
        // The ids begin alike, so that eight digits are not enough for all.
        [
          "Ann_00000000",
          "ann",
          "user_000000000",
          "user_0000000000",
          "ANN_000000000",
          "long".repeat(10),
          "LONGLONGLONGLONGLONG_00000000",
          "user_00000000"
        ]
      )
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("have their former names and addresses again when the migration is reverted", () =>
    Effect.gen(function* () {
      yield* migrated(usual, accounts)
      yield* Migrator.rollback()
      assert.deepStrictEqual(
        yield* query(`
          SELECT n.id FROM users n JOIN legacy.users l USING (id) WHERE n.email <> l.email OR n.password_hash <> l.password_hash
            OR n.username IS DISTINCT FROM nullif(btrim(l.username), '')`),
        []
      )
      assert.deepStrictEqual(yield* setAside, [])
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("keep later changes when the migration is reverted, and get an address if they have none", () =>
    Effect.gen(function* () {
      yield* migrated(usual, accounts)
      yield* run(`UPDATE users SET username = 'newann', email = 'new@x.org' WHERE id = '${uuid(1)}';
        UPDATE users SET email = NULL WHERE id = '${uuid(3)}'`)
      const chosen = query(`SELECT username, email FROM users WHERE id IN ('${uuid(1)}', '${uuid(3)}') ORDER BY id`)
      const before = yield* chosen
      yield* Migrator.rollback()
      assert.deepStrictEqual(yield* chosen, [
        { username: "newann", email: "new@x.org" },
        { username: null, email: `${uuid(3)}@xfchat.invalid` }
      ])
      yield* Migrator.migrate
      assert.deepStrictEqual(yield* chosen, before)
    }).pipe(Effect.provide(LegacyDatabase))
  )
})

describe("messages of an older XFChat", () => {
  it.live("without a conversation are kept, but no stranger can read them", () =>
    Effect.gen(function* () {
      yield* migrated(
        oldest,
        people,
        `INSERT INTO chat_messages (id, sender_id, content, created_at) VALUES
          ('${uuid(11)}', '${ann}', 'second', 1704067201500), ('${uuid(12)}', '${bob}', 'first', 1704067200000)`
      )
      assert.deepStrictEqual(
        yield* query(
          `SELECT content, conversation_id, seq::int, version::int, created_at FROM chat_messages ORDER BY seq`
        ),
        [
          {
            content: "first",
            conversation_id: withoutConversation,
            seq: 1,
            version: 1,
            created_at: new Date("2024-01-01T00:00:00Z")
          },
          {
            content: "second",
            conversation_id: withoutConversation,
            seq: 2,
            version: 2,
            created_at: new Date("2024-01-01T00:00:01.500Z")
          }
        ]
      )
      assert.deepStrictEqual(yield* participants(withoutConversation), [])
      assert.deepStrictEqual(yield* query("SELECT head::int FROM conversations"), [{ head: 2 }])
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("with an impossible time stay, and the time is set aside", () =>
    Effect.gen(function* () {
      yield* migrated(
        oldest,
        people,
        `INSERT INTO chat_messages (id, sender_id, content, created_at, updated_at) VALUES
          ('${uuid(11)}', '${ann}', 'far', 9223372036854775807, 1704067200000), ('${uuid(12)}', '${ann}', 'before', -1, NULL)`
      )
      assert.deepStrictEqual(yield* query(`SELECT created_at FROM chat_messages WHERE content = 'far'`), [
        { created_at: new Date("2024-01-01T00:00:00Z") }
      ])
      assert.deepStrictEqual(yield* setAside, [
        { source_table: "chat_messages", reason: "created_at is no time", id: uuid(11) },
        { source_table: "chat_messages", reason: "created_at is no time", id: uuid(12) }
      ])
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("whose conversation is in no table get one, with their authors as participants", () =>
    Effect.gen(function* () {
      const [friends, strangers, alone, withGone] = [uuid(21), uuid(22), uuid(23), uuid(24)]
      yield* migrated(
        usual,
        people,
        `INSERT INTO friend_requests (from_user_id, to_user_id, from_email, status) VALUES ('${bob}', '${ann}', '', 'accepted');
        INSERT INTO chat_messages (id, conversation_id, sender_id, content, created_at) VALUES
          ('${uuid(11)}', '${friends}', '${ann}', 'hi', '2024-01-01Z'), ('${uuid(12)}', '${friends}', '${bob}', 'ho', '2024-01-02Z'),
          ('${uuid(13)}', '${strangers}', '${cid}', 'a', '2024-01-01Z'), ('${uuid(14)}', '${strangers}', '${ann}', 'b', '2024-01-02Z'),
          ('${uuid(15)}', '${alone}', '${ann}', 'anyone?', now()),
          ('${uuid(16)}', '${withGone}', '${ann}', 'x', '2024-01-01Z'), ('${uuid(17)}', '${withGone}', '${bob}', 'y', '2024-01-02Z'),
          ('${uuid(18)}', '${withGone}', '${gone}', 'z', '2024-01-03Z')`
      )
      assert.deepStrictEqual(
        yield* query("SELECT id, is_direct_message AS direct, direct_low, direct_high FROM conversations ORDER BY id"),
        [
          { id: friends, direct: true, direct_low: ann, direct_high: bob },
          { id: strangers, direct: false, direct_low: null, direct_high: null },
          { id: alone, direct: false, direct_low: null, direct_high: null },
          { id: withGone, direct: false, direct_low: null, direct_high: null }
        ]
      )
      assert.deepStrictEqual(yield* participants(friends), [
        [ann, "member"],
        [bob, "member"]
      ])
      assert.deepStrictEqual(yield* participants(strangers), [
        [ann, "member"],
        [cid, "owner"]
      ])
      assert.deepStrictEqual(yield* query(`SELECT sender_id FROM chat_messages WHERE id = '${uuid(18)}'`), [
        { sender_id: null }
      ])
      assert.deepStrictEqual(yield* setAside, [
        { source_table: "chat_messages", reason: "the sender is gone: the message stays", id: uuid(18) }
      ])
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("of an unknown kind, or longer than today's limit, stay", () =>
    Effect.gen(function* () {
      yield* migrated(
        oldest,
        people,
        `INSERT INTO chat_messages (id, sender_id, content, message_type, created_at) VALUES
          ('${uuid(11)}', '${ann}', repeat('é', 40000), 'video', 1), ('${uuid(12)}', '${ann}', '', NULL, 2)`
      )
      assert.deepStrictEqual(
        yield* query("SELECT message_type, octet_length(content) AS bytes FROM chat_messages ORDER BY id"),
        [
          { message_type: "text", bytes: 80000 },
          { message_type: "text", bytes: 0 }
        ]
      )
      assert.deepStrictEqual(yield* query("SELECT source_row ->> 'message_type' AS kind FROM set_aside"), [
        { kind: "video" }
      ])
      yield* run(`DELETE FROM users WHERE id = '${ann}'`)
      yield* Migrator.rollback({ to: 20240104000000n })
      assert.deepStrictEqual(yield* query("SELECT count(*)::int AS rows FROM chat_messages"), [{ rows: 2 }])
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("are read and delivered as their flags said, for each participant", () =>
    Effect.gen(function* () {
      const talk = uuid(21)
      yield* migrated(
        usual,
        people,
        `INSERT INTO chat_messages (id, conversation_id, sender_id, content, is_read, is_delivered, created_at) VALUES
          ('${uuid(11)}', '${talk}', '${ann}', '1', TRUE, TRUE, '2024-01-01Z'), ('${uuid(12)}', '${talk}', '${bob}', '2', TRUE, TRUE, '2024-01-02Z'),
          ('${uuid(13)}', '${talk}', '${ann}', '3', FALSE, TRUE, '2024-01-03Z'), ('${uuid(14)}', '${talk}', '${ann}', '4', NULL, FALSE, '2024-01-04Z'),
          ('${uuid(15)}', '${talk}', '${ann}', '5', TRUE, TRUE, '2024-01-05Z')`
      )
      const cursors = query(`
        SELECT user_id, last_read_seq::int AS read, last_delivered_seq::int AS delivered FROM conversation_participants ORDER BY 1`)
      const before = [
        { user_id: ann, read: 5, delivered: 5 },
        { user_id: bob, read: 2, delivered: 3 }
      ]
      assert.deepStrictEqual(yield* cursors, before)
      yield* Migrator.rollback()
      assert.deepStrictEqual(
        yield* query("SELECT content, is_read AS read, is_delivered AS delivered FROM chat_messages ORDER BY content"),
        [
          { content: "1", read: true, delivered: true },
          { content: "2", read: true, delivered: true },
          { content: "3", read: false, delivered: true },
          { content: "4", read: false, delivered: false },
          { content: "5", read: false, delivered: false }
        ]
      )
      yield* Migrator.migrate
      assert.deepStrictEqual(yield* cursors, before)
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("are read again by the others' cursors, whatever the sender's own says", () =>
    Effect.gen(function* () {
      yield* migrated(
        usual,
        people,
        `INSERT INTO chat_messages (id, conversation_id, sender_id, content, created_at) VALUES
          ('${uuid(11)}', '${uuid(21)}', '${ann}', '1', '2024-01-01Z'), ('${uuid(12)}', '${uuid(21)}', '${bob}', '2', '2024-01-02Z'),
          ('${uuid(13)}', '${uuid(22)}', '${ann}', 'nobody else is here', '2024-01-03Z')`
      )
      yield* run(`UPDATE conversation_participants SET last_read_seq = 0, last_delivered_seq = 0 WHERE user_id = '${ann}';
        UPDATE conversation_participants SET last_read_seq = 2, last_delivered_seq = 2 WHERE user_id = '${bob}'`)
      yield* Migrator.rollback()
      assert.deepStrictEqual(
        yield* query("SELECT is_read AS read, is_delivered AS delivered FROM chat_messages ORDER BY content"),
        [
          { read: true, delivered: true },
          { read: false, delivered: false },
          { read: false, delivered: true }
        ]
      )
    }).pipe(Effect.provide(LegacyDatabase))
  )
})

describe("the global chat of an older XFChat", () => {
  const chat = `
    INSERT INTO messages (id, user_id, text, author, timestamp, version, created_at, is_read) VALUES
      ('${uuid(11)}', '${ann}', 'in milliseconds', 'ann', 1704067200123, 'v1', '2024-01-01 00:00:05Z', TRUE),
      ('${uuid(12)}', '${bob}', 'in seconds', 'Bobby', 1704067300, 'v2', '2024-01-01 00:02:00Z', FALSE),
      ('${uuid(13)}', '${gone}', 'by someone who left', 'zed', NULL, NULL, '2024-01-01 00:03:00Z', FALSE),
      ('${uuid(14)}', NULL, NULL, NULL, 0, 'v9', '2024-01-01 00:04:00Z', NULL);
    INSERT INTO version_history (version_id, user_id, parents, created_at) VALUES
      ('v1', '${ann}', NULL, '2024-01-01Z'), ('v2', '${bob}', '{v1}', '2024-01-02Z'), ('v3', '${bob}', '{v2,v1}', '2024-01-03Z');`

  it.live("is a conversation of all its authors, which belongs to nobody", () =>
    Effect.gen(function* () {
      yield* migrated(usual, people, chat)
      assert.deepStrictEqual(
        yield* query(`SELECT m.content, m.sender_id, m.created_at, m.braid_version, m.braid_parents, c.name
          FROM chat_messages m JOIN conversations c ON c.id = m.conversation_id ORDER BY m.seq`),
        [
          ["in milliseconds", ann, "2024-01-01T00:00:00.123Z", "v1", []],
          ["in seconds", bob, "2024-01-01T00:01:40.000Z", "v2", ["v1"]],
          ["by someone who left", null, "2024-01-01T00:03:00.000Z", null, null],
          ["", null, "2024-01-01T00:04:00.000Z", "v9", null]
        ].map(([content, sender_id, at, braid_version, braid_parents]) => ({
          content,
          sender_id,
          created_at: new Date(String(at)),
          braid_version,
          braid_parents,
          name: "Global chat"
        }))
      )
      assert.deepStrictEqual(yield* participants(globalChat), [
        [ann, "member"],
        [bob, "member"]
      ])
      assert.deepStrictEqual(
        yield* query("SELECT source_table, source_row - 'created_at' AS row FROM set_aside ORDER BY set_aside.id"),
        [
          { source_table: "messages", row: { author: "Bobby", placed_as: uuid(12) } },
          { source_table: "messages", row: { author: "zed", user_id: gone, placed_as: uuid(13) } },
          { source_table: "version_history", row: { version_id: "v3", user_id: bob, parents: ["v2", "v1"] } }
        ]
      )
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("is restored when the migration is reverted", () =>
    Effect.gen(function* () {
      yield* migrated(usual, people, chat)
      yield* Migrator.rollback({ to: 20240104000000n })
      assert.deepStrictEqual(
        yield* query(`
          SELECT id, user_id, coalesce(text, ''), author, version, created_at, coalesce(is_read, FALSE) FROM legacy.messages
          EXCEPT SELECT id, user_id, text, author, version, created_at, is_read FROM messages`),
        []
      )
      assert.deepStrictEqual(
        yield* query(`SELECT version_id, user_id, coalesce(parents, '{}') FROM legacy.version_history
          EXCEPT SELECT version_id, user_id, parents FROM version_history`),
        []
      )
      assert.deepStrictEqual(yield* query("SELECT count(*)::int AS rows FROM chat_messages"), [{ rows: 0 }])
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("may have ids that are numbers, or that chat messages have, too", () =>
    Effect.gen(function* () {
      yield* migrated(
        usual,
        people,
        `ALTER TABLE messages ALTER COLUMN id DROP DEFAULT, ALTER COLUMN id TYPE TEXT, ALTER COLUMN user_id TYPE TEXT,
          ADD COLUMN room TEXT;
        INSERT INTO messages (id, user_id, text, author, timestamp, room) VALUES ('17', '${ann}', 'seventeen', 'ann', 1, 'lobby'),
          ('${uuid(11)}', 'nobody', 'twice', NULL, 2, NULL);
        INSERT INTO chat_messages (id, conversation_id, sender_id, content) VALUES ('${uuid(11)}', '${uuid(21)}', '${ann}', 'once')`
      )
      assert.sameDeepMembers(
        [...(yield* query("SELECT source_row - 'placed_as' AS row FROM set_aside WHERE source_table = 'messages'"))],
        [{ row: { id: "17", room: "lobby" } }, { row: { id: uuid(11), user_id: "nobody" } }]
      )
    }).pipe(Effect.provide(LegacyDatabase))
  )
})

describe("friendships of an older XFChat", () => {
  it.live("keep one request for each pair: accepted before blocked before pending before rejected", () =>
    Effect.gen(function* () {
      yield* migrated(
        usual,
        people,
        `INSERT INTO friend_requests (id, from_user_id, to_user_id, from_email, to_email, status, created_at) VALUES
          ('${uuid(31)}', '${ann}', '${bob}', '', NULL, 'pending', '2024-01-05Z'), ('${uuid(32)}', '${bob}', '${ann}', '', NULL, 'Accepted', '2024-01-01Z'),
          ('${uuid(33)}', '${ann}', '${cid}', '', NULL, 'rejected', '2024-01-05Z'), ('${uuid(34)}', '${ann}', '${cid}', '', NULL, 'pending', '2024-01-01Z'),
          ('${uuid(35)}', '${cid}', '${ann}', '', NULL, 'pending', '2024-01-02Z'), ('${uuid(36)}', '${ann}', '${ann}', '', NULL, 'pending', now()),
          ('${uuid(37)}', '${ann}', NULL, '', NULL, 'pending', now()), ('${uuid(38)}', '${ann}', '${gone}', '', NULL, 'accepted', now()),
          ('${uuid(39)}', '${bob}', NULL, '', 'CID@x.org', NULL, now()), ('${uuid(40)}', '${bob}', '${cid}', '', NULL, 'maybe', now())`
      )
      assert.deepStrictEqual(
        yield* query("SELECT id, from_user_id, to_user_id, status FROM friend_requests ORDER BY id"),
        [
          { id: uuid(32), from_user_id: bob, to_user_id: ann, status: "accepted" },
          { id: uuid(35), from_user_id: cid, to_user_id: ann, status: "pending" },
          { id: uuid(39), from_user_id: bob, to_user_id: cid, status: "pending" }
        ]
      )
      assert.sameDeepMembers(
        (yield* setAside).map(({ id, reason }) => [id, reason]),
        [
          [uuid(31), "the pair has another request that counts more"],
          [uuid(33), "the pair has another request that counts more"],
          [uuid(34), "the pair has another request that counts more"],
          [uuid(36), "to oneself"],
          [uuid(37), "nobody at one end"],
          [uuid(38), "the account at one end is gone"],
          [uuid(40), "the status is unknown"]
        ]
      )
      yield* Migrator.rollback()
      assert.deepStrictEqual(yield* setAside, [])
      assert.deepStrictEqual(yield* query("SELECT count(*)::int AS rows FROM friend_requests"), [{ rows: 10 }])
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("and usage of accounts that are gone are set aside, and are restored on the way back", () =>
    Effect.gen(function* () {
      yield* migrated(
        usual,
        people,
        `INSERT INTO contacts (id, user_id, contact_user_id) VALUES ('${uuid(31)}', '${ann}', '${bob}'),
          ('${uuid(32)}', '${ann}', '${gone}'), ('${uuid(33)}', NULL, '${ann}');
        INSERT INTO usage_tracking (user_id, metric_type, count, period_start, period_end) VALUES
          ('${ann}', 'messages', 7, '2024-01-01', '2024-01-31'), ('${gone}', 'messages', 8, '2024-01-01', '2024-01-31')`
      )
      assert.deepStrictEqual(yield* query("SELECT id FROM contacts"), [{ id: uuid(31) }])
      assert.deepStrictEqual(yield* query("SELECT count FROM usage_tracking"), [{ count: 7 }])
      yield* Migrator.rollback()
      assert.deepStrictEqual(yield* setAside, [])
      assert.deepStrictEqual(yield* query("SELECT count(*)::int AS rows FROM contacts"), [{ rows: 3 }])
      assert.deepStrictEqual(yield* query("SELECT count FROM usage_tracking ORDER BY 1"), [{ count: 7 }, { count: 8 }])
    }).pipe(Effect.provide(LegacyDatabase))
  )
})

describe("conversations of an older XFChat", () => {
  const [older, younger, group, crowd, empty] = [uuid(21), uuid(22), uuid(23), uuid(24), uuid(25)]
  const conversations = `
    INSERT INTO conversations (id, created_by, name, is_direct_message, created_at) VALUES
      ('${younger}', '${ann}', NULL, TRUE, '2024-02-02Z'), ('${older}', '${bob}', NULL, TRUE, '2024-02-01Z'),
      ('${group}', '${cid}', 'group', NULL, now()), ('${crowd}', '${ann}', 'crowd', TRUE, now()), ('${empty}', '${ann}', NULL, TRUE, now());
    INSERT INTO conversation_participants (conversation_id, user_id, joined_at) VALUES
      ('${older}', '${ann}', '2024-02-01Z'), ('${older}', '${bob}', '2024-02-01Z'), ('${younger}', '${ann}', '2024-02-01Z'),
      ('${younger}', '${bob}', '2024-02-01Z'), ('${group}', '${ann}', '2024-02-01Z'), ('${group}', '${bob}', '2024-02-02Z'),
      ('${crowd}', '${ann}', now()), ('${crowd}', '${bob}', now()), ('${crowd}', '${cid}', now());
    INSERT INTO chat_messages (id, conversation_id, sender_id, content) VALUES ('${uuid(11)}', '${older}', '${ann}', 'hi'),
      ('${uuid(12)}', '${younger}', '${ann}', 'hi again'), ('${uuid(13)}', '${empty}', '${bob}', 'is anyone here');`
  const pairs = query(`
    SELECT id, is_direct_message AS direct, direct_low, direct_high FROM conversations WHERE is_direct_message ORDER BY id`)

  it.live("that are direct are unique for a pair: the oldest stays direct, the others become groups", () =>
    Effect.gen(function* () {
      yield* migrated(newest, people, conversations)
      assert.deepStrictEqual(yield* pairs, [
        { id: older, direct: true, direct_low: ann, direct_high: bob },
        { id: empty, direct: true, direct_low: null, direct_high: null }
      ])
      yield* Migrator.rollback()
      assert.deepStrictEqual(
        (yield* query("SELECT id FROM conversations WHERE is_direct_message ORDER BY id")).map(({ id }) => id),
        [older, younger, crowd, empty]
      )
      assert.deepStrictEqual(yield* setAside, [])
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("that are groups belong to their creator, or else to the longest-standing participant", () =>
    Effect.gen(function* () {
      yield* migrated(newest, people, conversations)
      assert.deepStrictEqual(yield* participants(group), [
        [ann, "owner"],
        [bob, "member"]
      ])
      assert.deepStrictEqual(yield* participants(crowd), [
        [ann, "owner"],
        [bob, "member"],
        [cid, "member"]
      ])
      assert.deepStrictEqual(yield* participants(older), [
        [ann, "member"],
        [bob, "member"]
      ])
      assert.deepStrictEqual(yield* participants(empty), [[bob, "member"]])
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("are the same after a way back and forth, participants included", () =>
    Effect.gen(function* () {
      yield* migrated(newest, people, conversations)
      const picture = query(`
        SELECT c.id, c.name, c.created_by, c.direct_low, c.created_at, c.head::text, p.user_id, p.role, p.joined_at, m.id AS message
        FROM conversations c LEFT JOIN conversation_participants p ON p.conversation_id = c.id
        LEFT JOIN chat_messages m ON m.conversation_id = c.id ORDER BY c.id, p.user_id, m.seq`)
      const before = yield* picture
      yield* Migrator.rollback({ to: 20240104000000n })
      assert.deepStrictEqual(yield* query("SELECT to_regclass('conversations') AS conversations"), [
        { conversations: null }
      ])
      yield* Migrator.migrate
      assert.deepStrictEqual(yield* picture, before)
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("keep what others wrote when an account is deleted", () =>
    Effect.gen(function* () {
      yield* migrated(newest, people, conversations)
      yield* run(`DELETE FROM users WHERE id = '${ann}'`)
      assert.deepStrictEqual(yield* query("SELECT content, sender_id FROM chat_messages ORDER BY id"), [
        { content: "hi", sender_id: null },
        { content: "hi again", sender_id: null },
        { content: "is anyone here", sender_id: bob }
      ])
      assert.deepStrictEqual(yield* query("SELECT count(*)::int AS rows FROM conversations"), [{ rows: 5 }])
      assert.deepStrictEqual(yield* participants(older), [[bob, "member"]])
      assert.deepStrictEqual(yield* pairs, [
        { id: older, direct: true, direct_low: null, direct_high: bob },
        { id: empty, direct: true, direct_low: null, direct_high: null }
      ])
    }).pipe(Effect.provide(LegacyDatabase))
  )

  it.live("go with their messages and replies when they are deleted", () =>
    Effect.gen(function* () {
      yield* migrated(newest, people, conversations)
      yield* run(`
        INSERT INTO chat_messages (id, conversation_id, content, seq, version, reply_to) VALUES ('${uuid(14)}', '${older}', 're', 2, 2, '${uuid(11)}');
        DELETE FROM conversations WHERE id = '${older}'`)
      assert.deepStrictEqual(yield* query("SELECT count(*)::int AS rows FROM chat_messages"), [{ rows: 2 }])
    }).pipe(Effect.provide(LegacyDatabase))
  )
})
