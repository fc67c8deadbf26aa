/**
 * What holds until a time, unless it is said again. Nothing runs out by itself: who uses this tells the time, and what has
 * not been let go of holds.
 */
export class Leases<Key> {
  private readonly ends = new Map<Key, number>()

  get size(): number {
    return this.ends.size
  }

  has(key: Key): boolean {
    return this.ends.has(key)
  }

  /** In the order in which they began. */
  keys(): IterableIterator<Key> {
    return this.ends.keys()
  }

  /** Until when a key holds; `undefined` for one that does not. */
  endOf(key: Key): number | undefined {
    return this.ends.get(key)
  }

  /** Makes a key hold until a time, whatever was said before: `now` or earlier ends it. Gives whether that made a difference. */
  set(key: Key, until: number, now: number): boolean {
    if (until <= now) return this.ends.delete(key)
    const isNew = !this.ends.has(key)
    this.ends.set(key, until)
    return isNew
  }

  /** Lets go of what has run out, and gives it. */
  runOut(now: number): ReadonlyArray<Key> {
    const over: Array<Key> = []
    for (const [key, end] of this.ends) {
      if (end > now) continue
      this.ends.delete(key)
      over.push(key)
    }
    return over
  }
}
