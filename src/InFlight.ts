import { Context, Effect } from "effect"

/** Takes the request that runs out of those that are worked on. */
export const LeaveInFlight = Context.Reference<() => void>("xfchat/InFlight/LeaveInFlight", {
  defaultValue: () => () => {}
})

/**
 * The request that runs waits for something to happen, and takes no place among those that are worked on, of which there
 * are only so many at once.
 */
export const waitsForNews: Effect.Effect<void> = Effect.map(LeaveInFlight, (leave) => leave())
