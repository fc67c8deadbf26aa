import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { randomBytes } from "node:crypto"

// PostgreSQL itself makes people, conversations and messages, set by set. Their ids are numbers instead of random, so that
// pgbench and the load processes know them without a query.

const numbered = (group: string) => (number: number) =>
  `00000000-0000-4000-${group}-${number.toString(16).padStart(12, "0")}`

/** The id of user 1, 2, 3, … */
export const userId = numbered("a000")

/** The id of conversation 1, 2, 3, … */
export const conversationId = numbered("9000")

/** The same ids, from an integer expression of SQL. */
export const numberedSql = {
  user: (number: string) => `('00000000-0000-4000-a000-' || lpad(to_hex(${number}), 12, '0'))::uuid`,
  conversation: (number: string) => `('00000000-0000-4000-9000-' || lpad(to_hex(${number}), 12, '0'))::uuid`
}

/** The prefix of one run's tokens. */
export const newSecret = () => randomBytes(32).toString("base64url")

/** The token of a user's one session. */
export const tokenOf = (secret: string, user: number) => `${secret}.${user}`

/** Several conversations of equal size, whose participants are drawn from all users in turn. */
export interface Conversations {
  /** The number of the first. */
  readonly first: number
  readonly count: number
  readonly participants: number
  /** How many users there are in all. */
  readonly users: number
}

/** The number of a conversation's participant 0, 1, 2, … */
export const participantOf = ({ participants, users }: Conversations, conversation: number, place: number) =>
  ((conversation * participants + place) % users) + 1

/** Makes users 1 to `count`, each with a session. */
export const makeUsers = Effect.fn("makeUsers")(function* (sql: SqlClient.SqlClient, secret: string, count: number) {
  yield* sql`
    INSERT INTO users (id, username, email, password_hash)
    SELECT ${sql.literal(numberedSql.user("n"))}, 'bench_' || n, 'bench_' || n || '@example.com', ''
    FROM generate_series(1, ${count}::int) n`
  yield* sql`
    INSERT INTO sessions (user_id, token_hash, expires_at)
    SELECT ${sql.literal(numberedSql.user("n"))}, sha256(convert_to(${secret}::text || '.' || n, 'UTF8')), now() + interval '1 day'
    FROM generate_series(1, ${count}::int) n`
})

/** Makes conversations, empty, with their participants. */
export const makeConversations = Effect.fn("makeConversations")(function* (
  sql: SqlClient.SqlClient,
  { count, first, participants, users }: Conversations
) {
  const last = first + count - 1
  yield* sql`
    INSERT INTO conversations (id, name, is_direct_message)
    SELECT ${sql.literal(numberedSql.conversation("n"))}, 'bench', false
    FROM generate_series(${first}::int, ${last}::int) n`
  yield* sql`
    INSERT INTO conversation_participants (conversation_id, user_id, role)
    SELECT ${sql.literal(numberedSql.conversation("n"))},
      ${sql.literal(numberedSql.user(`(n * ${participants} + place) % ${users} + 1`))},
      CASE WHEN place = 0 THEN 'owner' ELSE 'member' END
    FROM generate_series(${first}::int, ${last}::int) n, generate_series(0, ${participants - 1}::int) place`
})

/** Fills empty conversations with the same number of text messages each, by their participants. */
export const makeMessages = Effect.fn("makeMessages")(function* (
  sql: SqlClient.SqlClient,
  { count, first, participants, users }: Conversations,
  messages: number
) {
  const last = first + count - 1
  const sender = numberedSql.user(`(n * ${participants} + seq % ${participants}) % ${users} + 1`)
  yield* Effect.andThen(
    // The rows are consistent, and checking each foreign key would take most of the time.
    sql`SET LOCAL session_replication_role = replica`,
    sql`
      INSERT INTO chat_messages (conversation_id, id, sender_id, content, message_type, seq, version, created_at, updated_at)
      SELECT ${sql.literal(numberedSql.conversation("n"))}, gen_random_uuid(), ${sql.literal(sender)},
        'message ' || seq || ' of a conversation that goes on', 'text', seq, seq,
        now() - (${messages}::int - seq) * interval '1 second', now()
      FROM generate_series(${first}::int, ${last}::int) n, generate_series(1, ${messages}::int) seq`
  ).pipe(sql.withTransaction)
  yield* sql`
    UPDATE conversations SET head = ${messages}
    WHERE id IN (SELECT ${sql.literal(numberedSql.conversation("n"))} FROM generate_series(${first}::int, ${last}::int) n)`
})

/** Finishes the database's background work, so that it does not disturb the next measure. */
export const settle = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError.SqlError> =>
  Effect.andThen(sql`VACUUM ANALYZE`.unprepared, sql`CHECKPOINT`.unprepared).pipe(Effect.asVoid)
