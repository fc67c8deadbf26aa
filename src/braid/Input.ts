/** The byte that ends a line. */
export const lineFeed = 10

/** The bytes of a stream that have arrived and are not read yet. */
export class Input {
  private buffer = new Uint8Array(1024)
  private start = 0
  private end = 0
  /** The number of unread bytes known to hold no line feed, so that no byte is searched twice. */
  private searched = 0

  /** Adds a copy of some bytes at the end. */
  push(chunk: Uint8Array): void {
    const unread = this.buffer.subarray(this.start, this.end)
    if (this.end + chunk.length > this.buffer.length) {
      const size = unread.length + chunk.length
      // Doubled when short, so that growing byte by byte stays linear; small again after a large update.
      this.buffer = new Uint8Array(Math.max(1024, size > this.buffer.length ? size * 2 : size))
      this.buffer.set(unread)
      this.start = 0
      this.end = unread.length
    }
    this.buffer.set(chunk, this.end)
    this.end += chunk.length
  }

  /** The number of unread bytes. */
  get length(): number {
    return this.end - this.start
  }

  /** The next byte, or `undefined` while it has not arrived. */
  peek(): number | undefined {
    return this.length === 0 ? undefined : this.buffer[this.start]
  }

  /** Skips the next byte, which must have arrived. */
  skip(): void {
    this.start += 1
  }

  /** The length of the next line with its line feed, or `undefined` while that has not arrived. */
  lineLength(): number | undefined {
    const at = this.buffer.subarray(this.start, this.end).indexOf(lineFeed, this.searched)
    this.searched = at === -1 ? this.length : 0
    return at === -1 ? undefined : at + 1
  }

  /** The next bytes, which must have arrived, as a view of bytes that are never written again. */
  take(length: number): Uint8Array {
    const bytes = this.buffer.subarray(this.start, this.start + length)
    this.start += length
    return bytes
  }
}
