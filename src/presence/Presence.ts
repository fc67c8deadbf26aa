import { Array as Arrays, Context, Deferred, Duration, Effect, Exit, Layer, Schedule, Stream, type Scope } from "effect"
import type { UserId } from "../contract/Account.ts"
import type { ConversationId } from "../contract/Conversation.ts"
import type { PresenceAudience, PresencePage } from "../contract/PresencePage.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { elapsedMillis } from "../platform/Clock.ts"
import { Configuration } from "../platform/Configuration.ts"
import { logOf } from "../platform/Log.ts"
import { ChangeBus, ChangeHint } from "../changes/ChangeBus.ts"
import { followChanges, makeBacklog } from "../changes/Follower.ts"
import { LiveStreams } from "../live/LiveStreams.ts"
import { PresenceAudiences } from "./PresenceAudiences.ts"
import { PresenceState } from "./PresenceState.ts"

const log = logOf("xfchat/presence")

/** How long somebody types, in milliseconds, unless they repeat it. */
const typingTime = 6_000

/** A repetition within this time is neither authorized again nor published, in milliseconds. */
const typingPause = 1_000

/** How late an expiry shows at most. */
const tickInterval = Duration.millis(500)

/** An audience is read again when a hint says that it changed, and at this age, in milliseconds, in case the hint was lost. */
const audienceAge = 60_000

/** Audiences read in one statement. */
const audiencesAtOnce = 256

/** The view of one device. */
export interface PresenceView {
  /** All that there is to see now. */
  readonly snapshot: () => PresencePage
  /** The same as texts that are equal where it is, with what does not fit in an answer. */
  readonly entries: () => Iterable<string>
  /** The changes since it was last read; `undefined` when there are none. */
  readonly takeChanges: () => PresencePage | undefined
}

interface AudienceRequest {
  readonly users: ReadonlyArray<UserId>
  readonly conversations: ReadonlyArray<ConversationId>
  readonly answered?: Deferred.Deferred<void, DatabaseUnavailable>
}

/**
 * Online users and typing, in the memory of each process, never stored. Both are leases, which processes publish on the bus
 * and which expire unless they are renewed, so that neither a lost hint nor a process that dies leaves a wrong state behind.
 *
 * A user is online while any process has a stream of theirs and renews their lease, and for a grace time afterwards, so that a
 * client that reconnects does not flicker. A process that starts, or that has lost the bus, asks the others to renew theirs.
 *
 * A lost hint shows for a limited time: that somebody came, until the next renewal (20 seconds); that they went, until the
 * lease ends (50 seconds); that an audience changed, for a minute.
 */
export class Presence extends Context.Service<
  Presence,
  {
    /**
     * Publishes that somebody types, for the next six seconds, or that they have stopped. `authorize` fails for a user who
     * may not type there; it does not run again for a repetition within a second.
     */
    readonly setTyping: <E>(
      caller: UserId,
      conversationId: ConversationId,
      isTyping: boolean,
      authorize: Effect.Effect<unknown, E>
    ) => Effect.Effect<void, E>
    /** Ends somebody's typing, as when their message is there. */
    readonly stopTyping: (userId: UserId, conversationId: ConversationId) => Effect.Effect<void>
    /** The people that a user may see, from a cursor on. */
    readonly read: (
      userId: UserId,
      after?: string
    ) => Effect.Effect<Pick<PresenceView, "snapshot" | "entries">, DatabaseUnavailable>
    /** A user's view until the scope closes. The stream wakes whenever the view changes. */
    readonly follow: (
      userId: UserId,
      stream: { wake(): void }
    ) => Effect.Effect<PresenceView, DatabaseUnavailable, Scope.Scope>
  }
