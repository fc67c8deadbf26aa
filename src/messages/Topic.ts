import { Effect, Semaphore, type Scope } from "effect"
import type { Incarnation } from "../contract/Incarnation.ts"
import type { ConversationId, Position } from "../contract/Conversation.ts"
import type { LogVersion } from "../contract/LogVersion.ts"
import type { LogEntry, Messages } from "./Messages.ts"
import type { SharedReceipts } from "./LogView.ts"
import { pageBytes } from "../contract/Paging.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { Frame } from "./Frame.ts"
import { ReceiptsFrame } from "./ReceiptsFrame.ts"
import { Ring, ringSize, type RingBudget } from "./Ring.ts"

/** Most places of the log read from the database at once, within {@link pageBytes}. */
const readSize = 256

/** Most places, and most bytes of several, handed over at once: all that a stream holds whose client has stopped reading. */
const batchSize = 64
const batchBytes = 131_072

/** The latest receipts that were read, for all listeners whom no block concerns. */
export interface TopicReceipts extends Omit<SharedReceipts, "receipts"> {
  readonly frame: ReceiptsFrame
}

/** Is woken each time the log has grown. */
export interface Listener {
  wake(): void
}

/** A conversation's log as this process follows it for its listeners. */
export interface Topic {
  /**
   * Follows the log up to `target`, read once for all listeners and once however many ask meanwhile. The first target of
   * all is where following begins.
   */
  readonly readTo: (target: Position) => Effect.Effect<void, DatabaseUnavailable>
  /**
   * The log is of this incarnation of the database. The first one that a topic hears is its own; another one ends it, since
   * what it knows may be lost.
   */
  readonly meet: (incarnation: Incarnation) => void
  /** Drops the memory and makes the listeners end: the log is no longer the one that was read, or nobody follows it. */
  readonly end: () => void
  readonly isOver: () => boolean
  /** How far the log is known, and in which incarnation, once both are. */
  readonly version: () => LogVersion | undefined
  /** A block or unblock changed what a participant may see: adopts the newer epoch and wakes the listeners. */
  readonly advanceEpoch: (epoch: number) => void
  /** The latest epoch that is known; at least that of all that was handed out. */
  readonly epoch: () => number
  /** The receipts as they were read last; `undefined` before the first time. */
  readonly receipts: () => TopicReceipts | undefined
  /** Replaces the receipts, and wakes the listeners. */
  readonly setReceipts: (read: SharedReceipts) => void
  /** The log after a position, ascending, some or all, empty at its end. `undefined` where memory does not reach. */
  readonly fromMemory: (position: Position) => ReadonlyArray<Frame> | undefined
  /** The same for any position: from the database where memory does not reach. */
  readonly after: (position: Position) => Effect.Effect<ReadonlyArray<Frame>, DatabaseUnavailable>
  /** Whether the log goes past a position. */
  readonly hasAfter: (position: Position) => boolean
  /** Wakes a listener each time until the scope closes. */
  readonly listen: (listener: Listener) => Effect.Effect<void, never, Scope.Scope>
}

/** The metrics of all topics. */
export interface TopicCounts {
  /** A message went on to the listeners so many seconds after its time in the database. */
  readonly delivery: (delay: number) => void
  /** The log was read for a listener further behind than memory reaches. */
  readonly miss: (count: number) => void
}

export const makeTopic = (
  id: ConversationId,
  messages: Messages["Service"],
  budget: RingBudget,
  counts: TopicCounts
): Topic => {
  const reading = Semaphore.makeUnsafe(1)
  const listeners = new Set<Listener>()
  let head: Position | undefined
  // Reaches up to `head`.
  const ring = new Ring(budget)
  let epoch = 0
  let incarnation: Incarnation | undefined
  let isOver = false

  const wake = () => {
    for (const listener of listeners) listener.wake()
  }

  const end = () => {
    if (isOver) return
    isOver = true
    ring.clear()
    wake()
  }

  const meet = (met: Incarnation) => {
    incarnation ??= met
    if (incarnation !== met) end()
  }

  const advanceEpoch = (entered: number) => {
    if (entered <= epoch) return
    epoch = entered
    wake()
  }

  let receipts: TopicReceipts | undefined

  const setReceipts = ({ receipts: list, ...read }: SharedReceipts) => {
    meet(read.incarnation)
    if (isOver) return
    receipts = { ...read, frame: new ReceiptsFrame(list) }
    epoch = Math.max(epoch, read.epoch)
    wake()
  }

  /** Nothing of another incarnation. */
  const framesOf = (changes: ReadonlyArray<LogEntry>) => {
    for (const change of changes) {
      meet(change.incarnation)
      advanceEpoch(change.epoch)
    }
    return isOver ? [] : changes.map((change) => new Frame(change))
  }

  const move = (position: Position) => {
    head = position
    wake()
  }

  const readTo = Effect.fnUntraced(function* (target: Position) {
    if (head === undefined) {
      ring.begin(target)
      return move(target)
    }
    while (!isOver && head < target) {
      const changes = yield* messages.since(id, head, readSize, pageBytes)
      const now = Date.now()
      for (const { message, position } of changes) {
        if (position === message.seq) counts.delivery(Math.max(0, now - message.createdAt.epochMilliseconds) / 1_000)
      }
      const frames = framesOf(changes)
      const last = frames.at(-1)
      if (last === undefined) return
      ring.append(frames)
      move(last.position)
    }
  }, reading.withPermits(1))

  const readMissed = (position: Position, limit: number, bytes: number) =>
    Effect.suspend(() => {
      counts.miss(1)
      return messages.since(id, position, limit, bytes)
    })

  // Listeners that come back together share one read of what they missed.
  const readBack = Effect.fnUntraced(function* (position: Position) {
    const start = ring.floor
    if (isOver || start === undefined || start <= position || ring.isTooLargeFrom(position)) return
    const missed = yield* readMissed(position, start - position, pageBytes)
    const between = missed.filter((change) => change.position <= start)
    const frames = framesOf(between)
    if (isOver) return
    const isWhole = between.length < missed.length || missed.reduce((sum, { bytes }) => sum + bytes, 0) < pageBytes
    // The other rings may have crowded out more of this one meanwhile.
    if (isWhole && ring.floor === start) ring.prepend(position, frames)
    else ring.refuse()
  }, reading.withPermits(1))

  const fromMemory = (position: Position) => ring.after(position, batchSize, batchBytes)

  const after = (position: Position): Effect.Effect<ReadonlyArray<Frame>, DatabaseUnavailable> =>
    Effect.suspend(() => {
      if (isOver) return Effect.succeed([])
      const recalled = fromMemory(position)
      if (recalled !== undefined) return Effect.succeed(recalled)
      return head !== undefined && head - position <= ringSize && !ring.isTooLargeFrom(position)
        ? Effect.andThen(readBack(position), after(position))
        : Effect.map(readMissed(position, batchSize, batchBytes), framesOf)
    })

  const listen = (listener: Listener) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        listeners.add(listener)
        ring.setHeard(true)
      }),
      () =>
        Effect.sync(() => {
          listeners.delete(listener)
          if (listeners.size === 0) ring.setHeard(false)
        })
    )

  return {
    readTo,
    meet,
    end,
    isOver: () => isOver,
    version: () => (head === undefined || incarnation === undefined ? undefined : { incarnation, position: head }),
    advanceEpoch,
    epoch: () => epoch,
    receipts: () => receipts,
    setReceipts,
    fromMemory,
    after,
    hasAfter: (position) => head !== undefined && head > position,
    listen
  }
}
