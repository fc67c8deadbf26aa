import type { Feed } from "./Feed.ts"

/** An update of a state: the whole state, or with `isChange` the part that changed. */
export interface StateUpdate<A> {
  readonly isChange: boolean
  readonly state: A
  readonly version: string
  /** The version of the update before, or the one that the subscriber came with. */
  readonly previous: string
}

/** An open subscription to a state. */
export interface StateSubscription<A> {
  /** The version of the state when the subscription was opened. */
  readonly version: string
  readonly feed: Feed<StateUpdate<A>>
}
