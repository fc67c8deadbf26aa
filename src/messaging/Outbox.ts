import { Array as Arrays, Context, Deferred, Effect, Exit, Layer, Queue, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../auth/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { alone, retryRolledBack } from "../database/Transaction.ts"
import * as Metrics from "../Metrics.ts"
import { DatabaseUnavailable } from "../Problem.ts"
import { Change, ChangeBus } from "../streaming/ChangeBus.ts"
import { Usage } from "../usage/Usage.ts"
import { Position, type ConversationId } from "./Conversation.ts"
import { mentionedNames } from "./Mentions.ts"
import { Message, MessageId, type Draft } from "./Message.ts"
import { messageColumns, parseContents, storedContent, type ContentRow } from "./MessageRow.ts"

/** A message on its way into a conversation's log. */
export interface Send extends Draft {
  readonly conversationId: ConversationId
  readonly id: MessageId
  readonly senderId: UserId
}

/** What became of a send. */
export interface Outcome {
  readonly isParticipant: boolean
  /** This very send put the message there. */
  readonly created: boolean
  /**
   * What the database holds under the id, which an earlier send may have put there. A participant's send leaves nothing
   * there only if it replies to what is no message of this conversation that the sender can see.
   */
  readonly message: Message | undefined
}

interface Pending {
  readonly send: Send
  readonly outcome: Deferred.Deferred<Outcome, DatabaseUnavailable>
}

/** Most sends in one statement: beyond this the gain is small and the first of them waits for all. */
const batchSize = 256

/** So many sends are written at once even if others could be written after them: a statement costs as much as some sends. */
const worthSplitting = 16

/** What became of a participant's send, as the database tells it: of its message, only what the sender did not give. */
const Row = Schema.Struct({
  /** Which of the sends, from 1. */
  ordinal: Schema.Int,
  /** This very send put the message there; else what follows says nothing. */
  created: Schema.Boolean,
  seq: Position,
  createdAt: Schema.DateTimeUtcFromDate,
  mentions: Schema.Array(UserId)
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

/** A message that was just posted: nobody has changed it, reacted to it, or received it. Its parts were checked already. */
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

/**
 * Group commit: sends gather while the batch before them commits, and are then written by one statement, each with an
 * outcome of its own. A send is answered after the commit, never before.
 *
 * The statement locks the conversations in the order of their ids, so that two processes cannot deadlock, and takes
 * the next positions under those locks: the order of commits is the order of positions, and there are no gaps. A person
 * who writes has read the log up to there, so the statement moves the senders' receipts too. It is one statement, which
 * commits by itself, so that the locks are held for no round trip.
 */
export class Outbox extends Context.Service<
  Outbox,
  { readonly append: (send: Send) => Effect.Effect<Outcome, DatabaseUnavailable> }
>()("xfchat/messaging/Outbox") {
  static readonly layer = Layer.effect(
    Outbox,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus
      const usage = yield* Usage
      const queue = yield* Queue.unbounded<Pending>()
      yield* Metrics.observe(Metrics.sendsWaiting, () => Queue.sizeUnsafe(queue))
      const recordSize = yield* Metrics.recorder(Metrics.batchSize)
      const recordTime = yield* Metrics.recorder(Metrics.commitTime)
      const recordFailure = yield* Metrics.recorder(Metrics.batchesFailed)

      // By the primary keys and chat_messages_id_key. What committed after the statement began and before it had the locks:
      // who locks a row sees it as it is then, so heads are the latest, and who has left takes part no more. What was sent
      // under one of the ids is not seen, and the insert fails. Ids are inserted in order: two batches with the same ids wait
      // for each other one way only.
      // The arrays stand in sub-selects: where PostgreSQL sees how long they are, it plans anew for each few sends, which
      // takes longer than to write them.
      const write = (sends: ReadonlyArray<Send>) => sql`
        WITH input AS (
          SELECT * FROM unnest(
            (SELECT ${sends.map((send) => send.conversationId)}::uuid[]),
            (SELECT ${sends.map((send) => send.id)}::uuid[]),
            (SELECT ${sends.map((send) => send.senderId)}::uuid[]),
            (SELECT ${sends.map((send) => storedContent(send.content))}::text[]),
            (SELECT ${sends.map((send) => send.messageType)}::text[]),
            (SELECT ${sends.map((send) => send.replyTo ?? "")}::text[]),
            (SELECT ${sends.map((send) => mentionedNames(send.content).join())}::text[])
          ) WITH ORDINALITY AS i (conversation_id, id, sender_id, content, message_type, reply_to, names, ordinal)
        ), participating AS (
          SELECT i.conversation_id, i.id, i.sender_id, i.content, i.message_type, i.names, i.ordinal, c.head,
            nullif(i.reply_to, '')::uuid AS reply_to,
            i.reply_to = '' OR EXISTS (
              SELECT FROM chat_messages r WHERE r.conversation_id = i.conversation_id AND r.id = i.reply_to::uuid
                AND r.seq > p.visible_after AND r.deleted_at IS NULL) AS can_reply
          FROM input i
          JOIN conversations c ON c.id = i.conversation_id
          JOIN conversation_participants p ON p.conversation_id = i.conversation_id AND p.user_id = i.sender_id
          ORDER BY c.id FOR NO KEY UPDATE OF c, p
        ), moment AS (
          -- After the last of the locks: times go the way of positions.
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
              WHERE lower(u.username) = ANY (string_to_array(j.names, ',')) ORDER BY u.id) ELSE '{}' END AS mentions
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
        ), caught_up AS (
          UPDATE conversation_participants p
          SET last_delivered_seq = greatest(p.last_delivered_seq, own.seq),
            last_read_seq = greatest(p.last_read_seq, own.seq)
          FROM (
            SELECT conversation_id, sender_id, max(seq) AS seq FROM placed WHERE is_new GROUP BY conversation_id, sender_id
          ) own
          WHERE p.conversation_id = own.conversation_id AND p.user_id = own.sender_id
        )
        SELECT ordinal::int, is_new AS created, seq, now AS "createdAt", mentions FROM placed`

      // By chat_messages_id_key.
      const findStored = SqlSchema.findAll({
        Request: Schema.Array(MessageId),
        Result: Message,
        execute: (ids) =>
          Effect.map(
            sql<ContentRow>`SELECT ${sql.literal(messageColumns)} FROM chat_messages m WHERE m.id = ANY(${ids}::uuid[])`,
            parseContents
          )
      })

      const outcomes = Effect.fnUntraced(function* (sends: ReadonlyArray<Send>, rows: ReadonlyArray<unknown>) {
        const told = new Map((yield* decodeRows(rows)).map((row) => [row.ordinal, row]))
        // Those that were sent before: few, and most often none.
        const again = sends.filter((_, index) => told.get(index + 1)?.created === false).map(({ id }) => id)
        const stored = again.length === 0 ? [] : yield* findStored(again)
        const byId = new Map(stored.map((message) => [message.id, message]))
        return sends.map((send, index): Outcome => {
          const row = told.get(index + 1)
          if (row === undefined) return { isParticipant: false, created: false, message: undefined }
          const { created } = row
          return { isParticipant: true, created, message: created ? posted(send, row) : byId.get(send.id) }
        })
      })

      const meter = Effect.fnUntraced(function* (sends: ReadonlyArray<Send>, outcomes: ReadonlyArray<Outcome>) {
        for (const [{ content, senderId }, { created }] of Arrays.zip(sends, outcomes)) {
          if (!created) continue
          const contentBytes = Buffer.byteLength(storedContent(content))
          yield* usage.count(senderId, { messagesSent: 1, contentBytes })
        }
      })

      const announce = (outcomes: ReadonlyArray<Outcome>) => {
        const heads = new Map<ConversationId, Message>()
        for (const { created, message } of outcomes) {
          if (created && message !== undefined) heads.set(message.conversationId, message)
        }
        return bus.publish(
          [...heads.values()].map(({ conversationId, seq }) => Change.Log({ conversationId, head: seq }))
        )
      }

      const answer = Effect.fnUntraced(function* (
        batch: ReadonlyArray<Pending>,
        written: Exit.Exit<ReadonlyArray<unknown>, DatabaseUnavailable>
      ) {
        const sends = batch.map(({ send }) => send)
        const exit = yield* Effect.flatMap(written, (rows) => outcomes(sends, rows)).pipe(
          Effect.tap((outcomes) => meter(sends, outcomes)),
          Effect.tap(announce),
          catchDatabaseErrors,
          Effect.exit
        )
        if (Exit.isFailure(exit)) {
          return batch.forEach(({ outcome }) => Deferred.doneUnsafe(outcome, Exit.failCause(exit.cause)))
        }
        for (const [{ outcome }, value] of Arrays.zip(batch, exit.value)) {
          Deferred.doneUnsafe(outcome, Exit.succeed(value))
        }
      })

      const scope = yield* Effect.scope
      const deliver: (batch: ReadonlyArray<Pending>) => Effect.Effect<void> = Effect.fn("Outbox.deliver")(
        function* (batch) {
          const begun = performance.now()
          const exit = yield* write(batch.map(({ send }) => send)).pipe(
            alone(sql),
            retryRolledBack,
            catchDatabaseErrors,
            Effect.exit
          )
          if (Exit.isSuccess(exit)) {
            recordSize(batch.length)
            recordTime((performance.now() - begun) / 1_000)
          } else {
            recordFailure(1)
          }
          // A batch that PostgreSQL refuses for one of its sends is written send by send: only that one fails.
          if (Exit.hasDies(exit) && batch.length > 1) {
            return yield* Effect.forEach(batch, (one) => deliver([one]), { discard: true })
          }
          // The next batch is on its way to PostgreSQL before the answers to this one take the processor's time.
          yield* Effect.forkIn(answer(batch, exit), scope)
        },
        // Whoever stops this, those who wait are told what became of their sends.
        Effect.uninterruptible
      )

      yield* Effect.addFinalizer(() =>
        Effect.map(Queue.clear(queue), (unsent) => {
          const stopped = Exit.fail(new DatabaseUnavailable({ detail: "The server stops. Try again in a moment." }))
          for (const { outcome } of unsent) Deferred.doneUnsafe(outcome, stopped)
        })
      )
      // Two batches take turns: while one is written, the senders of the other are answered, and come back. If all were
      // written at once, they would wait for PostgreSQL together, and then PostgreSQL for them.
      let lastSize = 0
      const take = Effect.suspend(() => {
        const half = Math.ceil((lastSize + Queue.sizeUnsafe(queue)) / 2)
        return Queue.takeBetween(queue, 1, Math.min(Math.max(half, worthSplitting), batchSize))
      })
      yield* Queue.peek(queue).pipe(
        Effect.andThen(take),
        Effect.tap((batch) => Effect.sync(() => void (lastSize = batch.length))),
        Effect.flatMap(deliver),
        Effect.forever({ disableYield: true }),
        Effect.forkScoped
      )

      const append = Effect.fnUntraced(function* (send: Send) {
        const outcome = yield* Deferred.make<Outcome, DatabaseUnavailable>()
        yield* Queue.offer(queue, { send, outcome })
        return yield* Deferred.await(outcome)
      })

      return Outbox.of({ append })
    })
  )
}
