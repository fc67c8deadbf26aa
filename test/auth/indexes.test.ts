import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { AccountDeletion } from "../../src/accounts/AccountDeletion.ts"
import { Accounts } from "../../src/auth/Accounts.ts"
import { Profiles } from "../../src/accounts/Profiles.ts"
import type { Caller } from "../../src/contract/Session.ts"
import { Sessions } from "../../src/auth/Sessions.ts"
import { signedIn, testPassword, TestServices, type TestUser } from "../../src/testing/index.ts"
import { groupOf, post } from "../world.ts"
import { plansOf } from "../queryPlans.ts"

interface Filled {
  readonly ada: TestUser
  readonly session: Caller
}

/** A database whose tables are all too large to be read whole. */
class Fill extends Context.Service<Fill, Filled>()("test/Fill") {
  static readonly layer = Layer.effect(
    Fill,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ada = yield* signedIn("ada")
      const [grace, eve] = [yield* signedIn(), yield* signedIn()]
      yield* groupOf([ada, grace])
      yield* groupOf([grace, ada, eve])
      yield* post(ada, yield* groupOf([ada]), "to myself")
      yield* sql`
        INSERT INTO users (username, email, password_hash)
        SELECT 'filler_' || n, 'filler_' || n || '@example.com', '' FROM generate_series(1, 3000) n`
      yield* sql`
        INSERT INTO sessions (user_id, token_hash, expires_at)
        SELECT id, sha256(username::bytea), now() + interval '1 day' FROM users WHERE username LIKE 'filler%'`
      yield* sql`
        INSERT INTO login_attempts (key, failures, blocked_until, forgotten_at)
        SELECT sha256(username::bytea), 1, now(), now() + interval '1 hour' FROM users WHERE username LIKE 'filler%'`
      yield* sql`
        INSERT INTO conversations (name, is_direct_message, head)
        SELECT username, false, 3 FROM users WHERE username LIKE 'filler%'`
      yield* sql`
        INSERT INTO conversation_participants (conversation_id, user_id, role)
        SELECT c.id, u.id, 'owner' FROM conversations c JOIN users u ON u.username = c.name`
      yield* sql`
        INSERT INTO chat_messages (conversation_id, id, sender_id, message_type, content, seq, version)
        SELECT c.id, gen_random_uuid(), p.user_id, 'text', 'filler', n, n
        FROM conversations c JOIN conversation_participants p ON p.conversation_id = c.id, generate_series(1, 3) n
        WHERE c.name LIKE 'filler%'`
      yield* sql`
        INSERT INTO friend_requests (from_user_id, to_user_id) SELECT u.id, ${grace.id} FROM users u WHERE username LIKE 'filler%'`
      yield* sql`
        INSERT INTO blocks (blocker_id, blocked_id) SELECT u.id, ${grace.id} FROM users u WHERE username LIKE 'filler%'`
      yield* sql`
        INSERT INTO frozen_receipts (conversation_id, blocked_id, blocker_id, last_delivered_seq, last_read_seq)
        SELECT p.conversation_id, b.blocked_id, b.blocker_id, 0, 0 FROM blocks b
        JOIN conversation_participants p ON p.user_id = b.blocker_id`
      yield* sql`
        INSERT INTO contacts (user_id, contact_user_id) SELECT u.id, ${grace.id} FROM users u WHERE username LIKE 'filler%'`
      yield* sql`INSERT INTO people_revisions (user_id) SELECT id FROM users`
      yield* sql`
        INSERT INTO usage_tracking (user_id, metric_type, period_start) SELECT id, 'messages', now() FROM users`
      yield* sql`ANALYZE`
      return { ada, session: yield* (yield* Sessions).authenticate(Redacted.make(ada.token)) }
    })
  )
}

const device = { name: undefined, address: undefined }

layer(Fill.layer.pipe(Layer.provideMerge(TestServices)))("On a filled database", (it) => {
  // Each path, and the indexes by which it finds its rows; none where two do equally well. The last takes away what the
  // others read.
  const paths: Record<
    string,
    {
      readonly indexes: ReadonlyArray<string>
      readonly run: (
        filled: Filled
      ) => Effect.Effect<unknown, unknown, Accounts | Profiles | Sessions | AccountDeletion>
    }
  > = {
    "an account, by its name": {
      indexes: ["login_attempts_pkey", "users_username_key", "users_legacy_password_idx", "users_pkey"],
      run: () => Accounts.use((accounts) => accounts.verifyLogin({ login: "ada", password: testPassword }))
    },
    "an account, by its address": {
      indexes: ["users_email_key"],
      run: () => Accounts.use((accounts) => accounts.verifyLogin({ login: "ada@example.com", password: testPassword }))
    },
    "an account to change, and who is to be shown it": {
      indexes: ["users_pkey", "conversation_participants_user_id_idx", "blocks_blocked_id_idx"],
      run: ({ ada }) => Profiles.use((profiles) => profiles.update(ada.id, { displayName: "Ada" }))
    },
    "where a session is opened": {
      indexes: ["users_pkey", "sessions_user_id_idx"],
      run: ({ ada }) => Sessions.use((sessions) => sessions.open(ada.id, device))
    },
    "the sessions of a person": {
      indexes: ["sessions_user_id_idx"],
      run: ({ session }) => Sessions.use((sessions) => sessions.list(session))
    },
    "the sessions whose last uses are written": {
      indexes: ["sessions_pkey"],
      run: ({ ada }) =>
        Effect.gen(function* () {
          const sessions = yield* Sessions
          yield* TestClock.adjust("2 minutes")
          yield* sessions.authenticate(Redacted.make(ada.token))
          yield* sessions.flush
        })
    },
    "a session to end": {
      indexes: [],
      run: ({ session }) => Sessions.use((sessions) => Effect.ignore(sessions.revoke(session, session.id)))
    },
    "all that an account leaves": {
      indexes: [
        "users_pkey",
        "sessions_user_id_idx",
        "friend_requests_from_user_id_idx",
        "friend_requests_to_user_id_idx",
        "conversation_participants_user_id_idx",
        "conversations_pkey"
      ],
      run: ({ session }) => AccountDeletion.use((deletion) => deletion.deleteAccount(session, testPassword))
    }
  }

  for (const [path, { indexes, run }] of Object.entries(paths)) {
    it.effect(`${path} is found by ${indexes.join(", ")}, and no table is read whole`, () =>
      Effect.gen(function* () {
        const plans = yield* plansOf(run(yield* Fill))
        assert.includeMembers([...plans.indexes], [...indexes])
        // It is empty, or nearly so.
        assert.deepStrictEqual(
          plans.readWhole.filter((table) => table !== "announcements"),
          []
        )
      })
    )
  }
})
