interface Bucket {
  tokens: number
  /** When the last of its tokens came, or would have come. */
  refilledAt: number
}

/** What a bucket holds, and how one token after the other comes back to it. */
export interface Refill {
  readonly limit: number
  /** Milliseconds from one token to the next. */
  readonly interval: number
}

/**
 * Token buckets by key, of which those are forgotten that nobody takes from. A bucket that was left alone for as long as it
 * takes to fill is full, and so is one that is not there. So they live in two generations: who takes from a bucket brings it
 * to the young; after the longest time that any of them takes to fill, the old are forgotten, and the young get old.
 */
export class Buckets {
  private young = new Map<string, Bucket>()
  private old = new Map<string, Bucket>()
  private youngSince = 0
  private longestFill = 0

  /** How many are kept; a bucket may be counted twice. */
  get size() {
    return this.young.size + this.old.size
  }

  /**
   * Takes tokens if they are there, or else, if it `mayOwe`, all the same. Gives how many are left, below 0 for those that
   * were missing, and how long ago the last one came.
   */
  take(
    key: string,
    tokens: number,
    { interval, limit }: Refill,
    now: number,
    mayOwe = false
  ): readonly [left: number, elapsed: number] {
    const bucket = this.find(key, now) ?? this.add(key, { tokens: limit, refilledAt: now })
    const due = Math.max(0, Math.floor((now - bucket.refilledAt) / interval))
    bucket.tokens = Math.min(limit, bucket.tokens + due)
    bucket.refilledAt = bucket.tokens === limit ? now : bucket.refilledAt + due * interval
    const left = bucket.tokens - tokens
    if (left >= 0 || mayOwe) bucket.tokens = left
    this.longestFill = Math.max(this.longestFill, (limit - bucket.tokens) * interval)
    return [left, Math.max(0, now - bucket.refilledAt)]
  }

  private add(key: string, bucket: Bucket) {
    this.young.set(key, bucket)
    return bucket
  }

  private find(key: string, now: number): Bucket | undefined {
    if (now - this.youngSince >= this.longestFill) {
      // Since the young should have got old, nobody has taken from any.
      this.old = now - this.youngSince >= 2 * this.longestFill ? new Map() : this.young
      this.young = new Map()
      this.youngSince = now
    }
    const young = this.young.get(key)
    if (young !== undefined) return young
    const old = this.old.get(key)
    return old === undefined ? undefined : this.add(key, old)
  }
}