>()("xfchat/presence/Presence") {
  static readonly layer = Layer.effect(
    Presence,
    Effect.gen(function* () {
      const bus = yield* ChangeBus
      const audiences = yield* PresenceAudiences
      const liveStreams = yield* LiveStreams
      // Two renewals in a row may be lost: the lease outlives them.
      const lease = Duration.toMillis(yield* Configuration.presenceLease)
      const renewal = Duration.millis(0.4 * lease)
      const grace = Math.ceil(0.3 * lease)
      const state = new PresenceState()

      // The users whose leases this process renews.
      const own = new Set<UserId>()

      const online = (userId: UserId) => ChangeHint.Presence({ userId, millis: lease })
      const leaving = (userId: UserId) => ChangeHint.Presence({ userId, millis: grace })
      const renew = Effect.suspend(() => bus.publish([...own].map(online)))
      // The finalizer that runs last: for the other processes, these users are reconnecting.
      yield* Effect.addFinalizer(() => bus.publish([...own].map(leaving)))

      const readAudiences = Effect.fnUntraced(function* (requests: ReadonlyArray<AudienceRequest>) {
        const users = new Set(requests.flatMap((request) => request.users))
        const conversations = [...new Set(requests.flatMap((request) => request.conversations))]
        if (conversations.length > 0) {
          // Both the participants as known so far and those of now.
          for (const id of conversations) for (const user of state.usersWatching(id)) users.add(user)
          for (const user of yield* audiences.findParticipants(conversations, state.watchingUsers())) users.add(user)
        }
        for (const chunk of Arrays.chunksOf(users, audiencesAtOnce)) {
          const found = yield* audiences.find(chunk)
          const now = yield* elapsedMillis
          for (const [userId, audience] of found) state.setAudience(userId, audience, now)
        }
      })

      const requestAudiences = yield* makeBacklog<AudienceRequest>(
        Effect.fnUntraced(function* (requests) {
          const exit = yield* Effect.exit(readAudiences(requests))
          for (const { answered } of requests) if (answered !== undefined) Deferred.doneUnsafe(answered, exit)
          if (Exit.hasDies(exit)) yield* log.error("The audiences of presence cannot be read", exit)
          else if (Exit.isFailure(exit)) yield* log.warning("Changes of the audiences of presence are delayed")
        })
      )

      const hear = Effect.fnUntraced(function* (change: ChangeHint) {
        const now = yield* elapsedMillis
        switch (change._tag) {
          case "Presence":
            state.setOnline(change.userId, now + change.millis, now)
            // The process that had their last stream does not know of those here.
            if (change.millis < lease && own.has(change.userId)) yield* bus.publish([online(change.userId)])
            break
          case "Typing":
            state.setTyping(change.conversationId, change.userId, now + change.millis, now)
            break
          case "RollCall":
            yield* renew
            break
          case "Person":
            if (state.hasViewers) requestAudiences({ users: [change.userId], conversations: [] })
            break
          case "Participation":
            if (state.hasViewers) requestAudiences({ users: [], conversations: [change.conversationId] })
            break
        }
      })
      const callRoll = bus.publish([ChangeHint.RollCall()])
      yield* followChanges({
        hear: (change) => (change._tag === "Log" ? Effect.void : hear(change)),
        sweep: renew,
        every: renewal,
        catchUp: callRoll
      })

      const updatePresence = (userId: UserId) => {
        // The state of now: they may have come and gone since.
        const isOnline = liveStreams.hasStream(userId)
        if (isOnline) own.add(userId)
        else own.delete(userId)
        return bus.publish([isOnline ? online(userId) : leaving(userId)])
      }
      yield* liveStreams.presenceChanges.pipe(
        Stream.runForEach(updatePresence),
        Effect.forkScoped({ startImmediately: true })
      )

      const tick = Effect.map(elapsedMillis, (now) => {
        state.expire(now)
        const users = state.usersReadBefore(now - audienceAge)
        if (users.length > 0) requestAudiences({ users, conversations: [] })
      })
      yield* tick.pipe(Effect.repeat(Schedule.spaced(tickInterval)), Effect.forkScoped)

      yield* callRoll

      const setTyping = Effect.fn("Presence.setTyping")(function* <E>(
        caller: UserId,
        conversationId: ConversationId,
        isTyping: boolean,
        authorize: Effect.Effect<unknown, E>
      ) {
        const until = state.typingUntil(conversationId, caller)
        const now = yield* elapsedMillis
        if (isTyping && until !== undefined && until > now + typingTime - typingPause) return
        yield* authorize
        if (isTyping) yield* bus.publish([ChangeHint.Typing({ conversationId, userId: caller, millis: typingTime })])
        else yield* stopTyping(caller, conversationId)
      })

      const stopTyping = (userId: UserId, conversationId: ConversationId) =>
        Effect.suspend(() =>
          state.typingUntil(conversationId, userId) === undefined
            ? Effect.void
            : bus.publish([ChangeHint.Typing({ conversationId, userId, millis: 0 })])
        )

      const read = Effect.fn("Presence.read")(function* (userId: UserId, after?: string) {
        const none: PresenceAudience = { people: new Set(), conversations: new Set() }
        const audience = (yield* audiences.find([userId])).get(userId) ?? none
        return { snapshot: () => state.pageOf(audience, after), entries: () => state.entriesOf(audience) }
      })

      const follow = Effect.fn("Presence.follow")(function* (userId: UserId, stream: { wake(): void }) {
        // Added before the audience is read, so that a hint of a change meanwhile has it read again.
        const viewer = yield* Effect.acquireRelease(
          Effect.sync(() => state.addViewer(userId, () => stream.wake())),
          (viewer) => Effect.sync(() => state.removeViewer(viewer))
        )
        const answered = yield* Deferred.make<void, DatabaseUnavailable>()
        requestAudiences({ users: [userId], conversations: [], answered })
        yield* Deferred.await(answered)
        return {
          snapshot: () => state.snapshot(viewer),
          entries: () => state.entriesOf(viewer.user),
          takeChanges: () => state.takeChanges(viewer)
        }
      })

      return Presence.of({ setTyping, stopTyping, read, follow })
    })
  )
}
