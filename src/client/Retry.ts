import { ProblemError } from "./Errors.ts"

/** The longest pause between two attempts, in milliseconds. */
const longest = 15_000

/**
 * The pauses between attempts: *full jitter*, a random time below a bound that doubles, so that clients that failed together
 * do not come back together. `Retry-After` is obeyed, with a little on top for the same reason.
 */
export class Backoff {
  #failures = 0

  /** The milliseconds to wait after a failure. */
  after(error: unknown): number {
    this.#failures += 1
    const jitter = Math.random() * Math.min(longest, 250 * 2 ** Math.min(this.#failures, 16))
    return error instanceof ProblemError && error.retryAfter !== undefined
      ? error.retryAfter * 1_000 + Math.min(jitter, 2_000)
      : jitter
  }

  reset(): void {
    this.#failures = 0
  }
}

/** The longest delay of a timer; a longer one would fire at once. */
const longestTimer = 2 ** 31 - 1

/** Waits for a time, or until the signal. It never rejects. */
export const sleep = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", end)
      resolve()
    }
    const timer = setTimeout(end, Math.min(milliseconds, longestTimer))
    signal.addEventListener("abort", end)
  })

/** The parts of a browser that tell about its network. Node and Deno have none of them. */
interface Page {
  addEventListener(type: string, listener: () => void): void
  removeEventListener(type: string, listener: () => void): void
}
interface PageDocument extends Page {
  readonly visibilityState: string
}

/**
 * Tells when it is worth trying at once, and when a connection has become doubtful: the platform's `online`, `offline` and
 * visibility, the program's own wish, and the first success after failures.
 */
export class Network {
  readonly #wakes = new Set<() => void>()
  readonly #losses = new Set<() => void>()
  #epoch = 0

  /** @param signal ends the listening to the platform */
  constructor(signal: AbortSignal) {
    const page = globalThis as unknown as Page & { readonly document?: PageDocument }
    const { document } = page
    const listen = (target: Page | undefined, type: string, listener: () => void) => {
      if (typeof target?.addEventListener !== "function") return
      target.addEventListener(type, listener)
      signal.addEventListener("abort", () => target.removeEventListener(type, listener))
    }
    listen(page, "online", () => this.wake())
    listen(page, "offline", () => this.#losses.forEach((lose) => lose()))
    // A page that was frozen, or a machine that slept.
    listen(document, "visibilitychange", () => {
      if (document?.visibilityState === "visible") this.wake()
    })
  }

  /** Increases with each wake-up. An attempt takes it down at its start, so that no wake-up during it is lost. */
  get epoch(): number {
    return this.#epoch
  }

  /** Ends the pauses between attempts. */
  wake(): void {
    this.#epoch += 1
    for (const wake of Array.from(this.#wakes)) wake()
  }

  onWake(listener: () => void): () => void {
    this.#wakes.add(listener)
    return () => void this.#wakes.delete(listener)
  }

  onLoss(listener: () => void): () => void {
    this.#losses.add(listener)
    return () => void this.#losses.delete(listener)
  }

  /**
   * Waits after a failed attempt: for `Retry-After` if there is one, and otherwise no longer than until it is worth another
   * try. `epoch` is that of the attempt's start.
   */
  async pause(milliseconds: number, error: unknown, signal: AbortSignal, epoch: number): Promise<void> {
    const isBound = error instanceof ProblemError && error.retryAfter !== undefined
    if (!isBound && epoch !== this.#epoch) return
    const woken = new AbortController()
    const end = () => woken.abort()
    const forget = isBound ? () => {} : this.onWake(end)
    signal.addEventListener("abort", end)
    if (signal.aborted) end()
    await sleep(milliseconds, woken.signal)
    forget()
    signal.removeEventListener("abort", end)
  }
}
