import { type Connection, type Encoding, follow, type StreamState, type Update } from "./Follow.ts"
import type { Change, Storage } from "./Storage.ts"

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
  readonly encoding: Encoding | undefined
  /** Aborted when the client is closed. */
  readonly signal: AbortSignal
  /** Reports a failure that no call can return. */
  readonly report: (error: unknown) => void
}

/** The milliseconds for which a stream goes on without a listener, so that one view can replace another. */
const linger = 1_000

/** The milliseconds for which changes gather. Until the copy is written, the storage has an older copy with its version. */
const gather = 1_000

/** A store that follows one stream while it has listeners. */
export abstract class Followed<U, Snapshot> extends Store<Snapshot> {
  protected readonly shared: Shared
  readonly #path: string
  #state: StreamState = "connecting"
  #running: AbortController | undefined
  #ending: ReturnType<typeof setTimeout> | undefined
  #saving: ReturnType<typeof setTimeout> | undefined
  #loaded: Promise<void> | undefined

  constructor(shared: Shared, path: string) {
    super()
    this.shared = shared
    this.#path = path
    shared.signal.addEventListener("abort", () => this.#stop())
  }

  protected get state(): StreamState {
    return this.#state
  }

  protected get isFollowing(): boolean {
    return this.#running !== undefined
  }

  /** The version to resume after. */
  protected abstract get version(): string | undefined
  protected abstract receive(update: U): void
  /** The key and the value of the copy, or `undefined` if the storage has none. */
  protected abstract get copy(): Change | undefined
  protected abstract restore(copy: unknown): void
  protected abstract clear(): void
  protected onConnect(): void {}
  protected onStop(): void {}

  /** Resolves once the storage's copy, if there is one, is loaded. Never rejects. */
  get loaded(): Promise<void> {
    return (this.#loaded ??= this.#load())
  }

  /** Forgets the copy, and starts again if there are listeners. */
  reset(): void {
    const wasRunning = this.isFollowing
    this.#stop()
    this.clear()
    this.changed("now")
    if (wasRunning) this.onFirst()
  }

  /** Writes the copy, together with other changes. */
  async write(changes: ReadonlyArray<Change> = []): Promise<void> {
    clearTimeout(this.#saving)
    this.#saving = undefined
    const { copy } = this
    try {
      await this.shared.storage.write(copy === undefined ? changes : [...changes, copy])
    } catch (error) {
      this.shared.report(error)
    }
  }

  /** Writes the copy if it has changed since the last time. */
  flush(): Promise<void> {
    return this.#saving === undefined ? Promise.resolve() : this.write()
  }

  protected save(): void {
    if (this.copy !== undefined) this.#saving ??= setTimeout(() => void this.write(), gather)
  }

  async #load(): Promise<void> {
    const { copy } = this
    if (copy === undefined) return
    try {
      const [key] = copy
      const entry = (await this.shared.storage.read(key)).find(([name]) => name === key)
      if (entry === undefined) return
      this.restore(entry[1])
      this.changed("now")
    } catch (error) {
      this.shared.report(error)
    }
  }

  protected override onFirst(): void {
    clearTimeout(this.#ending)
    if (this.#running !== undefined || this.shared.signal.aborted) return
    const running = new AbortController()
    this.#running = running
    this.#run(running.signal).catch((error: unknown) => this.shared.report(error))
  }

  protected override onLast(): void {
    this.#ending = setTimeout(() => this.#stop(), linger)
  }

  async #run(signal: AbortSignal): Promise<void> {
    await this.loaded
    const { connection, encoding } = this.shared
    const updates = follow(connection, this.#path, {
      signal,
      version: this.version,
      encoding,
      onConnect: () => this.onConnect(),
      onState: (state) => {
        if (signal.aborted) return
        this.#state = state
        this.changed("now")
      }
    })
    for await (const update of updates) {
      // The listeners may all have left meanwhile.
      if (signal.aborted) return
      this.receive(update as Update as U)
    }
  }

  #stop(): void {
    clearTimeout(this.#ending)
    if (this.#running === undefined) return
    this.#running.abort()
    this.#running = undefined
    this.#state = "connecting"
    this.onStop()
    // A client that is closed has nothing more to show.
    if (!this.shared.signal.aborted) this.changed("now")
  }
}
