import { Context, Effect, Layer, Option, Stream, type Duration, type Scope } from "effect"
import type { CurrentSession } from "../auth/Session.ts"
import type { DatabaseUnavailable, RateLimited } from "../Problem.ts"
import { Draining } from "../streaming/Draining.ts"
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
  readonly next: Effect.Effect<ReadonlyArray<InboxUpdate>, DatabaseUnavailable>
  readonly updates: Stream.Stream<InboxUpdate, DatabaseUnavailable>
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
      heartbeat: Duration.Duration
    ) => Effect.Effect<InboxSubscription, RateLimited | DatabaseUnavailable, Scope.Scope>
  }
>()("xfchat/inbox/InboxSubscriptions") {
  static readonly layer = Layer.effect(
    InboxSubscriptions,
    Effect.gen(function* () {
      const inbox = yield* Inbox
      const liveStreams = yield* LiveStreams
      const draining = yield* Draining

      const open = Effect.fn("InboxSubscriptions.open")(function* (
        session: CurrentSession["Service"],
        since: Horizon | undefined,
        heartbeat: Duration.Duration
      ) {
        const over = yield* liveStreams.admit(session, undefined)
        // Listened to before it is read: what commits in between is heard of.
        const listener = yield* inbox.follow(session.userId)
        const first = yield* inbox.read(session.userId, since)
        listener.knows(first.ids)
        // One from another database was answered with the whole.
        const isResumed = since !== undefined && since <= first.horizon
        let known = first

        const changes = Effect.andThen(
          listener.past,
          Effect.suspend(() => inbox.read(session.userId, known.horizon))
        ).pipe(
          Effect.timeoutOption(heartbeat),
          Effect.map((read): ReadonlyArray<InboxUpdate> => {
            if (Option.isNone(read)) return [{ _tag: "Heartbeat" }]
            const state = read.value
            const isSame = state.conversations.length === 0 && state.ids.length === known.ids.length
            known = state
            listener.knows(state.ids)
            return isSame ? [] : [{ _tag: "State", isChange: true, state }]
          })
        )

        let isFirst = true
        const told = Effect.suspend(() => {
          if (!isFirst) return changes
          isFirst = false
          return Effect.succeed<ReadonlyArray<InboxUpdate>>([{ _tag: "State", isChange: isResumed, state: first }])
        })

        const updates = Stream.fromEffectRepeat(told).pipe(
          Stream.flattenIterable,
          Stream.interruptWhen(Effect.race(over, draining.begun))
        )
        // A long poll has something to tell at once only if something changed; and hints of nothing new are waited out.
        const isNews = !isResumed || first.conversations.length > 0
        const next = Effect.suspend(() => (isNews ? told : changes)).pipe(
          Effect.repeat({ until: (updates) => updates.length > 0 })
        )
        return { horizon: first.horizon, next, updates }
      })

      return InboxSubscriptions.of({ open })
    })
  )
}
