import { Duration, Effect, Exit, Latch, Request, RequestResolver, type Array as Arrays } from "effect"

/** Calls that one statement answers at most. */
const maxCalls = 256

/** The longest that calls wait for the ones before: a connection that has died must not hold up the calls on all others. */
const longestWait = Duration.millis(100)

/**
 * Answers calls that come together by one run, so that many simultaneous requests cost one statement. Calls gather for one
 * turn of the event loop, and then while the run before is under way: a lone call waits for nothing, and the more a server has
 * to do, the fewer its statements are. Each call gets the result at its position, or the failure of `run`.
 *
 * The statement runs in the context of the first call, so no call may come from within a transaction.
 */
export const batched = <A, B, E>(
  run: (inputs: Arrays.NonEmptyReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E>
): ((input: A) => Effect.Effect<B, E>) => {
  class Call extends Request.Class<{ readonly input: A }, B, E> {}
  const isFree = Latch.makeUnsafe(true)
  let running = 0

  const answer = RequestResolver.make<Call>(([first, ...others]) =>
    Effect.suspend(() => {
      running += 1
      isFree.closeUnsafe()
      return run([first.request.input, ...others.map(({ request }) => request.input)])
    }).pipe(
      Effect.map((results) =>
        [first, ...others].forEach((call, index) => {
          const result = results[index]
          if (result !== undefined) call.completeUnsafe(Exit.succeed(result))
        })
      ),
      Effect.ensuring(
        Effect.sync(() => {
          running -= 1
          if (running === 0) isFree.openUnsafe()
        })
      )
    )
  )
  const gather = Effect.andThen(
    Effect.yieldNow,
    Effect.suspend(() => (running === 0 ? Effect.void : Effect.timeoutOption(isFree.await, longestWait)))
  )
  const resolver = answer.pipe(RequestResolver.setDelayEffect(Effect.asVoid(gather)), RequestResolver.batchN(maxCalls))
  return (input) => Effect.request(new Call({ input }), resolver)
}
