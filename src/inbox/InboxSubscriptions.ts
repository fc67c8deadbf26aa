import { Context, Effect, Layer, type Duration, type Scope } from "effect"
import type { Caller } from "../contract/Session.ts"
import type { DatabaseUnavailable, RateLimited } from "../contract/Problem.ts"
import { Feed, type Source } from "../live/Feed.ts"
import { LiveStreams } from "../live/LiveStreams.ts"
import type { StateSubscription, StateUpdate } from "../live/StateUpdate.ts"
import { Inbox, type InboxState } from "./Inbox.ts"
import { formatInboxVersion, parseInboxVersion, versionOf, type InboxVersion } from "./InboxVersion.ts"

/** Whether a read found something that a copy does not have. */
const isNews = ({ conversations, count, isWhole, revision }: InboxState, known: InboxVersion) =>
  isWhole || conversations.length > 0 || count !== known.count || revision !== known.revision

export class InboxSubscriptions extends Context.Service<
  InboxSubscriptions,
  {
    /**
     * Subscribes to the inbox of the signed-in user: the whole inbox, or the changes since a version, then further changes. Ends
     * with its scope, with the session, at its maximum age, and when the server stops.
     */
    readonly open: (
      session: Caller,
      start: string | undefined,
      heartbeat: Duration.Duration
    ) => Effect.Effect<StateSubscription<InboxState>, RateLimited | DatabaseUnavailable, Scope.Scope>
  }
>()("xfchat/inbox/InboxSubscriptions") {
  static readonly layer = Layer.effect(
    InboxSubscriptions,
    Effect.gen(function* () {
      const inbox = yield* Inbox
      const liveStreams = yield* LiveStreams

      const open: InboxSubscriptions["Service"]["open"] = Effect.fnUntraced(function* (session, start, heartbeat) {
        let known = start === undefined ? undefined : parseInboxVersion(start)
        let version = start ?? "0"
        const stream = yield* liveStreams.admit(session, undefined)
        // Followed before it is read, so that no commit in between is missed.
        const listener = yield* inbox.follow(session.userId, stream)

        const accept = (state: InboxState): ReadonlyArray<StateUpdate<InboxState>> => {
          const isNew = known === undefined || state.isWhole || isNews(state, known)
          known = versionOf(state)
          listener.acknowledge(state)
          if (!isNew) return []
          const previous = version
          version = formatInboxVersion(known)
          return [{ isChange: !state.isWhole, state, version, previous }]
        }

        const now = yield* inbox.read(session.userId, known)
        const first = accept(now)
        const source: Source<StateUpdate<InboxState>> = () => {
          if (!listener.consumeWakeUp()) return []
          return Effect.map(inbox.read(session.userId, known), (state) => () => accept(state))
        }
        return { version, feed: new Feed(stream, heartbeat, source, first) }
      })

      return InboxSubscriptions.of({ open })
    })
  )
}
