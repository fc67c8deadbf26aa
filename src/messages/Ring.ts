import { Context } from "effect"
import type { Position } from "../contract/Conversation.ts"
import type { Frame } from "./Frame.ts"

/** Most frames of a ring: a subscriber further behind reads the database. */
export const ringSize = 256

/** Most bytes of a ring of several frames. The latest frame may have more: thousands may be about to read it. */
export const ringBytes = 2_097_152

/** Most bytes of all frames that a process holds in its rings. */
export const RingBytes = Context.Reference<number>("xfchat/messages/RingBytes", {
  defaultValue: () => 67_108_864
})

/**
 * The frames of all rings of a process, in the order in which they came, and their bytes. Beyond the budget, rings without
 * a listener are emptied first, then the oldest frames go, whichever ring they are in.
 */
export class RingBudget {
  private readonly most: number
  private readonly frames = new Map<Frame, Ring>()
  private readonly unheard = new Set<Ring>()
  private held = 0

  constructor(most: number) {
    this.most = most
  }

  /** At most the budget, whenever nobody is about to change it. */
  get bytes(): number {
    return this.held
  }

  add(frame: Frame, ring: Ring): void {
    this.frames.set(frame, ring)
    this.held += frame.bytes
    frame.onGrowth = (more) => {
      this.held += more
      ring.grow(more)
      this.trim()
    }
  }

  remove(frame: Frame): void {
    this.frames.delete(frame)
    this.held -= frame.bytes
    frame.onGrowth = undefined
  }

  /** Marks a ring as having nobody who listens, or somebody. */
  setUnheard(ring: Ring, isUnheard: boolean): void {
    if (isUnheard) this.unheard.add(ring)
    else this.unheard.delete(ring)
  }

  trim(): void {
    for (const ring of this.unheard) {
      if (this.held <= this.most) return
      ring.crowdOut(ring.size)
      this.unheard.delete(ring)
    }
    for (const [frame, ring] of this.frames) {
      if (this.held <= this.most) return
      ring.crowdOutTo(frame)
    }
  }
}

/**
 * The latest part of a conversation's log: all places after `floor`. A place that a later change of the same message has
 * taken over is not there, so positions can have gaps.
 */
export class Ring {
  private readonly budget: RingBudget
  private frames: ReadonlyArray<Frame> = []
  private held = 0
  private start: Position | undefined
  private crowdedOut = -1
  private isHeard = false

  constructor(budget: RingBudget) {
    this.budget = budget
  }

  /** The ring holds what comes after this. `undefined` before {@link begin}. */
  get floor(): Position | undefined {
    return this.start
  }

  get size(): number {
    return this.frames.length
  }

  /** Whether frames after a position were dropped for their bytes: they would be again. */
  isTooLargeFrom(position: Position): boolean {
    return position < this.crowdedOut
  }

  /** Begins to hold what comes after a position. */
  begin(floor: Position): void {
    this.start = floor
  }

  /** Whether anybody listens: the frames of the other rings go first. */
  setHeard(isHeard: boolean): void {
    this.isHeard = isHeard
    this.budget.setUnheard(this, !isHeard && this.size > 0)
  }

  /** Adds what comes next. */
  append(frames: ReadonlyArray<Frame>): void {
    this.add(frames)
    this.frames = [...this.frames, ...frames]
    this.trim()
  }

  /** Adds all that is between a position and the floor. */
  prepend(floor: Position, frames: ReadonlyArray<Frame>): void {
    this.add(frames)
    this.frames = [...frames, ...this.frames]
    this.start = floor
    this.trim()
  }

  /** Notes that the log between a position and the floor is too large to be held. */
  refuse(): void {
    this.crowdedOut = this.start ?? this.crowdedOut
  }

  /** A frame has more bytes than before. */
  grow(more: number): void {
    this.held += more
    this.trimBytes()
  }

  /** The frames after a position, as many as there may be, of so many bytes; at least one. `undefined` below the floor. */
  after(position: Position, limit: number, bytes: number): ReadonlyArray<Frame> | undefined {
    if (this.start === undefined || this.start > position) return undefined
    const first = this.frames.findLastIndex((frame) => frame.position <= position) + 1
    let end = first
    for (let left = bytes; end < this.frames.length && end - first < limit && left > 0; end++) {
      left -= this.frames[end]?.bytes ?? 0
    }
    return this.frames.slice(first, end)
  }

  /** Drops so many of the oldest frames, for their bytes. */
  crowdOut(count: number): void {
    this.drop(count)
    this.refuse()
  }

  crowdOutTo(frame: Frame): void {
    this.crowdOut(this.frames.indexOf(frame) + 1)
  }

  /** Drops all frames. */
  clear(): void {
    this.drop(this.size)
    this.budget.setUnheard(this, false)
  }

  private add(frames: ReadonlyArray<Frame>): void {
    for (const frame of frames) {
      this.held += frame.bytes
      this.budget.add(frame, this)
    }
  }

  private trim(): void {
    this.drop(this.size - ringSize)
    this.trimBytes()
    if (!this.isHeard) this.setHeard(false)
    this.budget.trim()
  }

  private trimBytes(): void {
    let count = 0
    for (let over = this.held - ringBytes; over > 0 && count < this.size - 1; count++) {
      over -= this.frames[count]?.bytes ?? 0
    }
    if (count > 0) this.crowdOut(count)
  }

  private drop(count: number): void {
    if (count <= 0) return
    for (const frame of this.frames.slice(0, count)) {
      this.held -= frame.bytes
      this.budget.remove(frame)
    }
    this.start = this.frames[count - 1]?.position ?? this.start
    this.frames = this.frames.slice(count)
  }
}
