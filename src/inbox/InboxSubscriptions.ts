import { Context, Effect, Layer, type Duration, type Scope } from "effect"
import type { CurrentSession } from "../auth/Session.ts"
import type { DatabaseUnavailable, RateLimited } from "../Problem.ts"
import { Feed } from "../streaming/Feed.ts"
import { LiveStreams } from "../streaming/LiveStreams.ts"
import { Inbox, type InboxState } from "./Inbox.ts"
import { formatInboxVersion, nextVersion, parseInboxVersion, type InboxVersion } from "./InboxVersion.ts"

/** What a subscriber of an inbox receives: the whole picture, or with `isChange` the part of it that changed. */
export interface InboxUpdate {
  readonly isChange: boolean
  readonly state: InboxState
  readonly version: string
  /** The version of the update before it, or that with which the subscriber came. */
  readonly previous: string
}

/** An open subscription to an inbox. */
export interface InboxSubscription {
  /** Of the picture when the subscription was opened. */
  readonly version: string
  readonly feed: Feed<InboxUpdate>
}

/** Whether there is more in what was read than who has a version knows. */
const isNews = ({ conversations, ids, revision }: InboxState, { count, ...known }: InboxVersion) =>
  conversations.length > 0 || ids.length !== count || revision !== known.revision

export class InboxSubscriptions extends Context.Service<
  InboxSubscriptions,
  {
    /**
     * Subscribes to the inbox of who is signed in: the whole picture, or what changed since a version, then what changes.
     * Ends with its scope, with the session, at its maximum age, and when the server stops.
     */
    readonly open: (
      session: CurrentSession["Service"],
      start: string | undefined,
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
        // What the subscriber knows.
        let told = start === undefined ? undefined : parseInboxVersion(start)
        let version = start ?? "0"
        const stream = yield* liveStreams.admit(session, undefined)
        // Listened to before it is read: what commits in between is heard of.
        const listener = yield* inbox.follow(session.userId, stream)
        let known = yield* inbox.read(session.userId, told)
        listener.knows(known)

        const tell = (state: InboxState, isChange: boolean): ReadonlyArray<InboxUpdate> => {
          told = nextVersion(state, told)
          const previous = version
          version = formatInboxVersion(told)
          return [{ isChange, state, version, previous }]
        }

        const accept = (state: InboxState) => {
          known = state
          listener.knows(state)
          return told !== undefined && !isNews(state, told) ? [] : tell(state, true)
        }

        // One from another database was answered with the whole.
        const isResumed = told !== undefined && told.horizon <= known.horizon
        let first = isResumed && isPatient ? accept(known) : tell(known, isResumed)
        const feed = new Feed<InboxUpdate>(stream, heartbeat, () => {
          if (first.length > 0) {
            const updates = first
            first = []
            return updates
          }
          if (!listener.takeNews()) return []
          return Effect.map(inbox.read(session.userId, known), (state) => () => accept(state))
        })
        return { version, feed }
      })

      return InboxSubscriptions.of({ open })
    })
  )
}
