import { type Connection, type Encoding, follow, type StreamState, type Update } from "./Follow.ts"
import type { Change, Storage } from "./Storage.ts"
import type { StreamWord, Tabs, Want } from "./Tabs.ts"

/** A value that changes, in the shape that React's `useSyncExternalStore` expects. */
export abstract class Store<Snapshot> {
  readonly #listeners = new Set<() => void>()
  #snapshot: Snapshot | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  /** Returns the current value, the same object until something changes. */
  readonly getSnapshot = (): Snapshot => (this.#snapshot ??= this.compose())

  /** Calls `listener` after each change. Returns a function that ends this. */
  readonly subscribe = (listener: () => void): (() => void) => {
    // The same function may listen twice.
    const own = () => listener()
    this.#listeners.add(own)
    if (this.#listeners.size === 1) this.onFirst()
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.onLast()
    }
  }

  protected abstract compose(): Snapshot
  protected onFirst(): void {}
  protected onLast(): void {}

  /** Calls the listeners at once after an act of the program, and once for all updates that come together. */
  protected changed(when: "now" | "soon"): void {
    this.#snapshot = undefined
    if (when === "soon") {
      this.#timer ??= setTimeout(() => this.#tell(), 0)
    } else this.#tell()
  }

  #tell(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const listener of Array.from(this.#listeners)) listener()
  }
}

/** The parts of a client that its stores share. */
export interface Shared {
  readonly connection: Connection
  readonly storage: Storage
  readonly tabs: Tabs
  readonly encoding: Encoding | undefined
  /** Aborted when the client is closed. */
  readonly signal: AbortSignal
  /** Reports a failure that no call can return. */
  readonly report: (error: unknown) => void
}

/** The error of an entry that is no copy. The store then begins with the server's snapshot. */
export const damaged = (key: string): Error => new Error(`The entry ${key} of the storage is damaged.`)

/** The milliseconds for which a stream goes on without a listener, so that one view can replace another. */
const linger = 1_000

/** The milliseconds for which changes gather. Until the copy is written, the storage has an older copy with its version. */
const gather = 1_000

/**
 * A store that follows one stream while it has listeners. The leader of the tabs opens the stream and passes its updates on, so
 * that the stores of all tabs go through the same updates.
 */
export abstract class Followed<U, Snapshot> extends Store<Snapshot> {
  protected readonly shared: Shared
  /** The name of the stream among tabs. */
  readonly key: string
  readonly #path: string
  #state: StreamState = "connecting"
  #isFollowing = false
  /** The stream itself, in the leader. */
  #stream: AbortController | undefined
  /** Whether the leader has answered this tab's want. */
  #hasJoined = false
  #ending: ReturnType<typeof setTimeout> | undefined
  #saving: ReturnType<typeof setTimeout> | undefined
  #loaded: Promise<void> | undefined

