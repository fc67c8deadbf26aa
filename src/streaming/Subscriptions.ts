import { Array as Arrays, Cause, Context, Duration, Effect, Layer, Option, Stream, type Pull, type Scope } from "effect"
import type { CurrentSession } from "../auth/Session.ts"
import type { ConversationId, Position } from "../messaging/Conversation.ts"
import type { Message, MessagePage } from "../messaging/Message.ts"
import { Messages } from "../messaging/Messages.ts"
import type { DatabaseUnavailable, NotFound, RateLimited } from "../Problem.ts"
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

/** Where a subscriber stands: `undefined` when it has nothing, or nothing that this log knows. */
export interface SubscribeRequest {
  readonly position: Position | undefined
  readonly heartbeat: Duration.Duration
}

/** An open subscription. */
export interface Subscription {
  /** The position of the log when the subscription was opened: who has reached it is caught up. */
  readonly head: Position
  /**
   * The updates that come next, for one reader: those that are there, or else the next ones, or a heartbeat. Is done when
   * the subscription has to end. Fails when the database is gone: the subscriber comes back and resumes.
   */
  readonly next: Pull.Pull<Arrays.NonEmptyReadonlyArray<Update>, DatabaseUnavailable>
  /** All of them. */
  readonly updates: Stream.Stream<Update, DatabaseUnavailable>
}

/** A part of the log, as it is told to a subscriber, and where they stand with it. */
interface Reading {
  readonly updates: ReadonlyArray<Update>
  readonly cursor: Position
  readonly told: Position
  /** Nothing that comes after is the subscriber's. */
  readonly isLast: boolean
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
        const stream = yield* liveStreams.admit(session, conversationId)
        yield* topic.readTo(head)
        yield* Effect.acquireRelease(
          Effect.sync(() => topic.listeners.add(stream)),
          () => Effect.sync(() => topic.listeners.delete(stream))
        )

        const resumes = position !== undefined && position <= head && head - position <= mostUpdates
        // What was read of the log, if anything, and what was told of it: they differ where a change is not the
        // subscriber's to see.
        let cursor = resumes ? position : undefined
        let told = position ?? head
        let isLast = false
        const patience = Duration.toMillis(heartbeat)
        let silentUntil = stream.now + patience

        const tellAnew = Effect.map(messages.page(conversationId, view, { limit: snapshotSize }), (page): Reading => ({
          updates: [{ _tag: "Snapshot", version: head, page }],
          cursor: head,
          told: head,
          isLast: false
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
          return { updates, cursor: frames.at(-1)?.position ?? head, told: previous, isLast: end < Infinity }
        }

        // For a message that changed later than all that is read, by then perhaps not for the subscriber.
        const takesPart = messages.view(session.userId, conversationId).pipe(
          Effect.as(true),
          Effect.catchTag("NotFound", () => Effect.succeed(false))
        )

        /** What frames that follow a position tell: at once, but for the rare case that the database has to be asked. */
        const read = (
          after: Position,
          frames: ReadonlyArray<Frame>
        ): Reading | Effect.Effect<Reading, DatabaseUnavailable> => {
          const last = frames.at(-1)?.position
          // A log that has gone on and has nothing there is deleted.
          if (last === undefined) return tell([], after)
          const leaving = frames.find(
            (frame) => (frame.position > head || position !== 0) && endsParticipation(frame.message, session)
          )?.position
          // Who left with a copy and came back may see another part of the log than what they have.
          if (leaving !== undefined && leaving <= head) return tellAnew
          const reachesBeyond = frames.some(({ message }) => message.version > Math.max(last, head))
          return leaving === undefined && reachesBeyond
            ? Effect.map(takesPart, (takesPart) => (takesPart ? tell(frames) : tell([], after)))
            : tell(frames, leaving)
        }

        const accept = (reading: Reading) => {
          ;({ cursor, isLast, told } = reading)
          silentUntil = stream.now + patience
          return reading.updates
        }

        // A read that is given up is read again: what was read counts only once it has won over the end and the heartbeat.
        const wait = (reading: Effect.Effect<Reading, DatabaseUnavailable>) =>
          reading.pipe(
            Effect.timeoutOption(heartbeat),
            Effect.map(Option.match({ onNone: () => beat(), onSome: accept })),
            Effect.raceFirst(Effect.as(stream.awaitOver(), []))
          )

        const beat = (): ReadonlyArray<Update> => {
          silentUntil = stream.now + patience
          return [{ _tag: "Heartbeat" }]
        }

        // Most often nothing is there to wait for but a wake-up: what it brings is in memory.
        const look = (): Effect.Effect<ReadonlyArray<Update>, DatabaseUnavailable> => {
          if (cursor === undefined) return wait(tellAnew)
          const after = cursor
          if (!topic.isPast(after)) {
            return Effect.map(stream.sleep(silentUntil), (isDue) => (isDue ? beat() : []))
          }
          const frames = topic.recall(after)
          if (frames === undefined) {
            return wait(
              Effect.flatMap(topic.after(after), (frames) => {
                const reading = read(after, frames)
                return Effect.isEffect(reading) ? reading : Effect.succeed(reading)
              })
            )
          }
          const reading = read(after, frames)
          return Effect.isEffect(reading) ? wait(reading) : Effect.succeed(accept(reading))
        }

        const next: Subscription["next"] = Effect.suspend(() =>
          isLast || stream.isOver
            ? Cause.done()
            : Effect.flatMap(look(), (updates) =>
                Arrays.isReadonlyArrayNonEmpty(updates) ? Effect.succeed(updates) : next
              )
        )
        return { head, next, updates: Stream.fromPull(Effect.succeed(next)) }
      })

      return Subscriptions.of({ open })
    })
  )
}
