import { Context } from "effect"
import type { Position } from "../contract/Conversation.ts"
import type { Frame } from "./Frame.ts"

/** Most frames of a ring: a subscriber further behind reads the database. */
export const ringSize = 256

/** Most bytes of a ring of several frames. A single latest frame may have more, since thousands may be about to read it. */
export const ringBytes = 2_097_152

/** Most bytes of all frames in the rings of a process. */
export const RingBytes = Context.Reference<number>("xfchat/messages/RingBytes", {
  defaultValue: () => 67_108_864
})

/**
 * The frames of all rings of a process, in the order of their arrival, and their bytes. Beyond the budget, rings without a
 * listener are emptied first, then the oldest frames are dropped, whichever ring they are in.
 */
export class RingBudget {
  private readonly most: number
  private readonly frames = new Map<Frame, Ring>()
  private readonly unheard = new Set<Ring>()
  private held = 0

  constructor(most: number) {
    this.most = most
  }

  /** At most the budget, except during a change. */
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

  /** Marks a ring as having no listener, or one. */
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
 * The latest part of a conversation's log: all entries after `floor`. A later change of a message vacates its earlier
 * position, so the positions of frames can have gaps.
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

  /** The ring holds the log after this. `undefined` before {@link begin}. */
  get floor(): Position | undefined {
    return this.start
  }

  get size(): number {
    return this.frames.length
  }

  /** Whether frames after a position were dropped for their bytes, so that reading them again is no use. */
  isTooLargeFrom(position: Position): boolean {
    return position < this.crowdedOut
  }

  /** Begins to hold the log after a position. */
  begin(floor: Position): void {
    this.start = floor
  }

  /** Sets whether there is a listener: rings without one are emptied first. */
  setHeard(isHeard: boolean): void {
    this.isHeard = isHeard
    this.budget.setUnheard(this, !isHeard && this.size > 0)
  }

  /** Adds the next entries. */
  append(frames: ReadonlyArray<Frame>): void {
    this.add(frames)
    this.frames = [...this.frames, ...frames]
    this.trim()
  }

  /** Adds all entries between a position and the floor. */
  prepend(floor: Position, frames: ReadonlyArray<Frame>): void {
    this.add(frames)
    this.frames = [...frames, ...this.frames]
    this.start = floor
    this.trim()
  }

  /** Notes that the entries below the floor are too large to be held. */
  refuse(): void {
    this.crowdedOut = this.start ?? this.crowdedOut
  }

  /** Adds the bytes that a frame has gained. */
  grow(more: number): void {
    this.held += more
    this.trimBytes()
  }

  /** The frames after a position, within a number and a number of bytes, but at least one if there is any. `undefined` below the floor. */
  after(position: Position, limit: number, bytes: number): ReadonlyArray<Frame> | undefined {
    if (this.start === undefined || this.start > position) return undefined
    const first = this.frames.findLastIndex((frame) => frame.position <= position) + 1
    let end = first
    for (let left = bytes; end < this.frames.length && end - first < limit && left > 0; end++) {
      left -= this.frames[end]?.bytes ?? 0
    }
    return this.frames.slice(first, end)
  }

  /** Drops the oldest frames, for their bytes. */
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
