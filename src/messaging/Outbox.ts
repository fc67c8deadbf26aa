import { Array as Arrays, Context, Data, Deferred, Effect, Exit, Layer, Queue, Schema, type DateTime } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../auth/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { inTransaction } from "../database/Transaction.ts"
import * as Metrics from "../Metrics.ts"
import { DatabaseUnavailable } from "../Problem.ts"
import { Change, ChangeBus } from "../streaming/ChangeBus.ts"
import { Usage } from "../usage/Usage.ts"
import { Position, type ConversationId } from "./Conversation.ts"
import { mentionedNames } from "./Mentions.ts"
import { Message, MessageId, type Draft } from "./Message.ts"
import { messageColumns, storedContent } from "./MessageRow.ts"

/** A message on its way into a conversation's log. */
export interface Send extends Draft {
  readonly conversationId: ConversationId
  readonly id: MessageId
  readonly senderId: UserId
}

/** What became of a send. */
export interface Outcome {
  readonly isParticipant: boolean
  /** What it replies to, if to anything, is a message of this conversation that the sender can see. */
  readonly canReply: boolean
  /** This very send put the message there. */
  readonly created: boolean
  /** What the database holds under the id, which an earlier send may have put there. */
  readonly message: Message | undefined
}

interface Pending {
  readonly send: Send
  readonly outcome: Deferred.Deferred<Outcome, DatabaseUnavailable>
}

/** Most sends in one transaction: beyond this the gain is small and the first of them waits for all. */
const batchSize = 256

/**
 * An id was taken in another conversation between a batch's look and its insert, which would leave a gap in the log: the
 * batch is rolled back and written again.
 */
class IdCollision extends Data.TaggedError("IdCollision") {}

