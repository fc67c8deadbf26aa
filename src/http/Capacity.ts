import { Context } from "effect"

/** The requests that are worked on, of which there are only so many at once. */
export class Capacity {
  count = 0
  readonly most: number

  constructor(most: number) {
    this.most = most
  }
}

/**
 * The place of one request among them. Who waits for something that others decide, its body or news, has none meanwhile:
 * else a few slow clients would take all of them.
 */
export class RequestSlot {
  readonly #all: Capacity
  #isTaken = false

  constructor(all: Capacity) {
    this.#all = all
  }

  /** Whether there was room. It is taken in any case, until it is left. */
  take(): boolean {
    if (!this.#isTaken) this.#all.count += 1
    this.#isTaken = true
    return this.#all.count <= this.#all.most
  }

  leave(): void {
    if (this.#isTaken) this.#all.count -= 1
    this.#isTaken = false
  }
}

/** That of the request that runs. */
export const CurrentSlot = Context.Reference<RequestSlot>("xfchat/http/CurrentPlace", {
  defaultValue: () => new RequestSlot(new Capacity(Infinity))
})