  constructor(shared: Shared, key: string, path: string) {
    super()
    this.shared = shared
    this.key = key
    this.#path = path
    shared.signal.addEventListener("abort", () => this.#stop())
  }

  protected get state(): StreamState {
    return this.#state
  }

  protected get isFollowing(): boolean {
    return this.#isFollowing
  }

  /** The version to resume after. */
  protected abstract get version(): string | undefined
  protected abstract receive(update: U): void
  /** The value from which another store, or this one after a restart, can go on. */
  protected abstract get copy(): unknown
  /** The key of the copy in the storage, or `undefined` if the storage has none. */
  protected abstract get copyKey(): string | undefined
  protected abstract restore(copy: unknown): void
  protected abstract clear(): void
  protected onConnect(): void {}
  protected onStop(): void {}

  /** Resolves once the storage's copy, if there is one, is loaded. Never rejects. */
  get loaded(): Promise<void> {
    return (this.#loaded ??= this.#load())
  }

  /** The stream that this tab wants from the leader. */
  get want(): Want | undefined {
    return this.#isFollowing ? { key: this.key, version: this.version } : undefined
  }

  /** Forgets the copy, and starts again if there are listeners. */
  reset(): void {
    const wasFollowing = this.#isFollowing
    this.#stop()
    this.clear()
    this.changed("now")
    if (wasFollowing) this.onFirst()
  }

  /** Writes the copy, together with other changes. Only the leader writes copies. */
  async write(changes: ReadonlyArray<Change> = []): Promise<void> {
    clearTimeout(this.#saving)
    this.#saving = undefined
    const { copy, copyKey } = this
    const all: ReadonlyArray<Change> =
      copyKey === undefined || !this.shared.tabs.isLeader ? changes : [...changes, [copyKey, copy]]
    if (all.length === 0) return
    try {
      await this.shared.storage.write(all)
    } catch (error) {
      this.shared.report(error)
    }
  }

  /** Writes the copy if it has changed since the last time. */
  flush(): Promise<void> {
    return this.#saving === undefined ? Promise.resolve() : this.write()
  }

  protected save(): void {
    if (this.copyKey !== undefined && this.shared.tabs.isLeader) {
      this.#saving ??= setTimeout(() => void this.write(), gather)
    }
  }

  async #load(): Promise<void> {
    const { copyKey } = this
    if (copyKey === undefined) return
    try {
      const entry = (await this.shared.storage.read(copyKey)).find(([name]) => name === copyKey)
      // Another tab may have been faster.
      if (entry === undefined || this.version !== undefined) return
      this.restore(entry[1])
      this.changed("now")
    } catch (error) {
      this.shared.report(error)
    }
  }

  protected override onFirst(): void {
    clearTimeout(this.#ending)
    if (this.#isFollowing || this.shared.signal.aborted) return
    this.#isFollowing = true
    this.join()
  }

  protected override onLast(): void {
    if (this.#isFollowing) this.#ending = setTimeout(() => this.#stop(), linger)
  }

  /** Opens the stream if this tab leads, or else asks the leader for it, if the store has listeners. */
  join(): void {
    this.#stream?.abort()
    this.#stream = undefined
    this.#hasJoined = false
    if (!this.#isFollowing) return
    const { report, tabs } = this.shared
    if (tabs.isLeader) {
      this.#stream = new AbortController()
      this.#run(this.#stream.signal).catch(report)
      return
    }
    void this.loaded.then(() => {
      if (this.#isFollowing && !tabs.isLeader) tabs.post({ kind: "want", key: this.key, version: this.version })
    })
  }

  /** Answers the want of another tab. */
  async answer(to: string, version: string | undefined): Promise<void> {
    await this.loaded
    const { tabs } = this.shared
    if (!tabs.isLeader) return
    const isSame = this.version === undefined || this.version === version
    tabs.post({ kind: "copy", to, key: this.key, copy: isSame ? undefined : this.copy })
    tabs.post({ kind: "state", key: this.key, state: this.#state })
  }

  /** Receives news of the stream from the leader. */
  hear(word: StreamWord): void {
    const { tabs } = this.shared
    if (!this.#isFollowing || tabs.isLeader) return
    if (word.kind === "copy" && word.to === tabs.id) {
      this.#hasJoined = true
      if (word.copy !== undefined) this.renew(word.copy)
    }
    if (!this.#hasJoined) return
    if (word.kind === "update") this.receive(word.update as U)
    if (word.kind === "connect") this.onConnect()
    if (word.kind === "state") this.#enter(word.state)
  }

  /** Replaces the copy by that of another tab. */
  protected renew(copy: unknown): void {
    this.restore(copy)
    this.changed("now")
  }

  #enter(state: StreamState): void {
    if (state === this.#state) return
    this.#state = state
    this.changed("now")
  }

  async #run(signal: AbortSignal): Promise<void> {
    await this.loaded
    const { connection, encoding, tabs } = this.shared
    const { key } = this
    const updates = follow(connection, this.#path, {
      signal,
      version: this.version,
      encoding,
      onConnect: () => {
        tabs.post({ kind: "connect", key })
        this.onConnect()
      },
      onState: (state) => {
        if (signal.aborted) return
        tabs.post({ kind: "state", key, state })
        this.#enter(state)
      }
    })
    for await (const update of updates) {
      // The listeners may all have left meanwhile.
      if (signal.aborted) return
      tabs.post({ kind: "update", key, update })
      this.receive(update as Update as U)
    }
  }

  #stop(): void {
    clearTimeout(this.#ending)
    if (!this.#isFollowing) return
    this.#isFollowing = false
    this.join()
    this.shared.tabs.post({ kind: "leave", key: this.key })
    this.#state = "connecting"
    this.onStop()
    // A client that is closed has nothing more to show.
    if (!this.shared.signal.aborted) this.changed("now")
  }
}
