import type { StreamState, Update } from "./Follow.ts"
import type { Message } from "./operations.ts"
import type { Outgoing } from "./Outgoing.ts"

/** A stream that a tab wants: the key of its store, and the version of the tab's copy. */
export interface Want {
  readonly key: string
  readonly version: string | undefined
}

/** News of one stream, from the leader. */
export type StreamWord =
  /** The answer to a want. Without a copy, that of the tab is right. From then on, the tab follows the updates. */
  | { readonly kind: "copy"; readonly to: string; readonly key: string; readonly copy: unknown }
  | { readonly kind: "update"; readonly key: string; readonly update: Update }
  | { readonly kind: "state"; readonly key: string; readonly state: StreamState }
  | { readonly kind: "connect"; readonly key: string }

/** News of the outbox, from any tab. */
export type OutboxWord =
  | { readonly kind: "put"; readonly order: number; readonly outgoing: Outgoing }
  | { readonly kind: "discard"; readonly conversationId: string; readonly id: string }
  | { readonly kind: "arrived"; readonly conversationId: string; readonly message: Message }

/** The messages between the tabs of one storage. */
export type Word =
  | StreamWord
  | OutboxWord
  | { readonly kind: "hello"; readonly wants: ReadonlyArray<Want> }
  | ({ readonly kind: "want" } & Want)
  | { readonly kind: "leave"; readonly key: string }
  | { readonly kind: "wake" | "clear" | "lead" | "ping" | "pong" }

export interface TabsOptions {
  /** The name of the storage that the tabs share. A storage without a name is not shared. */
  readonly name: string | undefined
  /** Aborted when the client is closed. */
  readonly signal: AbortSignal
  /** This tab has the streams and the sending from now on. */
  readonly onLead: () => void
  /** Another tab has taken them. */
  readonly onFollow: () => void
  readonly onWord: (word: Word, from: string) => void
  /** Another tab has closed or died. Only the leader hears it. */
  readonly onLoss: (tab: string) => void
  /** The streams that this tab wants from the leader. */
  readonly wants: () => ReadonlyArray<Want>
}

/** The milliseconds in which the leader must answer. A frozen tab keeps its lock. */
const patience = 10_000

/**
 * Elects one of the tabs that share a storage, the leader, by a lock that the browser takes from a tab that closes or dies. The
 * leader holds the streams and sends the messages of all. A tab is a page, a worker, or another client of the same storage.
 * Without Web Locks, or with a storage of its own, a tab is its own leader.
 */
export class Tabs {
  readonly #options: TabsOptions
  readonly #id: string = crypto.randomUUID()
  readonly #channel: BroadcastChannel | undefined
  readonly #watched = new Map<string, AbortController>()
  #isLeader = false
  #isAsked = false
  #candidacy = new AbortController()

  constructor(options: TabsOptions) {
    this.#options = options
    const { name, signal } = options
    if (name === undefined || globalThis.navigator?.locks === undefined || globalThis.BroadcastChannel === undefined) {
      this.#isLeader = true
      return
    }
    const channel = new BroadcastChannel(name)
    this.#channel = channel
    channel.addEventListener("message", ({ data }: MessageEvent) => {
      const { from, word } = data as { readonly from: string; readonly word: Word }
      this.#hear(word, from)
    })
    const watching = setInterval(() => this.#watch(), patience)
    signal.addEventListener("abort", () => {
      clearInterval(watching)
      this.#candidacy.abort()
      this.#forgetTabs()
      channel.close()
    })
    // Node grants a free lock at once, before the client is complete.
    queueMicrotask(() => {
      void this.#hold(this.#id, () => this.#greet())
      if (!this.#isLeader) void this.#stand()
    })
  }

  get isLeader(): boolean {
    return this.#isLeader
  }

  get id(): string {
    return this.#id
  }

  /** Sends a word to all other tabs, in order. */
  post(word: Word): void {
    if (!this.#options.signal.aborted) this.#channel?.postMessage({ from: this.#id, word })
  }

  /** Makes this tab the leader. */
  take(): void {
    if (this.#isLeader || this.#options.signal.aborted) return
    this.#candidacy.abort()
    void this.#stand({ steal: true })
  }

  #greet(): void {
    if (!this.#isLeader) this.post({ kind: "hello", wants: this.#options.wants() })
  }

  #hear(word: Word, from: string): void {
    const { onWord } = this.#options
    if (this.#isLeader) {
      if (word.kind === "hello" || word.kind === "want") this.#watchTab(from)
      if (word.kind === "ping") this.post({ kind: "pong" })
    }
    if (word.kind === "lead" || word.kind === "pong") this.#isAsked = false
    if (word.kind === "lead") this.#greet()
    onWord(word, from)
  }

  /** Holds a lock until the client is closed. Rejects if another tab steals it. */
  #hold(lock: string, onGrant: () => void, options: LockOptions = {}): Promise<unknown> {
    const { name, signal } = this.#options
    return navigator.locks.request(`${name}/${lock}`, options, () => {
      if (signal.aborted) return undefined
      onGrant()
      return new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()))
    })
  }

  /** Waits to become the leader, and for the end of that. */
  async #stand(options?: LockOptions): Promise<void> {
    const candidacy = new AbortController()
    this.#candidacy = candidacy
    // A lock cannot be stolen with a signal.
    await this.#hold("leader", () => this.#lead(), options ?? { signal: candidacy.signal }).catch(() => {})
    if (candidacy.signal.aborted || this.#options.signal.aborted) return
    // Another tab has taken the lock.
    this.#isLeader = false
    this.#forgetTabs()
    this.#options.onFollow()
    void this.#stand()
  }

  #lead(): void {
    this.#isLeader = true
    this.post({ kind: "lead" })
    this.#options.onLead()
  }

  /** Takes the lead if the leader does not answer. */
  #watch(): void {
    if (this.#isLeader) return
    if (this.#isAsked) return this.take()
    this.#isAsked = true
    this.post({ kind: "ping" })
  }

  /** Waits for the lock that a tab holds as long as it lives. */
  #watchTab(tab: string): void {
    if (this.#watched.has(tab)) return
    const watch = new AbortController()
    this.#watched.set(tab, watch)
    navigator.locks
      .request(`${this.#options.name}/${tab}`, { signal: watch.signal }, () => {
        this.#watched.delete(tab)
        this.#options.onLoss(tab)
      })
      .catch(() => {})
  }

  #forgetTabs(): void {
    for (const watch of this.#watched.values()) watch.abort()
    this.#watched.clear()
  }
}
