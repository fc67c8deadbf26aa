interface Bucket {
  tokens: number
  /** The time of the last refill, in milliseconds. */
  refilledAt: number
}

/** The size of a bucket, and its rate of refill. */
export interface Refill {
  readonly limit: number
  /** Milliseconds from one token to the next. */
  readonly interval: number
}

/**
 * Token buckets by key. A full bucket equals one that does not exist, so buckets that nobody has taken from for as long as they
 * take to fill can be forgotten. They live in two generations: taking from a bucket moves it to the young one. After the
 * longest time that any bucket takes to fill, the old generation is dropped, and the young one becomes the old.
 *
 * One Map that is swept every minute would be simpler, but a sweep stops the event loop: for 60 to 200 ms with 100,000 buckets,
 * and for over a second with a million. To drop a generation takes no time.
 */
export class Buckets {
  private young = new Map<string, Bucket>()
  private old = new Map<string, Bucket>()
  private youngSince = 0
  private longestFill = 0

  /** The number of buckets in memory, some of them counted twice. */
  get size() {
    return this.young.size + this.old.size
  }

  /**
   * Takes tokens if there are enough of them, or, with `mayOwe`, in any case. Returns how many are left, negative by those that
   * are missing, and the milliseconds since the last refill.
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
      // After twice that time the young buckets are full, too.
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
