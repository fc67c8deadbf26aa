import { Context, Deferred, Effect, Exit, Layer } from "effect"

/** The server is about to stop: open streams end between updates, and their clients resume elsewhere. */
export class Draining extends Context.Service<
  Draining,
  {
    readonly begin: Effect.Effect<void>
    /** Waits until {@link begin}. */
    readonly begun: Effect.Effect<void>
    readonly hasBegun: Effect.Effect<boolean>
  }
>()("xfchat/live/Draining") {
  static readonly layer = Layer.sync(Draining, () => {
    const begun = Deferred.makeUnsafe<void>()
    return Draining.of({
      begin: Effect.sync(() => Deferred.doneUnsafe(begun, Exit.void)),
      begun: Deferred.await(begun),
      hasBegun: Deferred.isDone(begun)
    })
  })
}
