import { Array as Arrays, Deferred, Effect, Exit, type Scope } from "effect"

/**
 * Gathers the calls of one turn of the event loop and runs them as one, so that many simultaneous requests cost one
 * statement. Each call gets the result that `run` gives at its position, or the failure of `run`.
 */
export const batched = <A, B, E>(
  run: (inputs: Arrays.NonEmptyReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E>
): Effect.Effect<(input: A) => Effect.Effect<B, E>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let waiting: Array<{ readonly input: A; readonly answer: Deferred.Deferred<B, E> }> = []

    const flush = Effect.suspend(() => {
      const gathered = waiting
      waiting = []
      return Arrays.isArrayNonEmpty(gathered)
        ? Effect.onExit(run(Arrays.map(gathered, ({ input }) => input)), (exit) =>
            Effect.sync(() => {
              if (Exit.isFailure(exit)) {
                const failure = Exit.failCause(exit.cause)
                return gathered.forEach(({ answer }) => Deferred.doneUnsafe(answer, failure))
              }
              for (const [{ answer }, value] of Arrays.zip(gathered, exit.value)) {
                Deferred.doneUnsafe(answer, Exit.succeed(value))
              }
            })
          )
        : Effect.void
    })

    return (input) =>
      Effect.suspend(() => {
        const answer = Deferred.makeUnsafe<B, E>()
        const isFirst = waiting.push({ input, answer }) === 1
        const flushing = isFirst ? Effect.forkIn(Effect.andThen(Effect.yieldNow, flush), scope) : Effect.void
        return Effect.andThen(flushing, Deferred.await(answer))
      })
  })
