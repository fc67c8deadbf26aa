import { Context, Effect, Layer, Stream } from "effect"
import type { Scope, Duration } from "effect"
import type { UserId } from "../auth/Account.ts"
import type { ConversationId, Position } from "../messaging/Conversation.ts"
import type { MessagePage } from "../messaging/Message.ts"
import { Messages } from "../messaging/Messages.ts"
import type { DatabaseUnavailable, NotFound } from "../Problem.ts"
import { Draining } from "./Draining.ts"
import type { Frame } from "./Frame.ts"
import { Hub } from "./Hub.ts"

/** Messages in a snapshot. */
const snapshotSize = 50

/** Who is further behind gets one snapshot: cheaper for both than as many updates (a client needs up to 1 ms for each). */
const mostUpdates = 1_000

/** What a subscriber receives, in order. */
export type Update =
  | { readonly _tag: "Snapshot"; readonly version: Position; readonly page: MessagePage }
  | { readonly _tag: "Change"; readonly frame: Frame }
  | { readonly _tag: "Heartbeat" }

/** Where a subscriber stands: `undefined` when it has nothing, or nothing that this log knows. */
export interface SubscribeRequest {
  readonly position: Position | undefined
  readonly heartbeat: Duration.Duration
}

/** An open subscription. */
export interface Subscription {
  /** The position of the log when the subscription was opened: who has reached it is caught up. */
  readonly head: Position
  /** Fails when the database is gone for long: the subscriber comes back and resumes. */
  readonly updates: Stream.Stream<Update, DatabaseUnavailable>
}

export class Subscriptions extends Context.Service<
  Subscriptions,
  {
    /**
     * Subscribes a participant to a conversation's log: exactly what is missing, in order, then what comes. Whether they
     * may is decided before this succeeds. Ends with its scope.
     */
    readonly open: (
      caller: UserId,
      conversationId: ConversationId,
      request: SubscribeRequest
    ) => Effect.Effect<Subscription, NotFound | DatabaseUnavailable, Scope.Scope>
  }
>()("xfchat/streaming/Subscriptions") {
  static readonly layer = Layer.effect(
    Subscriptions,
    Effect.gen(function* () {
      const hub = yield* Hub
      const messages = yield* Messages
      const draining = yield* Draining

      const open = Effect.fn("Subscriptions.open")(function* (
        caller: UserId,
        conversationId: ConversationId,
        { position, heartbeat }: SubscribeRequest
      ) {
        // Followed before the head is read: what commits in between is heard of.
        const topic = yield* hub.follow(conversationId)
        const head = yield* messages.head(caller, conversationId)
        yield* topic.readTo(head)

        const resumes = position !== undefined && position <= head && head - position <= mostUpdates
        const snapshot: Stream.Stream<Update, DatabaseUnavailable> = resumes
          ? Stream.empty
          : Stream.fromEffect(messages.page(conversationId, head, { limit: snapshotSize })).pipe(
              Stream.map((page) => ({ _tag: "Snapshot", version: head, page }))
            )

        let cursor = resumes ? position : head
        const next: Effect.Effect<ReadonlyArray<Update>, DatabaseUnavailable> = Effect.gen(function* () {
          yield* topic.past(cursor)
          const frames = yield* topic.after(cursor)
          cursor = frames.at(-1)?.position ?? cursor
          return frames.map((frame): Update => ({ _tag: "Change", frame }))
        }).pipe(
          Effect.timeoutOrElse({
            duration: heartbeat,
            orElse: () => Effect.succeed<ReadonlyArray<Update>>([{ _tag: "Heartbeat" }])
          })
        )
        const live = Stream.fromEffectRepeat(next).pipe(Stream.flattenIterable, Stream.interruptWhen(draining.begun))
        return { head, updates: Stream.concat(snapshot, live) }
      })

      return Subscriptions.of({ open })
    })
  )
}
