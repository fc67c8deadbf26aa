import { Context, Effect, Layer, Option, Stream, type Duration, type Scope } from "effect"
import type { CurrentSession } from "../auth/Session.ts"
import type { ConversationId, Position } from "../messaging/Conversation.ts"
import type { Message, MessagePage } from "../messaging/Message.ts"
import { Messages } from "../messaging/Messages.ts"
import type { DatabaseUnavailable, NotFound, RateLimited } from "../Problem.ts"
import { Draining } from "./Draining.ts"
import type { Frame } from "./Frame.ts"
import { Hub } from "./Hub.ts"
import { LiveStreams } from "./LiveStreams.ts"

/** Messages in a snapshot. */
const snapshotSize = 50

/** Who is further behind gets one snapshot: cheaper for both than as many updates (a client needs up to 1 ms for each). */
const mostUpdates = 1_000

/** What a subscriber receives, in order. */
export type Update =
  | { readonly _tag: "Snapshot"; readonly version: Position; readonly page: MessagePage }
  /** `previous` is the version of the update before it, or that with which the subscriber came. */
  | { readonly _tag: "Change"; readonly frame: Frame; readonly previous: Position }
  | { readonly _tag: "Heartbeat" }
  /** The subscriber takes no part any more. */
  | { readonly _tag: "End" }

/** Where a subscriber stands: `undefined` when it has nothing, or nothing that this log knows. */
export interface SubscribeRequest {
  readonly position: Position | undefined
  readonly heartbeat: Duration.Duration
}

/** An open subscription. */
export interface Subscription {
  /** The position of the log when the subscription was opened: who has reached it is caught up. */
  readonly head: Position
  /** What is there now, or comes first; a heartbeat when nothing does. May be empty. */
  readonly next: Effect.Effect<ReadonlyArray<Update>, DatabaseUnavailable>
  /** All of it. Fails when the database is gone: the subscriber comes back and resumes. */
  readonly updates: Stream.Stream<Update, DatabaseUnavailable>
}

/** Whether a message says that somebody takes no part any more. Nothing that comes after is theirs. */
const endsParticipation = ({ content }: Message, { userId }: CurrentSession["Service"]): boolean =>
  content !== null &&
  typeof content === "object" &&
  "event" in content &&
  (content.event === "left" || content.event === "removed") &&
  content.user === userId

export class Subscriptions extends Context.Service<
  Subscriptions,
  {
    /**
     * Subscribes a participant to a conversation's log: exactly what is missing, in order, then what comes. Whether they
     * may is decided before this succeeds. The stream ends between updates: with its scope, when the session or the
     * participation ends, at its maximum age, and when the server stops.
     */
    readonly open: (
      session: CurrentSession["Service"],
      conversationId: ConversationId,
      request: SubscribeRequest
    ) => Effect.Effect<Subscription, NotFound | RateLimited | DatabaseUnavailable, Scope.Scope>
  }
>()("xfchat/streaming/Subscriptions") {
  static readonly layer = Layer.effect(
    Subscriptions,
    Effect.gen(function* () {
      const hub = yield* Hub
      const messages = yield* Messages
      const draining = yield* Draining
      const liveStreams = yield* LiveStreams

      const open = Effect.fn("Subscriptions.open")(function* (
        session: CurrentSession["Service"],
        conversationId: ConversationId,
        { heartbeat, position }: SubscribeRequest
      ) {
        // Followed before the head is read: what commits in between is heard of.
        const topic = yield* hub.follow(conversationId)
        const view = yield* messages.view(session.userId, conversationId)
        const { head, visibleAfter } = view
        const over = yield* liveStreams.admit(session, conversationId)
        yield* topic.readTo(head)

        const resumes = position !== undefined && position <= head && head - position <= mostUpdates
        // What was read of the log, and what was told of it: they differ where a change is not the subscriber's to see.
        let cursor = resumes ? position : head
        let told = cursor

        const tell = (frames: ReadonlyArray<Frame>): ReadonlyArray<Update> => {
          const updates: Array<Update> = []
          for (const frame of frames) {
            cursor = frame.position
            if (frame.message.seq <= visibleAfter) continue
            if (cursor > head && endsParticipation(frame.message, session)) return [...updates, { _tag: "End" }]
            updates.push({ _tag: "Change", frame, previous: told })
            told = cursor
          }
          return updates
        }

        // The cursor moves only after the read has won over the heartbeat: a read that is given up is read again.
        const changes = Effect.suspend(() => Effect.andThen(topic.past(cursor), topic.after(cursor))).pipe(
          Effect.timeoutOption(heartbeat),
          Effect.map((frames): ReadonlyArray<Update> =>
            Option.isSome(frames) ? tell(frames.value) : [{ _tag: "Heartbeat" }]
          )
        )

        let needsSnapshot = !resumes
        const next = Effect.suspend((): Effect.Effect<ReadonlyArray<Update>, DatabaseUnavailable> => {
          if (!needsSnapshot) return changes
          needsSnapshot = false
          return Effect.map(messages.page(conversationId, view, { limit: snapshotSize }), (page) => [
            { _tag: "Snapshot", version: head, page }
          ])
        })

        const updates = Stream.fromEffectRepeat(next).pipe(
          Stream.flattenIterable,
          Stream.takeWhile(({ _tag }) => _tag !== "End"),
          Stream.interruptWhen(Effect.race(over, draining.begun))
        )
        return { head, next, updates }
      })

      return Subscriptions.of({ open })
    })
  )
}