/** What became of a send, as the database tells it: of a message that was just posted, only what the sender did not give. */
const Row = Schema.Struct({
  isParticipant: Schema.Boolean,
  canReply: Schema.Boolean,
  created: Schema.Boolean,
  /** `null` unless it was created, and stored. */
  seq: Schema.NullOr(Position),
  createdAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  mentions: Schema.NullOr(Schema.Array(UserId))
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

/** A message that was just posted: nobody has changed it, reacted to it, or received it. Its parts were checked already. */
const posted = (
  { content, conversationId, id, messageType, replyTo, senderId }: Send,
  place: { readonly seq: Position; readonly createdAt: DateTime.Utc; readonly mentions: ReadonlyArray<UserId> }
) =>
  new Message(
    {
      ...place,
      id,
      conversationId,
      version: place.seq,
      senderId,
      messageType,
      content,
      replyTo: replyTo ?? null,
      reactions: [],
      editedAt: null,
      deletedAt: null,
      isDelivered: false,
      isRead: false
    },
    { disableChecks: true }
  )

/**
 * Group commit: sends gather while the batch before them commits, and are then written in one transaction, each with an
 * outcome of its own. A send is answered after the commit, never before.
 *
 * The transaction locks the conversations in the order of their ids, so that two processes cannot deadlock, and takes
 * the next positions under those locks: the order of commits is the order of positions, and there are no gaps.
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

      // By the primary key.
      const lock = (sends: ReadonlyArray<Send>) => sql`
        SELECT FROM conversations WHERE id = ANY(${sends.map((send) => send.conversationId)}::uuid[])
        ORDER BY id FOR NO KEY UPDATE`

      // A statement of its own, so that it sees all that was committed before the locks were had. By the primary keys and
      // chat_messages_id_key. Ids are inserted in order: two batches with the same ids wait for each other one way only.
      const write = (sends: ReadonlyArray<Send>) => sql`
        WITH input AS (
          SELECT * FROM unnest(
            ${sends.map((send) => send.conversationId)}::uuid[], ${sends.map((send) => send.id)}::uuid[],
            ${sends.map((send) => send.senderId)}::uuid[], ${sends.map((send) => storedContent(send.content))}::text[],
            ${sends.map((send) => send.messageType)}::text[], ${sends.map((send) => send.replyTo ?? "")}::text[],
            ${sends.map((send) => mentionedNames(send.content).join())}::text[]
          ) WITH ORDINALITY AS i (conversation_id, id, sender_id, content, message_type, reply_to, names, ordinal)
        ), participating AS (
          SELECT i.conversation_id, i.id, i.sender_id, i.content, i.message_type, i.names, i.ordinal,
            nullif(i.reply_to, '')::uuid AS reply_to,
            i.reply_to = '' OR EXISTS (
              SELECT FROM chat_messages r WHERE r.conversation_id = i.conversation_id AND r.id = i.reply_to::uuid
                AND r.seq > p.visible_after AND r.deleted_at IS NULL) AS can_reply
          FROM input i
          JOIN conversation_participants p ON p.conversation_id = i.conversation_id AND p.user_id = i.sender_id
        ), allowed AS (
          SELECT * FROM participating WHERE can_reply
        ), earlier AS (
          SELECT id FROM chat_messages WHERE id IN (SELECT id FROM input)
        ), fresh AS (
          SELECT DISTINCT ON (id) * FROM allowed WHERE id NOT IN (SELECT id FROM earlier) ORDER BY id, ordinal
        ), placed AS (
          SELECT f.*, c.head + row_number() OVER (PARTITION BY f.conversation_id ORDER BY f.ordinal) AS seq
          FROM fresh f JOIN conversations c ON c.id = f.conversation_id
        ), inserted AS (
          INSERT INTO chat_messages
            (conversation_id, id, sender_id, content, message_type, reply_to, mentions, seq, version, created_at, updated_at)
          SELECT conversation_id, id, sender_id, content, message_type, reply_to,
            CASE WHEN names = '' THEN '{}' ELSE ARRAY(
              SELECT u.id FROM users u
              JOIN conversation_participants p ON p.conversation_id = placed.conversation_id AND p.user_id = u.id
              WHERE lower(u.username) = ANY (string_to_array(names, ',')) ORDER BY u.id) END,
            seq, seq, statement_timestamp(), statement_timestamp()
          FROM placed ORDER BY id
          ON CONFLICT (id) DO NOTHING
          RETURNING id, seq, created_at, mentions
        ), advanced AS (
          UPDATE conversations c SET head = p.head, updated_at = statement_timestamp()
          FROM (SELECT conversation_id, max(seq) AS head FROM placed GROUP BY conversation_id) p
          WHERE c.id = p.conversation_id
        )
        SELECT participating.id IS NOT NULL AS "isParticipant", coalesce(participating.can_reply, false) AS "canReply",
          placed.id IS NOT NULL AS created, inserted.seq, inserted.created_at AS "createdAt", inserted.mentions
        FROM input
        LEFT JOIN participating USING (ordinal)
        LEFT JOIN placed USING (ordinal)
        LEFT JOIN inserted ON inserted.id = placed.id
        ORDER BY ordinal`

      // By chat_messages_id_key.
      const findStored = SqlSchema.findAll({
        Request: Schema.Array(MessageId),
        Result: Message,
        execute: (ids) =>
          sql`SELECT ${sql.literal(messageColumns)} FROM chat_messages m WHERE m.id = ANY(${ids}::uuid[])`
      })

      const outcomes = Effect.fnUntraced(function* (sends: ReadonlyArray<Send>, rows: ReadonlyArray<unknown>) {
        const told = Arrays.zip(sends, yield* decodeRows(rows))
        // Those that were sent before: few, and most often none.
        const again = told.flatMap(([{ id }, { created }]) => (created ? [] : [id]))
        const stored = again.length === 0 ? [] : yield* findStored(again)
        const byId = new Map(stored.map((message) => [message.id, message]))
        return yield* Effect.forEach(told, ([send, { createdAt, mentions, seq, ...outcome }]) => {
          if (!outcome.created) return Effect.succeed<Outcome>({ ...outcome, message: byId.get(send.id) })
          if (seq === null || createdAt === null || mentions === null) return Effect.fail(new IdCollision())
          return Effect.succeed<Outcome>({ ...outcome, message: posted(send, { seq, createdAt, mentions }) })
        })
      })

      const commit = (sends: ReadonlyArray<Send>) =>
        lock(sends).pipe(
          Effect.andThen(write(sends)),
          Effect.flatMap((rows) => outcomes(sends, rows)),
          Effect.tap((outcomes) => sql.afterCommit(meter(sends, outcomes))),
          inTransaction(sql),
          Effect.retry({ while: (error) => error._tag === "IdCollision", times: 3 }),
          Effect.catchTag("IdCollision", () => new DatabaseUnavailable({ detail: "Try again in a moment." }))
        )

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

      const deliver: (batch: ReadonlyArray<Pending>) => Effect.Effect<void> = Effect.fn("Outbox.deliver")(
        function* (batch) {
          const begun = performance.now()
          const exit = yield* commit(batch.map(({ send }) => send)).pipe(catchDatabaseErrors, Effect.exit)
          if (Exit.isSuccess(exit)) {
            recordSize(batch.length)
            recordTime((performance.now() - begun) / 1_000)
          } else {
            recordFailure(1)
          }
          // A batch that PostgreSQL refuses for one of its sends is written send by send: only that one fails.
          if (Exit.hasDies(exit) && batch.length > 1)
            return yield* Effect.forEach(batch, (one) => deliver([one]), { discard: true })
          if (Exit.isFailure(exit)) {
            return batch.forEach(({ outcome }) => Deferred.doneUnsafe(outcome, Exit.failCause(exit.cause)))
          }
          yield* announce(exit.value)
          for (const [{ outcome }, value] of Arrays.zip(batch, exit.value))
            Deferred.doneUnsafe(outcome, Exit.succeed(value))
        }
      )

      yield* Queue.takeBetween(queue, 1, batchSize).pipe(Effect.flatMap(deliver), Effect.forever, Effect.forkScoped)

      const append = Effect.fnUntraced(function* (send: Send) {
        const outcome = yield* Deferred.make<Outcome, DatabaseUnavailable>()
        yield* Queue.offer(queue, { send, outcome })
        return yield* Deferred.await(outcome)
      })

      return Outbox.of({ append })
    })
  )
}
