import { Array as Arrays, Context, Deferred, Effect, Exit, Layer, Queue, Result } from "effect"
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
import { failSend, SendLanes, type PendingSend } from "./SendLanes.ts"
import { maxSends, sendStatement, type Outcome, type Send } from "./SendStatement.ts"

/** So many sends are written at once even if others could be written after them: a statement costs as much as some sends. */
const minBatch = 16

/** A send with its outcome. */
interface SettledSend extends PendingSend {
  readonly result: Outcome
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
  { readonly append: (send: Send) => Effect.Effect<Outcome, DatabaseUnavailable> }
>()("xfchat/messages/Outbox") {
  static readonly layer = Layer.effect(
    Outbox,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus
      const usage = yield* Usage
      const { outcomesOf, write } = sendStatement(sql)
      const scope = yield* Effect.scope
      const queue = yield* Queue.unbounded<PendingSend>()
      const recordSize = yield* Metrics.recorder(Metrics.batchSize)
      const recordTime = yield* Metrics.recorder(Metrics.commitTime)
      const recordFailure = yield* Metrics.recorder(Metrics.batchesFailed)

      // Two batches take turns: while one is written, the senders of the other are answered, and come back. If all were
      // written at once, they would wait for PostgreSQL together, and then PostgreSQL for them.
      let lastSize = 0
      const take = Effect.suspend(() => {
        const half = Math.ceil((lastSize + Queue.sizeUnsafe(queue)) / 2)
        return Queue.takeBetween(queue, 1, Math.min(Math.max(half, minBatch), maxSends))
      })

      const meter = Effect.fnUntraced(function* (settled: ReadonlyArray<SettledSend>) {
        for (const { result, send } of settled) {
          if (!result.created) continue
          const contentBytes = Buffer.byteLength(storedContent(send.content))
          yield* usage.count(send.senderId, { messagesSent: 1, contentBytes })
        }
      })

      const announce = (settled: ReadonlyArray<SettledSend>) => {
        const heads = new Map<ConversationId, Position>()
        for (const { result } of settled) {
          if (result.created && result.message !== undefined)
            heads.set(result.message.conversationId, result.message.seq)
        }
        return bus.publish([...heads].map(([conversationId, head]) => ChangeHint.Log({ conversationId, head })))
      }

      /** The sends with an outcome: all but those that found a lock. */
      const settle = (batch: ReadonlyArray<PendingSend>, rows: ReadonlyArray<unknown>) =>
        Effect.map(
          outcomesOf(
            batch.map(({ send }) => send),
            rows
          ),
          (outcomes) =>
            outcomes.flatMap((result, index): ReadonlyArray<SettledSend> => {
              const pending = batch[index]
              return result === undefined || pending === undefined ? [] : [{ ...pending, result }]
            })
        )

      const answer = Effect.fnUntraced(function* (
        batch: ReadonlyArray<PendingSend>,
        written: Exit.Exit<ReadonlyArray<unknown>, DatabaseUnavailable>
      ) {
        const exit = yield* Effect.flatMap(written, (rows) => settle(batch, rows)).pipe(
          Effect.tap(meter),
          catchDatabaseErrors,
          Effect.exit
        )
        if (Exit.isFailure(exit)) {
          return batch.forEach(({ outcome }) => Deferred.doneUnsafe(outcome, Exit.failCause(exit.cause)))
        }
        // The senders first: what the listeners are sent takes longer.
        for (const { outcome, result } of exit.value) Deferred.doneUnsafe(outcome, Exit.succeed(result))
        yield* announce(exit.value)
      })

      /** Writes a batch and has its senders answered, except for the sends that found a lock: it returns those. */
      const deliver: <P extends PendingSend>(
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
          // If others wait, their batch is on its way to PostgreSQL before the answers to this one take the processor's time.
          yield* Effect.forkIn(answer(batch, exit), scope, { startImmediately: Queue.sizeUnsafe(queue) === 0 })
          return locked.size === 0 ? [] : batch.filter((_, index) => locked.has(index + 1))
        },
        // A stop of the server must not leave a written send without an answer.
        Effect.uninterruptible
      )

      const lanes = new SendLanes((batch) => deliver(batch, ""), scope)

      const writeNext = Effect.fnUntraced(function* (batch: ReadonlyArray<PendingSend>) {
        lastSize = batch.length
        if (lanes.isEmpty) return yield* lanes.park(yield* deliver(batch, "SKIP LOCKED"))
        const [behind, free] = Arrays.partition(batch, (pending) =>
          lanes.has(pending.send.conversationId) ? Result.succeed(pending) : Result.fail(pending)
        )
        yield* lanes.park(behind)
        if (free.length > 0) yield* lanes.park(yield* deliver(free, "SKIP LOCKED"))
      })

      yield* Metrics.observe(Metrics.sendsWaiting, () => Queue.sizeUnsafe(queue) + lanes.waiting().length)
      yield* Effect.addFinalizer(() =>
        Effect.map(Queue.clear(queue), (unsent) => {
          for (const pending of [...unsent, ...lanes.waiting()]) {
            failSend(pending, "The server stops. Try again in a moment.")
          }
        })
      )
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
