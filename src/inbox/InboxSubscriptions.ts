import { Array as Arrays, Cause, Context, Duration, Effect, Layer, Option, type Pull, type Scope } from "effect"
import type { CurrentSession } from "../auth/Session.ts"
import type { DatabaseUnavailable, RateLimited } from "../Problem.ts"
import { LiveStreams } from "../streaming/LiveStreams.ts"
import { Inbox, type InboxState } from "./Inbox.ts"
import type { Horizon } from "./InboxItem.ts"

/** What a subscriber of an inbox receives. */
export type InboxUpdate =
  /** The whole picture, or with `isChange` the part of it that changed. */
  { readonly _tag: "State"; readonly isChange: boolean; readonly state: InboxState } | { readonly _tag: "Heartbeat" }

/** An open subscription to an inbox. */
export interface InboxSubscription {
  /** Of the picture when the subscription was opened. */
  readonly horizon: Horizon
  /** The updates that come next, for one reader. Is done when the subscription has to end. */
  readonly next: Pull.Pull<Arrays.NonEmptyReadonlyArray<InboxUpdate>, DatabaseUnavailable>
}

export class InboxSubscriptions extends Context.Service<
  InboxSubscriptions,
  {
    /**
     * Subscribes to the inbox of who is signed in: the whole picture, or what changed since a horizon, then what changes.
     * Ends with its scope, with the session, at its maximum age, and when the server stops.
     */
    readonly open: (
      session: CurrentSession["Service"],
      since: Horizon | undefined,
      heartbeat: Duration.Duration,
      isPolled: boolean
    ) => Effect.Effect<InboxSubscription, RateLimited | DatabaseUnavailable, Scope.Scope>
  }
>()("xfchat/inbox/InboxSubscriptions") {
  static readonly layer = Layer.effect(
    InboxSubscriptions,
    Effect.gen(function* () {
      const inbox = yield* Inbox
      const liveStreams = yield* LiveStreams

      const open = Effect.fn("InboxSubscriptions.open")(function* (
        session: CurrentSession["Service"],
        since: Horizon | undefined,
        heartbeat: Duration.Duration,
        isPolled: boolean
      ) {
        const stream = yield* liveStreams.admit(session, undefined)
        // Listened to before it is read: what commits in between is heard of.
        const listener = yield* inbox.follow(session.userId, stream)
        const first = yield* inbox.read(session.userId, since)
        listener.knows(first.ids)
        // One from another database was answered with the whole.
        const isResumed = since !== undefined && since <= first.horizon
        let known = first
        // Who resumes by a long poll, and has missed nothing, waits.
        let isFirst = !isResumed || !isPolled || first.conversations.length > 0
        const patience = Duration.toMillis(heartbeat)
        let silentUntil = stream.now + patience

        const beat = (): ReadonlyArray<InboxUpdate> => {
          silentUntil = stream.now + patience
          return [{ _tag: "Heartbeat" }]
        }

        const accept = (state: InboxState): ReadonlyArray<InboxUpdate> => {
          const isSame = state.conversations.length === 0 && state.ids.length === known.ids.length
          known = state
          listener.knows(state.ids)
          if (isSame) return []
          silentUntil = stream.now + patience
          return [{ _tag: "State", isChange: true, state }]
        }

        const changes = Effect.suspend(() => inbox.read(session.userId, known.horizon)).pipe(
          Effect.timeoutOption(heartbeat),
          Effect.map(Option.match({ onNone: beat, onSome: accept })),
          Effect.raceFirst(Effect.as(stream.awaitOver(), []))
        )

        const look = (): Effect.Effect<ReadonlyArray<InboxUpdate>, DatabaseUnavailable> => {
          if (isFirst) {
            isFirst = false
            return Effect.succeed([{ _tag: "State", isChange: isResumed, state: first }])
          }
          if (listener.takeNews()) return changes
          return Effect.map(stream.sleep(silentUntil), (isDue) => (isDue ? beat() : []))
        }

        const next: InboxSubscription["next"] = Effect.suspend(() =>
          stream.isOver
            ? Cause.done()
            : Effect.flatMap(look(), (updates) =>
                Arrays.isReadonlyArrayNonEmpty(updates) ? Effect.succeed(updates) : next
              )
        )
        return { horizon: first.horizon, next }
      })

      return InboxSubscriptions.of({ open })
    })
  )
}
