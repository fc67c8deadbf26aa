import { Effect, Queue, Schedule, Stream, type Array as Arrays, type Duration, type Scope } from "effect"
import { logOf } from "../platform/Log.ts"
import { ChangeBus, type ChangeHint } from "./ChangeBus.ts"

const log = logOf("xfchat/changes")

/**
 * Follows the changes of all processes until the scope closes; its listener is there when this returns. A defect ends neither
 * the hearing nor the sweeps.
 */
export const followChanges = Effect.fnUntraced(function* (options: {
  /** Takes one hint after the other. Work that takes long belongs in a fiber of its own, or in a {@link makeBacklog}. */
  readonly hear: (hint: ChangeHint) => Effect.Effect<unknown>
  /** Makes up for hints that were lost unnoticed. */
  readonly sweep: Effect.Effect<unknown>
  /** The time between two sweeps, of which the first comes at once. */
  readonly every: Duration.Input
  /** Makes up for the hints that the bus knows it may have missed: the sweep, unless this is given. */
  readonly catchUp?: Effect.Effect<unknown>
}): Effect.fn.Return<void, never, ChangeBus | Scope.Scope> {
  const { catchUp = options.sweep, every, hear, sweep } = options
  const bus = yield* ChangeBus
  const logged = Effect.catchDefect((defect) => log.error("Changes could not be followed", defect))
  yield* bus.changes.pipe(
    Stream.runForEach((hint) => logged(hear(hint))),
    Effect.forkScoped({ startImmediately: true })
  )
  yield* bus.missed.pipe(
    Stream.runForEach(() => logged(catchUp)),
    Effect.forkScoped({ startImmediately: true })
  )
  yield* logged(sweep).pipe(Effect.repeat(Schedule.spaced(every)), Effect.forkScoped)
})

/**
 * Hands what is added over to `handle`, in batches: all that has come while the last batch was handled, or for `gatherTime`
 * where that is given. Batches follow each other, so nothing that one read is overwritten by what an earlier one read.
 * Effect's `RequestResolver` would run them side by side.
 */
export const makeBacklog = Effect.fnUntraced(function* <A>(
  handle: (items: Arrays.NonEmptyReadonlyArray<A>) => Effect.Effect<unknown>,
  options?: { readonly gatherTime?: Duration.Input }
): Effect.fn.Return<(item: A) => void, never, Scope.Scope> {
  const items = yield* Queue.unbounded<A>()
  const gathered =
    options?.gatherTime === undefined
      ? Queue.takeAll(items)
      : Queue.peek(items).pipe(Effect.andThen(Effect.sleep(options.gatherTime)), Effect.andThen(Queue.takeAll(items)))
  yield* gathered.pipe(Effect.flatMap(handle), Effect.forever, Effect.forkScoped)
  return (item) => void Queue.offerUnsafe(items, item)
})
