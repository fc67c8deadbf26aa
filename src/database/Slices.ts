import { Duration, Effect, Queue, type Scope } from "effect"
import { logOf } from "../platform/Log.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"

const log = logOf("xfchat/database")

/** How often it is looked whether another process has left something to do. */
const lookInterval = Duration.seconds(30)

/**
 * Does a long work in slices: short transactions, between which others get their turn. `slice` does one, and says whether
 * there was anything to do. What there is to do stands in the database: at the start, and now and then, it is looked for, so
 * that what a process leaves behind when it ends is done by another. Gives an effect that has it looked for at once.
 */
export const inSlices = (
  what: string,
  slice: Effect.Effect<boolean, DatabaseUnavailable>
): Effect.Effect<Effect.Effect<void>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const wanted = yield* Queue.sliding<void>(1)
    const timed = Effect.timed(slice).pipe(
      // As long as it took, so that others have at least half of the database's time.
      Effect.flatMap(([time, isMore]) => (isMore ? Effect.as(Effect.sleep(time), true) : Effect.succeed(false))),
      Effect.catchTag("DatabaseUnavailable", () => Effect.as(log.warning(`${what} is delayed`), false)),
      Effect.catchDefect((defect) => Effect.as(log.error(`${what} cannot be done`, defect), false))
    )
    yield* timed.pipe(
      Effect.repeat({ while: (isMore) => isMore }),
      Effect.andThen(Effect.timeoutOption(Queue.take(wanted), lookInterval)),
      Effect.forever,
      // It is part of no request.
      Effect.withTracerEnabled(false),
      Effect.forkScoped
    )
    return Effect.asVoid(Queue.offer(wanted, undefined))
  })
