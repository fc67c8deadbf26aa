import { Array as Arrays, Context, Deferred, Effect, Exit, Layer, Queue, Result, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { folded } from "../database/FoldedName.ts"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { boundedLocks, isLockTimeout } from "../database/LockWaits.ts"
import { retryRolledBack } from "../database/Transaction.ts"
import * as Metrics from "../platform/Metrics.ts"
import { DatabaseUnavailable } from "../contract/Problem.ts"
import { ChangeHint, ChangeBus } from "../changes/ChangeBus.ts"
import { Usage } from "../usage/Usage.ts"
import { Position, type ConversationId } from "../contract/Conversation.ts"
import { mentionedNames } from "./Mentions.ts"
import { Message, MessageId, type Draft } from "../contract/Message.ts"
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
   * The message that the database holds under the id, which an earlier send may have put there. A participant's send leaves nothing
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
const minBatch = 16

/** How long a send waits for its conversation, beyond the statement that finds it locked. */
const mostPatience = 5_000

/** Sends in one lane: a locked conversation takes no more of what the server can have under way. */
const mostInLane = 256

/** Lanes that wait for their conversation at once: each takes a connection. */
const lanesAtOnce = 2

/** The sends into a conversation that another transaction has locked, in order. */
interface Lane {
  waiting: ReadonlyArray<Parked>
  attempts: number
  isAttempted: boolean
}

/** A send, and what became of it. */
interface Settled extends Pending {
  readonly result: Outcome
}

interface Parked extends Pending {
  /** When the conversation was found locked, in milliseconds. */
  readonly since: number
}

/** The outcome of a participant's send, as the database returns it: only the part of the message that the sender did not give. */
const Row = Schema.Struct({
  /** Which of the sends, from 1. */
  ordinal: Schema.Int,
  /** Another transaction has the conversation's row, or the sender's: nothing was done, and what follows says nothing. */
  isLocked: Schema.Boolean,
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
 * The statement locks the conversations and takes the next positions under those locks: the order of commits is the order
 * of positions, and there are no gaps. A person who writes has read the log up to there, so the statement moves the
 * senders' receipts too. It is one statement, which commits by itself, so that the locks are held for no round trip.
 *
 * A batch waits for no conversation that another transaction has locked. The sends into such a one go to a lane of their
 * own, and those that follow them too, so that the order stays. A lane waits in PostgreSQL's own queue, a moment at a
 * time: the lanes that have waited least go first, so that one that is locked for long does not hold up another. A send
 * whose conversation stays locked fails within seconds as {@link DatabaseUnavailable}; nothing of it is stored.
 */
export class Outbox extends Context.Service<
  Outbox,
  { readonly append: (send: Send) => Effect.Effect<Outcome, DatabaseUnavailable> }
>()("xfchat/messages/Outbox") {
  static readonly layer = Layer.effect(
    Outbox,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus
      const usage = yield* Usage
      const queue = yield* Queue.unbounded<Pending>()
      const recordSize = yield* Metrics.recorder(Metrics.batchSize)
      const recordTime = yield* Metrics.recorder(Metrics.commitTime)
      const recordFailure = yield* Metrics.recorder(Metrics.batchesFailed)

      // By the primary keys and chat_messages_id_key. What committed after the statement began and before it had the locks:
      // who locks a row sees it as it is then, so heads are the latest, and a person who has left is no participant. What was
      // sent under one of the ids is not seen, and the insert fails. Ids are inserted in order: two batches with the same ids
      // wait for each other one way only. A batch skips what is locked, and a lane has one conversation: there is no deadlock.
      // Each pair of conversation and sender is locked once: the sends of one sender are written together or not at all.
      // The arrays stand in sub-selects: where PostgreSQL sees how long they are, it plans anew for each few sends, which
      // takes longer than to write them. With an OFFSET, it looks up each participant instead of reading them all.
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
          SELECT c.id, c.head, p.user_id, p.visible_after FROM (SELECT DISTINCT conversation_id, sender_id FROM input) s
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
        ), caught_up AS (
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

      // By chat_messages_id_key. As its sender sees it: nobody else is answered with it.
      const findStored = SqlSchema.findAll({
        Request: Schema.Array(MessageId),
        Result: Message,
        execute: (ids) =>
          Effect.map(
            sql<ContentRow>`SELECT ${sql.literal(messageColumns("m.sender_id"))} FROM chat_messages m WHERE m.id = ANY(${ids}::uuid[])`,
            parseContents
          )
      })

      // Those that wait for a lock are left out.
      const outcomes = Effect.fnUntraced(function* (batch: ReadonlyArray<Pending>, rows: ReadonlyArray<unknown>) {
        const told = new Map((yield* decodeRows(rows)).map((row) => [row.ordinal, row]))
        // Those that were sent before: few, and most often none.
        const again = batch.flatMap(({ send }, index) => {
          const row = told.get(index + 1)
          return row === undefined || row.isLocked || row.created ? [] : [send.id]
        })
        const stored = again.length === 0 ? [] : yield* findStored(again)
        const byId = new Map(stored.map((message) => [message.id, message]))
        return batch.flatMap((pending, index): ReadonlyArray<Settled> => {
          const row = told.get(index + 1)
          if (row === undefined) {
            return [{ ...pending, result: { isParticipant: false, created: false, message: undefined } }]
          }
          if (row.isLocked) return []
          const { created } = row
          const message = created ? posted(pending.send, row) : byId.get(pending.send.id)
          return [{ ...pending, result: { isParticipant: true, created, message } }]
        })
      })

      const meter = Effect.fnUntraced(function* (settled: ReadonlyArray<Settled>) {
        for (const { result, send } of settled) {
          if (!result.created) continue
          const contentBytes = Buffer.byteLength(storedContent(send.content))
          yield* usage.count(send.senderId, { messagesSent: 1, contentBytes })
        }
      })

      const announce = (settled: ReadonlyArray<Settled>) => {
        const heads = new Map<ConversationId, Message>()
        for (const { result } of settled) {
          if (result.created && result.message !== undefined) heads.set(result.message.conversationId, result.message)
        }
        return bus.publish(
          [...heads.values()].map(({ conversationId, seq }) => ChangeHint.Log({ conversationId, head: seq }))
        )
      }

      const answer = Effect.fnUntraced(function* (
        batch: ReadonlyArray<Pending>,
        written: Exit.Exit<ReadonlyArray<unknown>, DatabaseUnavailable>
      ) {
        const exit = yield* Effect.flatMap(written, (rows) => outcomes(batch, rows)).pipe(
          Effect.tap(meter),
          Effect.tap(announce),
          catchDatabaseErrors,
          Effect.exit
        )
        if (Exit.isFailure(exit)) {
          return batch.forEach(({ outcome }) => Deferred.doneUnsafe(outcome, Exit.failCause(exit.cause)))
        }
        for (const { outcome, result } of exit.value) Deferred.doneUnsafe(outcome, Exit.succeed(result))
      })

      const scope = yield* Effect.scope
      /** Writes a batch, and has its senders answered, but for those whose sends have to wait for a lock: it gives them. */
      const deliver: <P extends Pending>(
        batch: ReadonlyArray<P>,
        whenLocked: "SKIP LOCKED" | ""
      ) => Effect.Effect<ReadonlyArray<P>> = Effect.fn("Outbox.deliver")(
        function* (batch, whenLocked) {
          const begun = performance.now()
          const sends = batch.map(({ send }) => send)
          const exit = yield* write(sends, whenLocked).pipe(
            retryRolledBack,
            // Nothing of it was kept.
            Effect.catchIf(isLockTimeout, () =>
              Effect.succeed(sends.map((_, n) => ({ ordinal: n + 1, isLocked: true })))
            ),
            catchDatabaseErrors,
            Effect.exit
          )
          const locked = new Set(
            Exit.isSuccess(exit) ? exit.value.flatMap(({ isLocked, ordinal }) => (isLocked ? [ordinal] : [])) : []
          )
          if (locked.size === batch.length) return batch
          if (Exit.isSuccess(exit)) {
            recordSize(batch.length - locked.size)
            recordTime((performance.now() - begun) / 1_000)
          } else {
            recordFailure(1)
          }
          // A batch that PostgreSQL refuses for one of its sends is written send by send: only that one fails.
          if (Exit.hasDies(exit) && batch.length > 1) {
            return (yield* Effect.forEach(batch, (one) => deliver([one], whenLocked))).flat()
          }
          // The next batch is on its way to PostgreSQL before the answers to this one take the processor's time.
          yield* Effect.forkIn(answer(batch, exit), scope)
          return locked.size === 0 ? [] : batch.filter((_, index) => locked.has(index + 1))
        },
        // Whoever stops this, those who wait are told what became of their sends.
        Effect.uninterruptible
      )

      const lanes = new Map<ConversationId, Lane>()
      const fail = ({ outcome }: Pending, detail: string) =>
        Deferred.doneUnsafe(outcome, Exit.fail(new DatabaseUnavailable({ detail })))
      const busy = "This conversation is busy. Try again in a moment."

      const advance = Effect.fnUntraced(function* (id: ConversationId, lane: Lane) {
        const batch = lane.waiting.slice(0, batchSize)
        const locked = yield* deliver(batch, "")
        lane.attempts = locked.length === batch.length ? lane.attempts + 1 : 0
        const expired = performance.now() - mostPatience
        const [waiting, given] = Arrays.partition([...locked, ...lane.waiting.slice(batch.length)], (parked) =>
          parked.since > expired ? Result.succeed(parked) : Result.fail(parked)
        )
        for (const parked of given) fail(parked, busy)
        lane.waiting = waiting
        if (waiting.length === 0) lanes.delete(id)
      })

      let attempted = 0
      /** Attempts lanes until there is none, or enough others do. */
      const workOff: Effect.Effect<void> = Effect.suspend(() => {
        const free = [...lanes].filter(([, { isAttempted }]) => !isAttempted)
        const [next] = free.toSorted(([, a], [, b]) => a.attempts - b.attempts)
        if (next === undefined || attempted === lanesAtOnce) return Effect.void
        const [id, lane] = next
        lane.isAttempted = true
        attempted += 1
        return Effect.ensuring(
          advance(id, lane),
          Effect.sync(() => {
            lane.isAttempted = false
            attempted -= 1
          })
        ).pipe(Effect.andThen(workOff))
      })

      /** Has sends wait in the lanes of their conversations. */
      const park = (sends: ReadonlyArray<Pending>) =>
        Effect.suspend(() => {
          for (const pending of sends) {
            const { conversationId } = pending.send
            const lane = lanes.get(conversationId) ?? { waiting: [], attempts: 0, isAttempted: false }
            lanes.set(conversationId, lane)
            if (lane.waiting.length >= mostInLane) fail(pending, busy)
            else lane.waiting = [...lane.waiting, { ...pending, since: performance.now() }]
          }
          return sends.length === 0 ? Effect.void : Effect.asVoid(Effect.forkIn(workOff, scope))
        })

      yield* Metrics.observe(Metrics.sendsWaiting, () =>
        [...lanes.values()].reduce((sum, { waiting }) => sum + waiting.length, Queue.sizeUnsafe(queue))
      )
      yield* Effect.addFinalizer(() =>
        Effect.map(Queue.clear(queue), (unsent) => {
          for (const pending of [...unsent, ...[...lanes.values()].flatMap(({ waiting }) => waiting)]) {
            fail(pending, "The server stops. Try again in a moment.")
          }
        })
      )
      // Two batches take turns: while one is written, the senders of the other are answered, and come back. If all were
      // written at once, they would wait for PostgreSQL together, and then PostgreSQL for them.
      let lastSize = 0
      const take = Effect.suspend(() => {
        const half = Math.ceil((lastSize + Queue.sizeUnsafe(queue)) / 2)
        return Queue.takeBetween(queue, 1, Math.min(Math.max(half, minBatch), batchSize))
      })
      const writeNext = Effect.fnUntraced(function* (batch: ReadonlyArray<Pending>) {
        lastSize = batch.length
        if (lanes.size === 0) return yield* park(yield* deliver(batch, "SKIP LOCKED"))
        const [behind, free] = Arrays.partition(batch, (pending) =>
          lanes.has(pending.send.conversationId) ? Result.succeed(pending) : Result.fail(pending)
        )
        yield* park(behind)
        if (free.length > 0) yield* park(yield* deliver(free, "SKIP LOCKED"))
      })
      yield* Queue.peek(queue).pipe(
        Effect.andThen(take),
        Effect.flatMap(writeNext),
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
