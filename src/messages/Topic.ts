import { Effect, Semaphore, type Scope } from "effect"
import type { Incarnation } from "../contract/Incarnation.ts"
import type { ConversationId, Position } from "../contract/Conversation.ts"
import type { LogVersion } from "../contract/LogVersion.ts"
import type { LogEntry, Messages } from "./Messages.ts"
import type { SharedReceipts, VisibilityState } from "./LogView.ts"
import { pageBytes } from "../contract/Paging.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { Frame } from "./Frame.ts"
import { ReceiptsFrame } from "./ReceiptsFrame.ts"
import { Ring, ringSize, type RingBudget } from "./Ring.ts"

/** Most entries read from the database at once, within {@link pageBytes}. */
const readSize = 256

/** Most entries, and most bytes of several, handed over at once: all that a stream holds whose client has stopped reading. */
const batchSize = 64
const batchBytes = 131_072

/** The receipts that were read last, for all listeners whom no block concerns. */
export interface TopicReceipts extends Omit<SharedReceipts, "receipts"> {
  readonly frame: ReceiptsFrame
  /** The {@link Topic.visibility} that they were read with, or a later one. */
  readonly visibility: number
}

/** Woken each time the log has grown. */
export interface Listener {
  wake(): void
}

/** The metrics of all topics. */
export interface TopicCounts {
  /** A message reached the listeners, so many seconds after its time in the database. */
  readonly delivery: (delay: number) => void
  /** The log was read for a listener that is further behind than memory reaches. */
  readonly miss: (count: number) => void
}

/** A conversation's log as this process follows it for its listeners. */
export class Topic {
  private readonly id: ConversationId
  private readonly messages: Messages["Service"]
  private readonly counts: TopicCounts
  private readonly reading = Semaphore.makeUnsafe(1)
  private readonly listeners = new Set<Listener>()
  /** Reaches up to `head`. */
  private readonly ring: Ring
  private head: Position | undefined
  private incarnation: Incarnation | undefined
  private latest: VisibilityState = { epoch: 0, changes: "" }
  private visibilityCount = 0
  private latestReceipts: TopicReceipts | undefined
  private over = false

  constructor(id: ConversationId, messages: Messages["Service"], budget: RingBudget, counts: TopicCounts) {
    this.id = id
    this.messages = messages
    this.counts = counts
    this.ring = new Ring(budget)
  }

  /** Whether the listeners have to end: the log is no longer the one that was read, or is no longer followed. */
  get isOver(): boolean {
    return this.over
  }

  /** How far the log is known, and in which incarnation, once both are known. */
  get version(): LogVersion | undefined {
    return this.head === undefined || this.incarnation === undefined
      ? undefined
      : { incarnation: this.incarnation, position: this.head }
  }

  /**
   * Counts the changes of what participants may see, as this process learns of them, and those of all entries that were handed
   * out are among them. A listener that reads its view after it has noted this number knows all that was counted.
   */
  get visibility(): number {
    return this.visibilityCount
  }

  /** Whether something was read when the topic's visibility was what is known now. */
  isCurrent({ changes, epoch }: VisibilityState): boolean {
    return epoch === this.latest.epoch && changes === this.latest.changes
  }

  /** The receipts as they were read last; `undefined` before the first read. */
  get receipts(): TopicReceipts | undefined {
    return this.latestReceipts
  }

  /** Whether the log goes past a position. */
  hasAfter(position: Position): boolean {
    return this.head !== undefined && this.head > position
  }

  /** Drops the memory and makes the listeners end. */
  end(): void {
    if (this.over) return
    this.over = true
    this.ring.clear()
    this.wake()
  }

  /**
   * Notes the incarnation of the database that something was read in. The first one is the topic's own; another one ends the
   * topic, since its entries may be lost.
   */
  meet(incarnation: Incarnation): void {
    this.incarnation ??= incarnation
    if (this.incarnation !== incarnation) this.end()
  }

  /** Notes what was read with a part of the log. If it is new, a participant may see something else: wakes the listeners. */
  noteVisibility(read: VisibilityState): void {
    if (read.epoch < this.latest.epoch || this.isCurrent(read)) return
    this.latest = { epoch: read.epoch, changes: read.changes }
    this.visibilityCount += 1
    this.wake()
  }

