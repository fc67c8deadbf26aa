import { Effect, Semaphore } from "effect"
import type { Incarnation } from "../database/Incarnation.ts"
import type { ConversationId, Position } from "../messaging/Conversation.ts"
import type { LogVersion } from "../messaging/LogVersion.ts"
import type { Change, Messages } from "../messaging/Messages.ts"
import type { DatabaseUnavailable } from "../Problem.ts"
import { Frame } from "./Frame.ts"

/** Frames kept for the listeners: who has fallen further behind reads the database. */
const ringSize = 256

/** Places of the log read from the database at once. */
const readSize = 256

/** Places handed over at once: what a listener who has stopped reading holds. */
const batchSize = 64

/** Somebody to be woken each time the log has gone on. */
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
  /** What is known is of the past: the listeners are woken, and have to end. */
  readonly end: () => void
  readonly isOver: () => boolean
  /** How far the log is known, and in which incarnation, once both are. */
  readonly version: () => LogVersion | undefined
  /** Somebody's view of what is there already has changed: the listeners are woken, for the later of two epochs. */
  readonly enter: (epoch: number) => void
  /** The latest epoch that is known; at least that of all that was handed out. */
  readonly epoch: () => number
  /** The log after a position, ascending, some or all, empty at its end. `undefined` where memory does not reach. */
  readonly recall: (position: Position) => ReadonlyArray<Frame> | undefined
  /** The same also for who is further behind: from the database. */
  readonly after: (position: Position) => Effect.Effect<ReadonlyArray<Frame>, DatabaseUnavailable>
  /** Whether the log goes past a position. */
  readonly isPast: (position: Position) => boolean
  readonly listeners: Set<Listener>
}

/** What is counted of all topics. */
export interface TopicCounts {
  /** A message went on to the listeners so many seconds after its time in the database. */
  readonly delivery: (delay: number) => void
  /** The log was read for who was further behind than memory reaches. */
  readonly miss: (count: number) => void
}

export const makeTopic = (id: ConversationId, messages: Messages["Service"], counts: TopicCounts): Topic => {
  const reading = Semaphore.makeUnsafe(1)
  const listeners = new Set<Listener>()
  let head: Position | undefined
  // Holds all that happened after `floor`, up to `head`. A place that a later change of the same message has taken over
  // is not there: positions can have gaps.
  let ring: ReadonlyArray<Frame> = []
  let floor: Position | undefined
  let epoch = 0
  let incarnation: Incarnation | undefined
  let isOver = false

  const wake = () => {
    for (const listener of listeners) listener.wake()
  }

  const end = () => {
    if (isOver) return
    isOver = true
    ring = []
    wake()
  }

  const meet = (met: Incarnation) => {
    incarnation ??= met
    if (incarnation !== met) end()
  }

  const enter = (entered: number) => {
    if (entered <= epoch) return
    epoch = entered
    wake()
  }

  /** Nothing of another incarnation. */
  const framesOf = (changes: ReadonlyArray<Change>) => {
    for (const change of changes) {
      meet(change.incarnation)
      enter(change.epoch)
    }
    return isOver ? [] : changes.map((change) => new Frame(change))
  }

  const move = (position: Position) => {
    head = position
    wake()
  }

  const readTo = Effect.fnUntraced(function* (target: Position) {
    if (head === undefined) {
      floor = target
      return move(target)
    }
    while (!isOver && head < target) {
      const changes = yield* messages.since(id, head, readSize)
      const now = Date.now()
      for (const { message, position } of changes) {
        if (position === message.seq) counts.delivery(Math.max(0, now - message.createdAt.epochMilliseconds) / 1_000)
      }
      const frames = framesOf(changes)
      const last = frames.at(-1)
      if (last === undefined) return
      const kept = [...ring, ...frames]
      floor = kept.at(-ringSize - 1)?.position ?? floor
      ring = kept.slice(-ringSize)
      move(last.position)
    }
  }, reading.withPermits(1))

  const readMissed = (position: Position, limit: number) =>
    Effect.suspend(() => {
      counts.miss(1)
      return messages.since(id, position, limit)
    })

  // Those who come back, often all together, find what they missed read once for all.
  const readBack = Effect.fnUntraced(function* (position: Position) {
    if (isOver || floor === undefined || floor <= position) return
    const start = floor
    const missed = yield* readMissed(position, start - position)
    const frames = framesOf(missed.filter((change) => change.position <= start))
    if (isOver) return
    ring = [...frames, ...ring]
    floor = position
  }, reading.withPermits(1))

  const recall = (position: Position): ReadonlyArray<Frame> | undefined => {
    if (floor === undefined || floor > position) return undefined
    const start = ring.findLastIndex((frame) => frame.position <= position) + 1
    return ring.slice(start, start + batchSize)
  }

  const after = (position: Position): Effect.Effect<ReadonlyArray<Frame>, DatabaseUnavailable> =>
    Effect.suspend(() => {
      if (isOver) return Effect.succeed([])
      const recalled = recall(position)
      if (recalled !== undefined) return Effect.succeed(recalled)
      return head !== undefined && head - position <= ringSize
        ? Effect.andThen(readBack(position), after(position))
        : Effect.map(readMissed(position, batchSize), framesOf)
    })

  return {
    readTo,
    meet,
    end,
    isOver: () => isOver,
    version: () => (head === undefined || incarnation === undefined ? undefined : { incarnation, position: head }),
    enter,
    epoch: () => epoch,
    recall,
    after,
    isPast: (position) => head !== undefined && head > position,
    listeners
  }
}
