import { Context, Effect, Layer, type Duration, type Scope } from "effect"
import { createHash, randomUUID } from "node:crypto"
import type { Caller } from "../contract/Session.ts"
import type { DatabaseUnavailable, RateLimited } from "../contract/Problem.ts"
import { Feed } from "../live/Feed.ts"
import { LiveStreams } from "../live/LiveStreams.ts"
import { Presence } from "./Presence.ts"
import type { PresencePage } from "../contract/PresencePage.ts"

/** What a subscriber to presence receives: the whole picture, or with `isChange` the part of it that changed. */
export interface PresenceUpdate {
  readonly isChange: boolean
  readonly page: PresencePage
  readonly version: string
  /** The version of the update before it, or that with which the subscriber came. */
  readonly previous: string
}

/** An open subscription to presence. */
export interface PresenceSubscription {
  /** Of the picture when the subscription was opened. */
  readonly version: string
  readonly feed: Feed<PresenceUpdate>
}

/** A picture as it is at a version. */
export interface VersionedPage {
  readonly version: string
  readonly page: PresencePage
}

/**
 * Nothing is stored, so there is nothing to resume from: who comes back gets the whole picture. But the version of a whole
 * picture ends with its digest, so that who comes back, to whichever process, and finds it the same waits until it is not.
 */
export class PresenceSubscriptions extends Context.Service<
  PresenceSubscriptions,
  {
    /** What who is signed in may see now. */
    readonly read: (session: Caller) => Effect.Effect<VersionedPage, DatabaseUnavailable>
    /**
     * Subscribes who is signed in: the whole picture, unless they come with its version, then what changes. Ends with its scope, with
     * the session, at its maximum age, and when the server stops.
     */
    readonly open: (
      session: Caller,
      start: string | undefined,
      heartbeat: Duration.Duration
    ) => Effect.Effect<PresenceSubscription, RateLimited | DatabaseUnavailable, Scope.Scope>
  }
>()("xfchat/presence/PresenceSubscriptions") {
  static readonly layer = Layer.effect(
    PresenceSubscriptions,
    Effect.gen(function* () {
      const presence = yield* Presence
      const liveStreams = yield* LiveStreams
      const process = randomUUID().slice(0, 8)
      let number = 0

      /** No two versions of a process are the same, whatever they are of. */
      const newVersion = () => `${process}.${++number}`
      const digestOf = (page: PresencePage) =>
        createHash("sha256").update(JSON.stringify(page)).digest("base64url").slice(0, 22)

      const read = Effect.fn("PresenceSubscriptions.read")(function* ({ userId }: Caller) {
        const page = yield* presence.read(userId)
        return { page, version: `${newVersion()}.${digestOf(page)}` }
      })

      const open = Effect.fn("PresenceSubscriptions.open")(function* (
        session: Caller,
        start: string | undefined,
        heartbeat: Duration.Duration
      ) {
        const stream = yield* liveStreams.admit(session, undefined)
        const view = yield* presence.follow(session.userId, stream)
        let version = start ?? "0"

        const tell = (page: PresencePage, digest?: string): ReadonlyArray<PresenceUpdate> => {
          const previous = version
          version = digest === undefined ? newVersion() : `${newVersion()}.${digest}`
          return [{ isChange: digest === undefined, page, version, previous }]
        }

        // As long as the whole is that with which the subscriber came, there is nothing to tell.
        const known = start?.split(".")[2]
        let isKnown = true

        const look = (): ReadonlyArray<PresenceUpdate> => {
          if (isKnown) {
            const page = view.snapshot()
            const digest = digestOf(page)
            isKnown = digest === known
            return isKnown ? [] : tell(page, digest)
          }
          const page = view.takeChanges()
          return page === undefined ? [] : tell(page)
        }

        let first = look()
        const feed = new Feed<PresenceUpdate>(stream, heartbeat, () => {
          if (first.length === 0) return look()
          const told = first
          first = []
          return told
        })
        return { version, feed }
      })

      return PresenceSubscriptions.of({ read, open })
    })
  )
}
