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
  /** The subscriber takes no part any more, or the conversation is gone. */
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
  /** What is there now, or comes first; a heartbeat when nothing does, an end when the subscription has to end. */
  readonly next: Effect.Effect<ReadonlyArray<Update>, DatabaseUnavailable>
  /** All of it. Fails when the database is gone: the subscriber comes back and resumes. */
  readonly updates: Stream.Stream<Update, DatabaseUnavailable>
}

/** A part of the log, as it is told to a subscriber, and where they stand with it. */
interface Reading {
  readonly updates: ReadonlyArray<Update>
  readonly cursor: Position
  readonly told: Position
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
        // What was read of the log, if anything, and what was told of it: they differ where a change is not the
        // subscriber's to see.
        let cursor = resumes ? position : undefined
        let told = position ?? head

        const tellAnew = Effect.map(messages.page(conversationId, view, { limit: snapshotSize }), (page): Reading => ({
          updates: [{ _tag: "Snapshot", version: head, page }],
          cursor: head,
          told: head
        }))

        const tell = (frames: ReadonlyArray<Frame>, end = Infinity): Reading => {
          let previous = told
          const updates: Array<Update> = []
          for (const frame of frames) {
            // A frame has its message as it was when it was read, which may be after the end.
            if (frame.message.seq <= visibleAfter || frame.message.version >= end) continue
            updates.push({ _tag: "Change", frame, previous })
            previous = frame.position
          }
          if (end < Infinity) updates.push({ _tag: "End" })
          return { updates, cursor: frames.at(-1)?.position ?? head, told: previous }
        }

        // For a message that changed later than all that is read, by then perhaps not for the subscriber.
        const takesPart = messages.view(session.userId, conversationId).pipe(
          Effect.as(true),
          Effect.catchTag("NotFound", () => Effect.succeed(false))
        )

        /** What there is to tell of the log after a position, waited for. */
        const readAfter = Effect.fnUntraced(function* (after: Position) {
          for (let from = after; ;) {
            yield* topic.past(from)
            const frames = yield* topic.after(from)
            const last = frames.at(-1)?.position
            // A log that has gone on and has nothing there is deleted.
            if (last === undefined) return tell([], from)
            const leaving = frames.find(
              (frame) => (frame.position > head || position !== 0) && endsParticipation(frame.message, session)
            )?.position
            // Who left with a copy and came back may see another part of the log than what they have.
            if (leaving !== undefined && leaving <= head) return yield* tellAnew
            const reachesBeyond = frames.some(({ message }) => message.version > Math.max(last, head))
            if (leaving === undefined && reachesBeyond && !(yield* takesPart)) return tell([], from)
            const reading = tell(frames, leaving)
            if (reading.updates.length > 0) return reading
            from = last
          }
        })

        // What was read counts only once it has won over the heartbeat: a read that is given up is read again.
        const read = Effect.suspend(() => (cursor === undefined ? tellAnew : readAfter(cursor))).pipe(
          Effect.timeoutOption(heartbeat),
          Effect.map((reading): ReadonlyArray<Update> => {
            if (Option.isNone(reading)) return [{ _tag: "Heartbeat" }]
            ;({ cursor, told } = reading.value)
            return reading.value.updates
          })
        )

        const ended = Effect.race(over, draining.begun)
        const updates = Stream.fromEffectRepeat(read).pipe(
          Stream.flattenIterable,
          Stream.takeWhile(({ _tag }) => _tag !== "End"),
          Stream.interruptWhen(ended)
        )
        const end: ReadonlyArray<Update> = [{ _tag: "End" }]
        return { head, next: Effect.raceFirst(read, Effect.as(ended, end)), updates }
      })

      return Subscriptions.of({ open })
    })
  )
}
