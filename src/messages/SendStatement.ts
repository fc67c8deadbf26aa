import { Effect, Schema } from "effect"
import { SqlSchema, type SqlClient } from "effect/sql"
import { folded } from "../database/FoldedName.ts"
import { UserId } from "../contract/Account.ts"
import { boundedLocks } from "../database/LockWaits.ts"
import { Position, type ConversationId } from "../contract/Conversation.ts"
import { mentionedNames } from "./Mentions.ts"
import { Message, MessageId, type Draft } from "../contract/Message.ts"
import { freezing } from "./ReceiptRow.ts"
import { messageColumns, parseContents, storedContent, type ContentRow } from "./MessageRow.ts"

/** A message on its way into a conversation's log. */
export interface Send extends Draft {
  readonly conversationId: ConversationId
  readonly id: MessageId
  readonly senderId: UserId
}

/** The outcome of a send. */
export interface Outcome {
  readonly isParticipant: boolean
  /** This very send put the message there. */
  readonly created: boolean
  /**
   * The message that the database holds under the id, which an earlier send may have put there. A participant's send leaves
   * nothing there only if it replies to something that is not a message of this conversation, or that the sender cannot see.
   */
  readonly message: Message | undefined
}

/** Most sends in one statement: beyond this the gain is small and the first of them waits for all. */
export const maxSends = 256

