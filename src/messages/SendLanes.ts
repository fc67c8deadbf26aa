import { Array as Arrays, Deferred, Effect, Exit, Result, type Scope } from "effect"
import type { ConversationId } from "../contract/Conversation.ts"
import { DatabaseUnavailable } from "../contract/Problem.ts"
import { maxSends, type Outcome, type Send } from "./SendStatement.ts"

/** Sends whose sender waits for their outcomes: one, or several of one request, which are written together or not at all. */
export interface PendingSends {
  readonly conversationId: ConversationId
  /** At most {@link maxSends}, all of one sender and into one conversation. */
  readonly sends: ReadonlyArray<Send>
  readonly outcomes: Deferred.Deferred<ReadonlyArray<Outcome>, DatabaseUnavailable>
}

export const failSends = ({ outcomes }: PendingSends, detail: string) =>
  Deferred.doneUnsafe(outcomes, Exit.fail(new DatabaseUnavailable({ detail })))

export const countSends = (pending: ReadonlyArray<PendingSends>): number =>
  pending.reduce((count, { sends }) => count + sends.length, 0)

/** Splits what is pending into batches that one statement can write, in order. */
export const batchesOf = <P extends PendingSends>(pending: ReadonlyArray<P>): ReadonlyArray<ReadonlyArray<P>> => {
  if (countSends(pending) <= maxSends) return [pending]
  const batches: Array<Array<P>> = []
  let size = Infinity
  for (const one of pending) {
    size += one.sends.length
    if (size > maxSends) {
      batches.push([])
      size = one.sends.length
    }
    batches.at(-1)?.push(one)
  }
  return batches
}

/** How long a send waits for its conversation, beyond the statement that finds it locked, in milliseconds. */
const maxWait = 5_000

/** Most sends in one lane, so that one locked conversation cannot use up the requests that the server handles at once. */
const laneSize = 256

/** Lanes that wait for their conversation at once: each takes a connection. */
const lanesAtOnce = 2

interface ParkedSends extends PendingSends {
  /** When the conversation was found locked, in milliseconds. */
  readonly since: number
}

/** The sends into a conversation that another transaction has locked, in order. */
interface Lane {
  waiting: ReadonlyArray<ParkedSends>
  attempts: number
  isAttempted: boolean
}

/** Writes a batch, waiting for locks, and returns the sends that found theirs held for too long. */
type Deliver = <P extends PendingSends>(batch: ReadonlyArray<P>) => Effect.Effect<ReadonlyArray<P>>

const busy = "This conversation is busy. Try again in a moment."

/**
 * The sends that wait for a locked conversation. A lane waits in PostgreSQL's own queue, a moment at a time: the lanes that
 * have waited least go first, so that one that is locked for long does not hold up another.
 */
export class SendLanes {
  private readonly lanes = new Map<ConversationId, Lane>()
  private readonly deliver: Deliver
  private readonly scope: Scope.Scope
  private attempted = 0

  constructor(deliver: Deliver, scope: Scope.Scope) {
    this.deliver = deliver
    this.scope = scope
  }

  get isEmpty(): boolean {
    return this.lanes.size === 0
  }

  has(id: ConversationId): boolean {
    return this.lanes.has(id)
  }

  waiting(): ReadonlyArray<PendingSends> {
    return [...this.lanes.values()].flatMap(({ waiting }) => waiting)
  }

  /** Puts sends into the lanes of their conversations. */
  park(sends: ReadonlyArray<PendingSends>): Effect.Effect<void> {
    return Effect.suspend(() => {
      for (const pending of sends) {
        const { conversationId } = pending
        const lane = this.lanes.get(conversationId) ?? { waiting: [], attempts: 0, isAttempted: false }
        this.lanes.set(conversationId, lane)
        if (countSends(lane.waiting) + pending.sends.length > laneSize) failSends(pending, busy)
        else lane.waiting = [...lane.waiting, { ...pending, since: performance.now() }]
      }
      return sends.length === 0 ? Effect.void : Effect.asVoid(Effect.forkIn(this.workOff, this.scope))
    })
  }

  /** Attempts lanes until none is left, or enough others are being attempted. */
  private readonly workOff: Effect.Effect<void> = Effect.suspend(() => {
    const free = [...this.lanes].filter(([, { isAttempted }]) => !isAttempted)
    const [next] = free.toSorted(([, a], [, b]) => a.attempts - b.attempts)
    if (next === undefined || this.attempted === lanesAtOnce) return Effect.void
    const [id, lane] = next
    lane.isAttempted = true
    this.attempted += 1
    return Effect.ensuring(
      this.advance(id, lane),
      Effect.sync(() => {
        lane.isAttempted = false
        this.attempted -= 1
      })
    ).pipe(Effect.andThen(this.workOff))
  })

  private advance(id: ConversationId, lane: Lane): Effect.Effect<void> {
    const [batch = []] = batchesOf(lane.waiting)
    return Effect.map(this.deliver(batch), (locked) => {
      lane.attempts = locked.length === batch.length ? lane.attempts + 1 : 0
      const expired = performance.now() - maxWait
      const [waiting, tooLate] = Arrays.partition([...locked, ...lane.waiting.slice(batch.length)], (parked) =>
        parked.since > expired ? Result.succeed(parked) : Result.fail(parked)
      )
      for (const parked of tooLate) failSends(parked, busy)
      lane.waiting = waiting
      if (waiting.length === 0) this.lanes.delete(id)
    })
  }
}
