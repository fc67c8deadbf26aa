import { Context, Effect, Layer, PubSub, Stream } from "effect"
import type { ConversationId, Position } from "../messaging/Conversation.ts"

/** A hint that a conversation's log now reaches `head`. The log is the truth: a lost hint delays, and loses nothing. */
export interface Change {
  readonly conversationId: ConversationId
  readonly head: Position
}

/** Carries {@link Change}s from those who commit to those who listen. */
export class ChangeBus extends Context.Service<
  ChangeBus,
  {
    readonly publish: (changes: ReadonlyArray<Change>) => Effect.Effect<void>
    /** Every change published from now on: the listener is there when this stream starts. */
    readonly changes: Stream.Stream<Change>
  }
>()("xfchat/streaming/ChangeBus") {
  /** Within this process. */
  static readonly layerMemory = Layer.effect(
    ChangeBus,
    Effect.gen(function* () {
      const hub = yield* PubSub.unbounded<Change>()
      return ChangeBus.of({
        publish: (changes) => PubSub.publishAll(hub, changes),
        changes: Stream.fromPubSub(hub)
      })
    })
  )
}
