import { Array as Arrays, Context, Deferred, Effect, Exit, Layer, Predicate, Queue, Result } from "effect"
import { SqlClient } from "effect/sql"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { isLockTimeout } from "../database/LockWaits.ts"
import { retryRolledBack } from "../database/Transaction.ts"
import * as Metrics from "../platform/Metrics.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { ChangeHint, ChangeBus } from "../changes/ChangeBus.ts"
import { Usage } from "../usage/Usage.ts"
import type { ConversationId, Position } from "../contract/Conversation.ts"
import { storedContent } from "./MessageRow.ts"
import { batchesOf, countSends, failSends, SendLanes, type PendingSends } from "./SendLanes.ts"
import { maxSends, sendStatement, type Outcome, type Send } from "./SendStatement.ts"

/** So many sends are written at once even if others could be written after them: a statement costs as much as some sends. */
const minBatch = 16

const sendsOf = (batch: ReadonlyArray<PendingSends>) => batch.flatMap(({ sends }) => sends)

/** Sends with their outcomes. */
interface SettledSends extends PendingSends {
  readonly results: ReadonlyArray<Outcome>
}

/**
 * Group commit: sends gather while the batch before them commits, and are then written by one statement, each with an
 * outcome of its own. A send is answered after the commit, never before.
 *
 * The statement locks the conversations and takes the next positions under those locks: the order of commits is the order
 * of positions, which are assigned without gaps. A sender has read the log up to their own message, so the statement moves the senders'
 * receipts too. It commits on its own, so that the locks are held for no round trip.
 *
 * A batch does not wait for a conversation that another transaction has locked. The sends into such a conversation, and all
 * that follow them, go to a lane of their own, so that their order stays: see {@link SendLanes}. A send whose conversation
 * stays locked fails within seconds as {@link DatabaseUnavailable}; nothing of it is stored.
 */
export class Outbox extends Context.Service<
  Outbox,
  {
    readonly append: (send: Send) => Effect.Effect<Outcome, DatabaseUnavailable>
    /**
     * Appends up to {@link maxSends} sends of one sender into one conversation, in their order and in one transaction. None of
     * them may have the id of another one or reply to it.
     */
    readonly appendAll: (sends: ReadonlyArray<Send>) => Effect.Effect<ReadonlyArray<Outcome>, DatabaseUnavailable>
  }