/** A row of the statement: the part of the message that the sender did not give. */
const Row = Schema.Struct({
  /** The place of the send in the batch, from 1. */
  ordinal: Schema.Int,
  /** Another transaction has locked the conversation's row, or the sender's. Nothing was written; the other columns are void. */
  isLocked: Schema.Boolean,
  /** This very send put the message there; else the columns below are void. */
  created: Schema.Boolean,
  seq: Position,
  createdAt: Schema.DateTimeUtcFromDate,
  mentions: Schema.Array(UserId)
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

/** A message that was just posted: nobody has changed it, reacted to it, or received it. Its parts have been checked before. */
const posted = (
  { content, conversationId, id, messageType, replyTo, senderId }: Send,
  { createdAt, mentions, seq }: typeof Row.Type
) =>
  new Message(
    {
      id,
      conversationId,
      seq,
      version: seq,
      senderId,
      messageType,
      content,
      replyTo: replyTo ?? null,
      mentions,
      reactions: [],
      createdAt,
      editedAt: null,
      deletedAt: null,
      isDelivered: false,
      isRead: false
    },
    { disableChecks: true }
  )

/** How a batch of sends is written: one statement, each send with an outcome of its own. */
export const sendStatement = (sql: SqlClient.SqlClient) => {
  // By the primary keys and chat_messages_id_key. The statement also sees what committed between its beginning and its locks:
  // a locked row is read as it is then, so heads are the latest, and a person who has left is not a participant. A message
  // that was sent meanwhile under one of the ids is not seen, and the insert fails. Ids are inserted in order, so two batches
  // with the same ids wait for each other one way only. A batch skips locked rows, and a lane has one conversation: there is
  // no deadlock. Each pair of conversation and sender is locked once: the sends of one sender are written together or not at
  // all.
  // The arrays are in sub-selects, since PostgreSQL makes a new plan for every few sends when it sees the length of an array,
  // which takes longer than the write. With an OFFSET, it looks up each participant instead of reading them all.
  const freezingLocked = sql.literal(
    freezing("SELECT id AS conversation_id, user_id, last_delivered_seq, last_read_seq FROM locked")
  )
  const write = (sends: ReadonlyArray<Send>, whenLocked: "SKIP LOCKED" | "") => sql<{
    readonly ordinal: number
    readonly isLocked: boolean
  }>`
    WITH input AS (
      SELECT i.* FROM ${boundedLocks(sql)}, unnest(
        (SELECT ${sends.map((send) => send.conversationId)}::uuid[]),
        (SELECT ${sends.map((send) => send.id)}::uuid[]),
        (SELECT ${sends.map((send) => send.senderId)}::uuid[]),
        (SELECT ${sends.map((send) => storedContent(send.content))}::text[]),
        (SELECT ${sends.map((send) => send.messageType)}::text[]),
        (SELECT ${sends.map((send) => send.replyTo ?? "")}::text[]),
        (SELECT ${sends.map((send) => mentionedNames(send.content).join())}::text[])
      ) WITH ORDINALITY AS i (conversation_id, id, sender_id, content, message_type, reply_to, names, ordinal)
    ), locked AS (
      SELECT c.id, c.head, p.user_id, p.visible_after, p.last_delivered_seq, p.last_read_seq FROM (SELECT DISTINCT conversation_id, sender_id FROM input) s
      JOIN conversations c ON c.id = s.conversation_id
      JOIN conversation_participants p ON p.conversation_id = s.conversation_id AND p.user_id = s.sender_id
      ORDER BY c.id FOR NO KEY UPDATE OF c, p ${sql.literal(whenLocked)}
    ), participating AS (
      SELECT i.conversation_id, i.id, i.sender_id, i.content, i.message_type, i.names, i.ordinal, l.head,
        nullif(i.reply_to, '')::uuid AS reply_to,
        i.reply_to = '' OR EXISTS (
          SELECT FROM chat_messages r WHERE r.conversation_id = i.conversation_id AND r.id = i.reply_to::uuid
            AND r.seq > l.visible_after AND r.deleted_at IS NULL) AS can_reply
      FROM input i JOIN locked l ON l.id = i.conversation_id AND l.user_id = i.sender_id
    ), moment AS (
      -- After the last of the locks, so that the order of times is the order of positions.
      SELECT count(*), clock_timestamp() AS now FROM participating
    ), judged AS (
      SELECT *,
        can_reply AND row_number() OVER (PARTITION BY id, can_reply ORDER BY ordinal) = 1
          AND id NOT IN (SELECT m.id FROM chat_messages m WHERE m.id IN (SELECT id FROM input)) AS is_new
      FROM participating
    ), placed AS (
      SELECT j.*, moment.now,
        j.head + count(*) FILTER (WHERE is_new) OVER (PARTITION BY j.conversation_id ORDER BY j.ordinal) AS seq,
        CASE WHEN is_new AND j.names <> '' THEN ARRAY(
          SELECT u.id FROM users u
          JOIN conversation_participants p ON p.conversation_id = j.conversation_id AND p.user_id = u.id
          WHERE ${sql.literal(folded("u.username"))} = ANY (string_to_array(j.names, ',')) ORDER BY u.id) ELSE '{}' END AS mentions
      FROM judged j, moment
    ), inserted AS (
      INSERT INTO chat_messages
        (conversation_id, id, sender_id, content, message_type, reply_to, mentions, seq, version, created_at, updated_at)
      SELECT conversation_id, id, sender_id, content, message_type, reply_to, mentions, seq, seq, now, now
      FROM placed WHERE is_new ORDER BY id
    ), advanced AS (
      UPDATE conversations c SET head = p.head, updated_at = p.now
      FROM (
        SELECT conversation_id, max(seq) AS head, max(now) AS now FROM placed WHERE is_new GROUP BY conversation_id
      ) p
      WHERE c.id = p.conversation_id
    ), ${freezingLocked}, caught_up AS (
      UPDATE conversation_participants p
      SET last_delivered_seq = greatest(p.last_delivered_seq, own.seq),
        last_read_seq = greatest(p.last_read_seq, own.seq)
      FROM (
        SELECT conversation_id, sender_id, max(seq) AS seq FROM placed WHERE is_new GROUP BY conversation_id, sender_id
      ) own
      WHERE p.conversation_id = own.conversation_id AND p.user_id = own.sender_id
    )
    SELECT i.ordinal::int, p.ordinal IS NULL AS "isLocked", coalesce(p.is_new, false) AS created,
      coalesce(p.seq, 0) AS seq, coalesce(p.now, statement_timestamp()) AS "createdAt", coalesce(p.mentions, '{}') AS mentions
    FROM input i LEFT JOIN placed p ON p.ordinal = i.ordinal
    WHERE p.ordinal IS NOT NULL OR EXISTS (
      SELECT FROM conversation_participants o
      WHERE o.conversation_id = i.conversation_id AND o.user_id = i.sender_id OFFSET 0)`

  // By chat_messages_id_key. As its sender sees it, who alone is answered with it.
  const findStored = SqlSchema.findAll({
    Request: Schema.Array(MessageId),
    Result: Message,
    execute: (ids) =>
      Effect.map(
        sql<ContentRow>`SELECT ${sql.literal(messageColumns("m.sender_id"))} FROM chat_messages m WHERE m.id = ANY(${ids}::uuid[])`,
        parseContents
      )
  })

  /** The outcome of each send, by the rows that its statement returned; `undefined` for a send that found a lock. */
  const outcomesOf = Effect.fnUntraced(function* (sends: ReadonlyArray<Send>, rows: ReadonlyArray<unknown>) {
    const byOrdinal = new Map((yield* decodeRows(rows)).map((row) => [row.ordinal, row]))
    // Sends that were repeated are few, and most often none.
    const repeated = sends.flatMap(({ id }, index) => {
      const row = byOrdinal.get(index + 1)
      return row === undefined || row.isLocked || row.created ? [] : [id]
    })
    const stored = repeated.length === 0 ? [] : yield* findStored(repeated)
    const byId = new Map(stored.map((message) => [message.id, message]))
    return sends.map((send, index): Outcome | undefined => {
      const row = byOrdinal.get(index + 1)
      if (row === undefined) return { isParticipant: false, created: false, message: undefined }
      if (row.isLocked) return undefined
      return { isParticipant: true, created: row.created, message: row.created ? posted(send, row) : byId.get(send.id) }
    })
  })

  return { write, outcomesOf }
}
