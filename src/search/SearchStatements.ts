import { Effect, Schema } from "effect"
import { SqlSchema, type SqlClient } from "effect/sql"
import { folded } from "../database/FoldedName.ts"
import { UserId } from "../contract/Account.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"
import { Message } from "../contract/Message.ts"
import { isHidden } from "../messages/BlockRow.ts"
import { pageColumns, parseContents, wholeMessagesWithin, type ContentRow } from "../messages/MessageRow.ts"

/** The statements of a search. */
export const searchStatements = (sql: SqlClient.SqlClient) => {
  const time = (milliseconds: number) =>
    sql`timestamptz 'epoch' + ${BigInt(milliseconds)}::bigint * interval '1 millisecond'`
  const milliseconds = (column: string) => sql.literal(`(extract(epoch FROM ${column}) * 1000)::bigint`)

  // By conversation_participants_user_id_idx, the primary keys, and message_terms_posted_at_idx.
  const findLanes = SqlSchema.findAll({
    Request: Schema.Struct({
      caller: UserId,
      conversationId: Schema.NullOr(ConversationId),
      postedAt: Schema.Int
    }),
    Result: Schema.Struct({
      id: ConversationId,
      visibleAfter: Position,
      isBehind: Schema.Boolean,
      newest: Schema.NullOr(Schema.Int)
    }),
    execute: ({ caller, conversationId, postedAt }) => sql`
      SELECT p.conversation_id AS id, p.visible_after AS "visibleAfter",
        coalesce(s.indexed_from > p.visible_after, false) OR coalesce(s.indexed_to, 0) < c.head AS "isBehind",
        ${milliseconds("t.posted_at")} AS newest
      FROM conversation_participants p
      JOIN conversations c ON c.id = p.conversation_id
      LEFT JOIN search_progress s ON s.conversation_id = p.conversation_id
      LEFT JOIN LATERAL (
        SELECT posted_at FROM message_terms
        WHERE conversation_id = p.conversation_id AND posted_at <= ${time(postedAt)}
        ORDER BY posted_at DESC, seq DESC LIMIT 1
      ) t ON true
      WHERE p.user_id = ${caller} AND (${conversationId}::uuid IS NULL OR p.conversation_id = ${conversationId}::uuid)`
  })

  // By conversation_participants_user_id_idx and the primary keys.
  const findNames = SqlSchema.findAll({
    Request: UserId,
    Result: Schema.Struct({
      id: ConversationId,
      name: Schema.NullOr(Schema.String),
      usernames: Schema.Array(Schema.String)
    }),
    execute: (caller) => sql`
      SELECT c.id, c.name, ARRAY(
        SELECT u.username FROM conversation_participants o JOIN users u ON u.id = o.user_id
        WHERE c.is_direct_message AND o.conversation_id = c.id AND o.user_id <> ${caller} AND u.username IS NOT NULL
      ) AS usernames
      FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id WHERE p.user_id = ${caller}`
  })

  // By users_username_key.
  const findUsers = SqlSchema.findAll({
    Request: Schema.Array(Schema.String),
    Result: Schema.Struct({ id: UserId }),
    execute: (usernames) =>
      sql`SELECT id FROM users WHERE ${sql.literal(folded("username"))} = ANY (${usernames}::text[])`
  })

  // A scalar, which PostgreSQL looks up row by row. An EXISTS might become a hash table of all messages.
  const isVisible = sql.literal(`coalesce((
    SELECT true FROM chat_messages m
    WHERE m.conversation_id = t.conversation_id AND m.seq = t.seq AND m.seq > p.visible_after
      AND m.message_type = 'text' AND m.deleted_at IS NULL AND NOT ${isHidden}), false)`)

  const Walked = Schema.Struct({
    conversationId: ConversationId,
    seq: Position,
    postedAt: Schema.Int,
    isFound: Schema.Boolean,
    /** Whether this is the last of the requested rows, so that more may follow. */
    isLast: Schema.Boolean
  })

  // By message_terms_posted_at_idx and the primary key of conversation_participants; messages with the terms by
  // chat_messages_seq_key.
  const walk = SqlSchema.findAll({
    Request: Schema.Struct({
      caller: UserId,
      tsquery: Schema.UndefinedOr(Schema.String),
      lanes: Schema.Array(Schema.Struct({ id: ConversationId, postedAt: Schema.Int, seq: Schema.Int })),
      floor: Schema.Int,
      rows: Schema.Int
    }),
    Result: Walked,
    execute: ({ caller, floor, lanes, rows, tsquery }) => sql`
      SELECT w.id AS "conversationId", r.seq, ${milliseconds("r.posted_at")} AS "postedAt", r.is_found AS "isFound",
        r.place = ${rows}::int AS "isLast"
      FROM unnest(
        ${lanes.map(({ id }) => id)}::uuid[], ${lanes.map(({ postedAt }) => BigInt(postedAt))}::bigint[],
        ${lanes.map(({ seq }) => BigInt(seq))}::bigint[]
      ) AS w (id, posted_at, seq)
      JOIN conversation_participants p ON p.conversation_id = w.id AND p.user_id = ${caller}
      CROSS JOIN LATERAL (
        SELECT t.seq, t.posted_at, row_number() OVER (ORDER BY t.posted_at DESC, t.seq DESC) AS place,
          CASE WHEN t.has_terms THEN ${isVisible} ELSE false END AS is_found
        FROM (
          SELECT conversation_id, seq, posted_at,
            ${tsquery === undefined ? sql.literal("true") : sql`terms @@ ${tsquery}::tsquery`} AS has_terms
          FROM message_terms
          WHERE conversation_id = w.id AND posted_at >= ${time(floor)}
            AND (posted_at, seq) < (timestamptz 'epoch' + w.posted_at * interval '1 millisecond', w.seq)
          ORDER BY posted_at DESC, seq DESC LIMIT ${rows}::int
        ) t
      ) r
      WHERE r.is_found OR r.place = ${rows}::int`
  })

  // By message_terms_terms_idx. The times are compared afterwards: with them in the same step, the plan that PostgreSQL makes
  // for any parameters reads the whole of message_terms_posted_at_idx.
  const lookUp = SqlSchema.findAll({
    Request: Schema.Struct({
      caller: UserId,
      tsquery: Schema.String,
      ids: Schema.Array(ConversationId),
      before: Schema.Struct({ postedAt: Schema.Int, conversationId: Schema.String, seq: Schema.Int }),
      floor: Schema.Int,
      rows: Schema.Int
    }),
    Result: Schema.Struct({
      conversationId: ConversationId,
      seq: Position,
      postedAt: Schema.Int,
      isFound: Schema.Boolean
    }),
    execute: ({ before, caller, floor, ids, rows, tsquery }) => sql`
      WITH found AS MATERIALIZED (
        SELECT conversation_id, seq, posted_at FROM message_terms WHERE terms @@ ${tsquery}::tsquery
      ), newest AS MATERIALIZED (
        SELECT f.* FROM found f JOIN unnest(${ids}::uuid[]) AS w (id) ON w.id = f.conversation_id
        WHERE f.posted_at >= ${time(floor)} AND (f.posted_at, f.conversation_id, f.seq)
          < (${time(before.postedAt)}, ${before.conversationId}::uuid, ${BigInt(before.seq)}::bigint)
        ORDER BY f.posted_at DESC, f.conversation_id DESC, f.seq DESC LIMIT ${rows}
      )
      SELECT t.conversation_id AS "conversationId", t.seq, ${milliseconds("t.posted_at")} AS "postedAt",
        ${isVisible} AS "isFound"
      FROM newest t
      JOIN conversation_participants p ON p.conversation_id = t.conversation_id AND p.user_id = ${caller}
      ORDER BY t.posted_at DESC, t.conversation_id DESC, t.seq DESC`
  })

  // By chat_messages_seq_key and the primary key of conversation_participants. No more than the bytes of a page.
  const readMessages = SqlSchema.findAll({
    Request: Schema.Struct({
      caller: UserId,
      positions: Schema.Array(Schema.Struct({ conversationId: ConversationId, seq: Position })),
      bytes: Schema.Int
    }),
    Result: Schema.Struct({ ...Message.fields, ordinal: Schema.Int, bytes: Schema.Int }),
    execute: ({ bytes, caller, positions }) =>
      Effect.map(
        sql<ContentRow>`
          SELECT m.* FROM (SELECT ${caller}::uuid AS user_id) viewer, LATERAL (${wholeMessagesWithin(
            sql,
            sql`
              SELECT ${sql.literal(pageColumns("viewer.user_id"))}, k.ordinal::int
              FROM unnest(
                ${positions.map(({ conversationId }) => conversationId)}::uuid[],
                ${positions.map(({ seq }) => BigInt(seq))}::bigint[]
              ) WITH ORDINALITY AS k (conversation, position, ordinal)
              JOIN chat_messages m ON m.conversation_id = k.conversation AND m.seq = k.position
              JOIN conversation_participants p ON p.conversation_id = m.conversation_id AND p.user_id = ${caller}
              WHERE m.message_type = 'text' AND m.deleted_at IS NULL AND m.seq > p.visible_after
                AND NOT ${sql.literal(isHidden)}`,
            "ordinal",
            bytes,
            "viewer.user_id"
          )}) m ORDER BY m.ordinal`,
        parseContents
      )
  })

  return { findLanes, findNames, findUsers, walk, lookUp, readMessages }
}
