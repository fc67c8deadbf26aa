import { Context, Effect, Layer, type Duration, type Scope } from "effect"
import { createHash, randomUUID } from "node:crypto"
import type { PresencePage } from "../contract/PresencePage.ts"
import type { DatabaseUnavailable, RateLimited } from "../contract/Problem.ts"
import type { Caller } from "../contract/Session.ts"
import { Feed } from "../live/Feed.ts"
import { LiveStreams } from "../live/LiveStreams.ts"
import type { StateSubscription, StateUpdate } from "../live/StateUpdate.ts"
import { Presence, type PresenceView } from "./Presence.ts"

/** A page and its version. */
export interface VersionedPage {
  readonly version: string
  readonly page: PresencePage
}

/**
 * Subscriptions to presence. Nothing is stored, so there is nothing to resume from: a client that reconnects gets a snapshot.
 * But the version of a snapshot ends with its digest, so that a client whose snapshot is still right waits, at whichever
 * process, until it changes.
 */
export class PresenceSubscriptions extends Context.Service<
  PresenceSubscriptions,
  {
    /** The people that the caller may see now, from a cursor on. The version covers all of them. */
    readonly read: (caller: Caller, after?: string) => Effect.Effect<VersionedPage, DatabaseUnavailable>
    /**
     * Subscribes the caller: first a snapshot, unless `start` is its version, then changes. Ends with its scope, with the
     * session, at its maximum age, and when the server stops.
     */
    readonly open: (
      caller: Caller,
      start: string | undefined,
      heartbeat: Duration.Duration
    ) => Effect.Effect<StateSubscription<PresencePage>, RateLimited | DatabaseUnavailable, Scope.Scope>
  }
>()("xfchat/presence/PresenceSubscriptions") {
  static readonly layer = Layer.effect(
    PresenceSubscriptions,
    Effect.gen(function* () {
      const presence = yield* Presence
      const liveStreams = yield* LiveStreams
      const process = randomUUID().slice(0, 8)
      let number = 0

      /** Unique within the process, over all subscriptions. */
      const newVersion = () => `${process}.${++number}`
      const digestOf = ({ entries }: Pick<PresenceView, "entries">) => {
        const hash = createHash("sha256")
        for (const entry of entries()) hash.update(`${entry}\n`)
        return hash.digest("base64url").slice(0, 22)
      }

      const read = Effect.fn("PresenceSubscriptions.read")(function* ({ userId }: Caller, after?: string) {
        const view = yield* presence.read(userId, after)
        return { page: view.snapshot(), version: `${newVersion()}.${digestOf(view)}` }
      })

      const open = Effect.fn("PresenceSubscriptions.open")(function* (
        caller: Caller,
        start: string | undefined,
        heartbeat: Duration.Duration
      ) {
        const stream = yield* liveStreams.admit(caller, undefined)
        const view = yield* presence.follow(caller.userId, stream)
        let version = start ?? "0"

        const updateOf = (state: PresencePage, digest?: string): ReadonlyArray<StateUpdate<PresencePage>> => {
          const previous = version
          version = digest === undefined ? newVersion() : `${newVersion()}.${digest}`
          return [{ isChange: digest === undefined, state, version, previous }]
        }

        // Nothing is sent while the snapshot is the one that the subscriber came with.
        const known = start?.split(".")[2]
        let isKnown = true

        const poll = (): ReadonlyArray<StateUpdate<PresencePage>> => {
          if (isKnown) {
            const page = view.snapshot()
            const digest = digestOf(view)
            isKnown = digest === known
            return isKnown ? [] : updateOf(page, digest)
          }
          const changes = view.takeChanges()
          return changes === undefined ? [] : updateOf(changes)
        }

        const first = poll()
        return { version, feed: new Feed(stream, heartbeat, poll, first) }
      })

      return PresenceSubscriptions.of({ read, open })
    })
  )
}
