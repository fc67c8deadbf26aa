/** Keys that are held until a time. They do not expire on their own: one is held until {@link Leases.expire} removes it. */
export class Leases<Key> {
  private readonly ends = new Map<Key, number>()

  get size(): number {
    return this.ends.size
  }

  has(key: Key): boolean {
    return this.ends.has(key)
  }

  /** In the order in which they were first set. */
  keys(): IterableIterator<Key> {
    return this.ends.keys()
  }

  /** The end of a lease; `undefined` for a key that is not held. */
  endOf(key: Key): number | undefined {
    return this.ends.get(key)
  }

  /**
   * Holds a key until a time, whether that is later or earlier than before; a time that is not after `now` releases it.
   * Returns whether it was taken or released by this.
   */
  set(key: Key, until: number, now: number): boolean {
    if (until <= now) return this.ends.delete(key)
    const isNew = !this.ends.has(key)
    this.ends.set(key, until)
    return isNew
  }

  /** Removes the leases that have ended, and returns their keys. */
  expire(now: number): ReadonlyArray<Key> {
    const expired: Array<Key> = []
    for (const [key, end] of this.ends) {
      if (end > now) continue
      this.ends.delete(key)
      expired.push(key)
    }
    return expired
  }
}
