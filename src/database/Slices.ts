import { Duration, Effect, Queue, type Scope } from "effect"
import { logOf } from "../platform/Log.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"

const log = logOf("xfchat/database")

/** The time between checks for work that another process has left. */
const lookInterval = Duration.seconds(30)

/**
 * Does long work in slices: short transactions, so that others get their turn in between. `slice` does one slice, and returns
 * whether there was any work. The database records the work. Each process checks for it at its start and from time to time, so
 * that it finishes the work of a process that has ended. Returns an effect that makes this process check at once.
 */
export const inSlices = (
  what: string,
  slice: Effect.Effect<boolean, DatabaseUnavailable>
): Effect.Effect<Effect.Effect<void>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const wanted = yield* Queue.sliding<void>(1)
    const timed = Effect.timed(slice).pipe(
      // A pause as long as the slice, so that others have at least half of the database's time.
      Effect.flatMap(([time, isMore]) => (isMore ? Effect.as(Effect.sleep(time), true) : Effect.succeed(false))),
      Effect.catchTag("DatabaseUnavailable", () => Effect.as(log.warning(`${what} is delayed`), false)),
      Effect.catchDefect((defect) => Effect.as(log.error(`${what} cannot be done`, defect), false))
    )
    yield* timed.pipe(
      Effect.repeat({ while: (isMore) => isMore }),
      Effect.andThen(Effect.timeoutOption(Queue.take(wanted), lookInterval)),
      Effect.forever,
      // It does not belong to a request.
      Effect.withTracerEnabled(false),
      Effect.forkScoped
    )
    return Effect.asVoid(Queue.offer(wanted, undefined))
  })
