import { Context, Effect, Layer, type Duration, type Scope } from "effect"
import type { CurrentSession } from "../auth/Session.ts"
import type { DatabaseUnavailable, RateLimited } from "../Problem.ts"
import { Feed } from "../streaming/Feed.ts"
import { LiveStreams } from "../streaming/LiveStreams.ts"
import { Inbox, type InboxState } from "./Inbox.ts"
import type { Horizon } from "./InboxItem.ts"

/** What a subscriber of an inbox receives: the whole picture, or with `isChange` the part of it that changed. */
export interface InboxUpdate {
  readonly isChange: boolean
  readonly state: InboxState
  readonly version: string
  /** The version of the update before it, or that with which the subscriber came. */
  readonly previous: string
}

/** With what a subscriber comes: a version, and the horizon that it stands for, if to us it does. */
export interface InboxStart {
  readonly version: string
  readonly horizon: Horizon | undefined
}

/** An open subscription to an inbox. */
export interface InboxSubscription {
  /** Of the picture when the subscription was opened. */
  readonly horizon: Horizon
  readonly feed: Feed<InboxUpdate>
}

export class InboxSubscriptions extends Context.Service<
  InboxSubscriptions,
  {
    /**
     * Subscribes to the inbox of who is signed in: the whole picture, or what changed since a version, then what changes.
     * Ends with its scope, with the session, at its maximum age, and when the server stops.
     */
    readonly open: (
      session: CurrentSession["Service"],
      start: InboxStart | undefined,
      options: {
        readonly heartbeat: Duration.Duration
        /** Who resumes and has missed nothing is told nothing at first: for a long poll. */
        readonly isPatient: boolean
      }
    ) => Effect.Effect<InboxSubscription, RateLimited | DatabaseUnavailable, Scope.Scope>
  }
>()("xfchat/inbox/InboxSubscriptions") {
  static readonly layer = Layer.effect(
    InboxSubscriptions,
    Effect.gen(function* () {
      const inbox = yield* Inbox
      const liveStreams = yield* LiveStreams

      const open: InboxSubscriptions["Service"]["open"] = Effect.fnUntraced(function* (
        session,
        start,
        { heartbeat, isPatient }
      ) {
        const stream = yield* liveStreams.admit(session, undefined)
        // Listened to before it is read: what commits in between is heard of.
        const listener = yield* inbox.follow(session.userId, stream)
        const first = yield* inbox.read(session.userId, start?.horizon)
        listener.knows(first)
        // One from another database was answered with the whole.
        const isResumed = start?.horizon !== undefined && start.horizon <= first.horizon
        let known = first
        let version = start?.version ?? "0"
        let number = 0
        let isFirst = !isResumed || !isPatient || first.conversations.length > 0 || first.acquaintances !== null

        const tell = (state: InboxState, isChange: boolean): ReadonlyArray<InboxUpdate> => {
          // A long transaction holds a horizon in place: a number tells the updates of one horizon apart.
          number = version.split(".")[0] === `${state.horizon}` ? number + 1 : 0
          const previous = version
          version = number === 0 ? `${state.horizon}` : `${state.horizon}.${number}`
          return [{ isChange, state, version, previous }]
        }

        const accept = (read: InboxState) => {
          // While a horizon is held in place, what changed above it is read again. Not to be told again: that would say that
          // something has happened which the user must not see.
          const state = read.revision === known.revision ? { ...read, acquaintances: null } : read
          const isSame =
            state.conversations.length === 0 && state.ids.length === known.ids.length && state.acquaintances === null
          known = state
          listener.knows(state)
          return isSame ? [] : tell(state, true)
        }

        const feed = new Feed<InboxUpdate>(stream, heartbeat, () => {
          if (isFirst) {
            isFirst = false
            return tell(first, isResumed)
          }
          if (!listener.takeNews()) return []
          return Effect.map(inbox.read(session.userId, known.horizon), (state) => () => accept(state))
        })
        return { horizon: first.horizon, feed }
      })

      return InboxSubscriptions.of({ open })
    })
  )
}