  /** Replaces the receipts, and wakes the listeners. `before` is the {@link visibility} from before the read. */
  setReceipts({ receipts, ...read }: SharedReceipts, before: number): void {
    this.meet(read.incarnation)
    if (this.over) return
    this.noteVisibility(read)
    const visibility = this.isCurrent(read) ? this.visibility : before
    this.latestReceipts = { ...read, visibility, frame: new ReceiptsFrame(receipts) }
    this.wake()
  }

  /** Wakes a listener each time until the scope closes. */
  listen(listener: Listener): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        this.listeners.add(listener)
        this.ring.setHeard(true)
      }),
      () =>
        Effect.sync(() => {
          this.listeners.delete(listener)
          if (this.listeners.size === 0) this.ring.setHeard(false)
        })
    )
  }

  /**
   * Follows the log up to `target`, read once for all listeners and once for all simultaneous calls. The very first target is
   * where following begins.
   */
  readTo(target: Position): Effect.Effect<void, DatabaseUnavailable> {
    return this.reading.withPermits(1)(Effect.suspend(() => this.readOn(target)))
  }

  private readOn(target: Position): Effect.Effect<void, DatabaseUnavailable> {
    const { head } = this
    if (head === undefined) {
      this.ring.begin(target)
      this.move(target)
      return Effect.void
    }
    if (this.over || head >= target) return Effect.void
    return Effect.flatMap(this.messages.since(this.id, head, readSize, pageBytes), (entries) => {
      const now = Date.now()
      for (const { message, position } of entries) {
        if (position === message.seq) {
          this.counts.delivery(Math.max(0, now - message.createdAt.epochMilliseconds) / 1_000)
        }
      }
      const frames = this.framesOf(entries)
      const last = frames.at(-1)
      if (last === undefined) return Effect.void
      this.ring.append(frames)
      this.move(last.position)
      return this.readOn(target)
    })
  }

  /** The log after a position, ascending, all or part of it, empty at its end. `undefined` where memory does not reach. */
  fromMemory(position: Position): ReadonlyArray<Frame> | undefined {
    return this.ring.after(position, batchSize, batchBytes)
  }

  /** The same for any position: from the database where memory does not reach. */
  after(position: Position): Effect.Effect<ReadonlyArray<Frame>, DatabaseUnavailable> {
    return Effect.suspend(() => {
      if (this.over) return Effect.succeed([])
      const remembered = this.fromMemory(position)
      if (remembered !== undefined) return Effect.succeed(remembered)
      return this.head !== undefined && this.head - position <= ringSize && !this.ring.isTooLargeFrom(position)
        ? Effect.andThen(this.readBack(position), this.after(position))
        : Effect.map(this.readMissed(position, batchSize, batchBytes), (entries) => this.framesOf(entries))
    })
  }

  /** Extends the ring down to a position: listeners that come back together share one read of what they missed. */
  private readBack(position: Position): Effect.Effect<void, DatabaseUnavailable> {
    const read = Effect.suspend(() => {
      const start = this.ring.floor
      if (this.over || start === undefined || start <= position || this.ring.isTooLargeFrom(position))
        return Effect.void
      return Effect.map(this.readMissed(position, start - position, pageBytes), (missed) => {
        const between = missed.filter((entry) => entry.position <= start)
        const frames = this.framesOf(between)
        if (this.over) return
        const isWhole = between.length < missed.length || missed.reduce((sum, { bytes }) => sum + bytes, 0) < pageBytes
        // The other rings may have crowded out more of this one meanwhile.
        if (isWhole && this.ring.floor === start) this.ring.prepend(position, frames)
        else this.ring.refuse()
      })
    })
    return this.reading.withPermits(1)(read)
  }

  private readMissed(position: Position, limit: number, bytes: number) {
    this.counts.miss(1)
    return this.messages.since(this.id, position, limit, bytes)
  }

  /** The frames of entries; none once an entry of another incarnation has ended the topic. */
  private framesOf(entries: ReadonlyArray<LogEntry>): ReadonlyArray<Frame> {
    for (const entry of entries) {
      this.meet(entry.incarnation)
      this.noteVisibility(entry)
    }
    return this.over ? [] : entries.map((entry) => new Frame(entry))
  }

  private move(head: Position): void {
    this.head = head
    this.wake()
  }

  private wake(): void {
    for (const listener of this.listeners) listener.wake()
  }
}
