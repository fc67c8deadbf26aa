import { Deferred, Effect, Exit, Semaphore } from "effect"
import type { ConversationId, Position } from "../messaging/Conversation.ts"
import type { Messages } from "../messaging/Messages.ts"
import type { DatabaseUnavailable } from "../Problem.ts"
import { Frame } from "./Frame.ts"

/** Frames kept for the listeners: who has fallen further behind reads the database. */
const ringSize = 256

/** Places of the log read from the database at once. */
const readSize = 256

/** Places handed over at once: what a listener who has stopped reading holds. */
const batchSize = 64

/** A conversation's log as this process follows it for its listeners. */
export interface Topic {
  /**
   * Follows the log up to `target`, read once for all listeners and once however many ask meanwhile. The first target of
   * all is where following begins.
   */
  readonly readTo: (target: Position) => Effect.Effect<void, DatabaseUnavailable>
  /** The log after a position, ascending, some or all: from memory, or from the database for who is further behind. */
  readonly after: (position: Position) => Effect.Effect<ReadonlyArray<Frame>, DatabaseUnavailable>
  /** Waits until the log goes past a position. */
  readonly past: (position: Position) => Effect.Effect<void>
}

export const makeTopic = (id: ConversationId, messages: Messages["Service"]): Topic => {
  const reading = Semaphore.makeUnsafe(1)
  let head: Position | undefined
  // Holds all that happened after `floor`, up to `head`. A place that a later change of the same message has taken over
  // is not there: positions can have gaps.
  let ring: ReadonlyArray<Frame> = []
  let floor: Position | undefined
  let moved = Deferred.makeUnsafe<void>()

  const move = (position: Position) => {
    head = position
    Deferred.doneUnsafe(moved, Exit.void)
    moved = Deferred.makeUnsafe<void>()
  }

  const readTo = Effect.fnUntraced(function* (target: Position) {
    if (head === undefined) {
      floor = target
      return move(target)
    }
    while (head < target) {
      const frames = (yield* messages.since(id, head, readSize)).map((change) => new Frame(change))
      const last = frames.at(-1)
      if (last === undefined) return
      const kept = [...ring, ...frames]
      floor = kept.at(-ringSize - 1)?.position ?? floor
      ring = kept.slice(-ringSize)
      move(last.position)
    }
  }, reading.withPermits(1))

  // Those who come back, often all together, find what they missed read once for all.
  const readBack = Effect.fnUntraced(function* (position: Position) {
    if (floor === undefined || floor <= position) return
    const start = floor
    const missed = yield* messages.since(id, position, start - position)
    ring = [...missed.filter((change) => change.position <= start).map((change) => new Frame(change)), ...ring]
    floor = position
  }, reading.withPermits(1))

  const after = (position: Position): Effect.Effect<ReadonlyArray<Frame>, DatabaseUnavailable> =>
    Effect.suspend(() => {
      if (floor !== undefined && floor <= position) {
        const start = ring.findLastIndex((frame) => frame.position <= position) + 1
        return Effect.succeed(ring.slice(start, start + batchSize))
      }
      return head !== undefined && head - position <= ringSize
        ? Effect.andThen(readBack(position), after(position))
        : Effect.map(messages.since(id, position, batchSize), (changes) => changes.map((change) => new Frame(change)))
    })

  const past = (position: Position): Effect.Effect<void> =>
    Effect.suspend(() =>
      head !== undefined && head > position ? Effect.void : Effect.andThen(Deferred.await(moved), past(position))
    )

  return { readTo, after, past }
}
