import { ProblemError } from "./Errors.ts"

/** The longest pause between two attempts, in milliseconds. */
const longest = 15_000

/**
 * The pauses between attempts have *full jitter*: a random time below a bound that doubles, so that clients that failed together
 * do not return together. A pause is never shorter than `Retry-After`, and a little longer for the same reason.
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

/** The longest delay of a timer in milliseconds. A longer delay would fire at once. */
const longestTimer = 2 ** 31 - 1

/** Waits for some milliseconds, or until the signal is aborted. Never rejects. */
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

/** A source of a browser's network events. Node and Deno have none. */
interface Page {
  addEventListener(type: string, listener: () => void): void
  removeEventListener(type: string, listener: () => void): void
}
interface PageDocument extends Page {
  readonly visibilityState: string
}

/**
 * Announces when an attempt should be made at once (the browser is online, the page is visible, the program wants it, or another
 * attempt has succeeded), and when connections are lost because the browser is offline.
 */
export class Network {
  readonly #wakes = new Set<() => void>()
  readonly #losses = new Set<() => void>()
  #epoch = 0

  /** @param signal removes the listeners from the browser */
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
    // The page may have been frozen, or the machine may have slept.
    listen(document, "visibilitychange", () => {
      if (document?.visibilityState === "visible") this.wake()
    })
  }

  /** Increases with each wake-up. An attempt notes it at its start, so that no wake-up during the attempt is lost. */
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
   * Waits after a failed attempt. A wake-up ends the pause, unless the server has set a `Retry-After`. `epoch` is that of the
   * attempt's start. Never rejects.
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