>()("xfchat/messages/Outbox") {
  static readonly layer = Layer.effect(
    Outbox,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus
      const usage = yield* Usage
      const { outcomesOf, write } = sendStatement(sql)
      const scope = yield* Effect.scope
      const queue = yield* Queue.unbounded<PendingSends>()
      const recordSize = yield* Metrics.recorder(Metrics.batchSize)
      const recordTime = yield* Metrics.recorder(Metrics.commitTime)
      const recordFailure = yield* Metrics.recorder(Metrics.batchesFailed)

      // Two batches take turns: while one is written, the senders of the other are answered, and come back. If all were
      // written at once, they would wait for PostgreSQL together, and then PostgreSQL for them.
      let lastSize = 0
      let sendsQueued = 0
      const take = Effect.suspend(() => {
        const half = Math.ceil((lastSize + Queue.sizeUnsafe(queue)) / 2)
        return Queue.takeBetween(queue, 1, Math.min(Math.max(half, minBatch), maxSends))
      })

      const meter = Effect.fnUntraced(function* (settled: ReadonlyArray<SettledSends>) {
        for (const { results, sends } of settled) {
          for (const [index, send] of sends.entries()) {
            if (results[index]?.created !== true) continue
            const contentBytes = Buffer.byteLength(storedContent(send.content))
            yield* usage.count(send.senderId, { messagesSent: 1, contentBytes })
          }
        }
      })

      const announce = (settled: ReadonlyArray<SettledSends>) => {
        const heads = new Map<ConversationId, Position>()
        for (const { conversationId, results } of settled) {
          for (const { created, message } of results) {
            if (created && message !== undefined) heads.set(conversationId, message.seq)
          }
        }
        return bus.publish([...heads].map(([conversationId, head]) => ChangeHint.Log({ conversationId, head })))
      }

      /** The sends with an outcome: all but those that found a lock. */
      const settle = (batch: ReadonlyArray<PendingSends>, rows: ReadonlyArray<unknown>) =>
        Effect.map(outcomesOf(sendsOf(batch), rows), (outcomes) => {
          let end = 0
          return batch.flatMap((pending): ReadonlyArray<SettledSends> => {
            const results = outcomes.slice(end, (end += pending.sends.length)).filter(Predicate.isNotUndefined)
            return results.length === 0 ? [] : [{ ...pending, results }]
          })
        })

      const answer = Effect.fnUntraced(function* (
        batch: ReadonlyArray<PendingSends>,
        written: Exit.Exit<ReadonlyArray<unknown>, DatabaseUnavailable>
      ) {
        const exit = yield* Effect.flatMap(written, (rows) => settle(batch, rows)).pipe(
          Effect.tap(meter),
          catchDatabaseErrors,
          Effect.exit
        )
        if (Exit.isFailure(exit)) {
          return batch.forEach(({ outcomes }) => Deferred.doneUnsafe(outcomes, Exit.failCause(exit.cause)))
        }
        // The senders first: what the listeners are sent takes longer.
        for (const { outcomes, results } of exit.value) Deferred.doneUnsafe(outcomes, Exit.succeed(results))
        yield* announce(exit.value)
      })

      /** Writes a batch and has its senders answered, except for the sends that found a lock: it returns those. */
      const deliver: <P extends PendingSends>(
        batch: ReadonlyArray<P>,
        whenLocked: "SKIP LOCKED" | ""
      ) => Effect.Effect<ReadonlyArray<P>> = Effect.fn("Outbox.deliver")(
        function* (batch, whenLocked) {
          const begun = performance.now()
          const sends = sendsOf(batch)
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
          if (locked.size === sends.length) return batch
          if (Exit.isSuccess(exit)) {
            recordSize(sends.length - locked.size)
            recordTime((performance.now() - begun) / 1_000)
          } else {
            recordFailure(1)
          }
          // A batch that PostgreSQL refuses for one of its sends is written request by request: only that one fails.
          if (Exit.hasDies(exit) && batch.length > 1) {
            return (yield* Effect.forEach(batch, (one) => deliver([one], whenLocked))).flat()
          }
          // If others wait, their batch is on its way to PostgreSQL before the answers to this one take the processor's time.
          yield* Effect.forkIn(answer(batch, exit), scope, { startImmediately: Queue.sizeUnsafe(queue) === 0 })
          if (locked.size === 0) return []
          let ordinal = 1
          return batch.filter(({ sends }) => locked.has((ordinal += sends.length) - sends.length))
        },
        // A stop of the server must not leave a written send without an answer.
        Effect.uninterruptible
      )

      const lanes = new SendLanes((batch) => deliver(batch, ""), scope)

      const writeBatch = Effect.fnUntraced(function* (batch: ReadonlyArray<PendingSends>) {
        if (lanes.isEmpty) return yield* lanes.park(yield* deliver(batch, "SKIP LOCKED"))
        const [behind, free] = Arrays.partition(batch, (pending) =>
          lanes.has(pending.conversationId) ? Result.succeed(pending) : Result.fail(pending)
        )
        yield* lanes.park(behind)
        if (free.length > 0) yield* lanes.park(yield* deliver(free, "SKIP LOCKED"))
      })

      const writeNext = (taken: ReadonlyArray<PendingSends>) => {
        lastSize = taken.length
        sendsQueued -= countSends(taken)
        return Effect.forEach(batchesOf(taken), writeBatch, { discard: true })
      }

      yield* Metrics.observe(Metrics.sendsWaiting, () => sendsQueued + countSends(lanes.waiting()))
      yield* Effect.addFinalizer(() =>
        Effect.map(Queue.clear(queue), (unsent) => {
          for (const pending of [...unsent, ...lanes.waiting()]) {
            failSends(pending, "The server stops. Try again in a moment.")
          }
        })
      )
      yield* Queue.peek(queue).pipe(
        Effect.andThen(take),
        Effect.flatMap(writeNext),
        Effect.forever({ disableYield: true }),
        Effect.forkScoped
      )

      const appendAll = Effect.fnUntraced(function* (sends: ReadonlyArray<Send>) {
        const [first] = sends
        if (first === undefined) return []
        const outcomes = yield* Deferred.make<ReadonlyArray<Outcome>, DatabaseUnavailable>()
        sendsQueued += sends.length
        yield* Queue.offer(queue, { conversationId: first.conversationId, sends, outcomes })
        return yield* Deferred.await(outcomes)
      })

      const append = (send: Send) => Effect.map(appendAll([send]), Arrays.getUnsafe(0))

      return Outbox.of({ append, appendAll })
    })
  )
}
