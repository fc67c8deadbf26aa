import { Context, Effect } from "effect"
import { ServerBusy } from "../contract/Problem.ts"

/** How many requests are in progress, and how many a server takes at once. */
export class Capacity {
  taken = 0
  readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }
}

/** The place that one request takes up in the capacity. */
export class RequestSlot {
  private readonly capacity: Capacity
  private isTaken = false

  constructor(capacity: Capacity) {
    this.capacity = capacity
  }

  /** Takes the slot, even if there is no room, and returns whether there is. */
  take(): boolean {
    if (!this.isTaken) this.capacity.taken += 1
    this.isTaken = true
    return this.capacity.taken <= this.capacity.limit
  }

  giveBack(): void {
    if (this.isTaken) this.capacity.taken -= 1
    this.isTaken = false
  }
}

/** The slot of the current request. */
export const CurrentSlot = Context.Reference<RequestSlot>("xfchat/http/CurrentSlot", {
  defaultValue: () => new RequestSlot(new Capacity(Infinity))
})

/**
 * Runs an effect that waits for the client (a body, a long poll) without the slot of the current request, and takes the slot
 * again when it succeeds. Otherwise a few slow clients could use up all slots.
 */
export const whileWaiting = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(CurrentSlot, (slot) => {
    slot.giveBack()
    return Effect.map(effect, (result) => {
      slot.take()
      return result
    })
  })

/** Fails when more requests are in progress than the server takes. */
export const requireRoom: Effect.Effect<void, ServerBusy> = Effect.flatMap(CurrentSlot, (slot) =>
  slot.take() ? Effect.void : Effect.fail(new ServerBusy({ detail: "Try again in a moment." }))
)
