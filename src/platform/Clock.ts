import { Clock, Effect } from "effect"

/**
 * Milliseconds since some moment of the past, for what ages and runs out within this process: they pass as fast as ever when
 * the clock is set.
 */
export const elapsedMillisOf = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

export const elapsedMillis: Effect.Effect<number> = Effect.map(Clock.Clock, elapsedMillisOf)
