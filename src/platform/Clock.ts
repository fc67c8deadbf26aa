import { Clock, Effect } from "effect"

/**
 * Milliseconds since some moment in the past, for ages and timeouts within this process. They keep their pace when the clock is
 * set.
 */
export const elapsedMillisOf = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

export const elapsedMillis: Effect.Effect<number> = Effect.map(Clock.Clock, elapsedMillisOf)
