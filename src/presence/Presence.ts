import {
  Array as Arrays,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Layer,
  Queue,
  Schedule,
  Stream,
  type Scope
} from "effect"
import type { UserId } from "../contract/Account.ts"
import * as Configuration from "../platform/Configuration.ts"
import { elapsedMillis } from "../platform/Clock.ts"
import { logOf } from "../platform/Log.ts"
import type { ConversationId } from "../contract/Conversation.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { ChangeHint, ChangeBus } from "../changes/ChangeBus.ts"
import { LiveStreams } from "../live/LiveStreams.ts"
import { PresenceState } from "./PresenceState.ts"
import { PresenceAudiences } from "./PresenceAudiences.ts"
import type { PresencePage } from "../contract/PresencePage.ts"

const log = logOf("xfchat/presence")

/** How long somebody types, unless they say so again. */
const typingTime = 6_000

/** Who says again that they type is not repeated, nor asked for their right to, within this time. */
const typingPause = 1_000

/** How late at most it shows that something has run out. */
const tickInterval = Duration.millis(500)

/** Who may see whom is read again when something changes it, and after this time: in case nobody told. */
const circleAge = 60_000

/** Circles read in one statement. */
const circlesAtOnce = 256

/** Who looks on from one device. */
export interface Onlooker {
  /** All that there is to see now. */
  readonly whole: () => PresencePage
  /** What changed since it was looked at last; `undefined` when nothing did. */
  readonly changes: () => PresencePage | undefined
}

interface Ask {
  readonly users: ReadonlyArray<UserId>
  readonly conversations: ReadonlyArray<ConversationId>
  readonly answered?: Deferred.Deferred<void, DatabaseUnavailable>
}

/**
 * Who is here and who types, in the memory of each process, never stored. All of it are leases that processes tell each
 * other by the bus, and that run out unless they are renewed: a lost hint, and a process that dies, is made up for.
 *
 * Somebody is here while any process has a stream of theirs, which renews their lease, and for a grace time afterwards, so
 * that who reconnects does not flicker. A process that starts, or that has lost the bus, asks the others to renew theirs.
 *
 * What is shown is wrong at most until the next renewal (20 seconds) when it was not heard that somebody has come, for a
 * lease (50 seconds) when it was not heard that they have gone, and for a minute when not that who sees whom has changed.
 */
export class Presence extends Context.Service<
  Presence,
  {
    /**
     * Says that somebody types, for the next six seconds, or has stopped. `authorize` fails for a person who may not: it is
     * not asked again within a second of their last word.
     */
    readonly type: <E>(
      caller: UserId,
      conversationId: ConversationId,
      isTyping: boolean,
      authorize: Effect.Effect<unknown, E>
    ) => Effect.Effect<void, E>
    /** Somebody types no more, as when their message is there. */
    readonly stopTyping: (userId: UserId, conversationId: ConversationId) => Effect.Effect<void>
    /** What somebody may see of others. */
    readonly read: (userId: UserId) => Effect.Effect<PresencePage, DatabaseUnavailable>
    /** Looks on for somebody until the scope closes, and wakes a stream whenever something has changed for them. */
    readonly follow: (
      userId: UserId,
      stream: { wake(): void }
    ) => Effect.Effect<Onlooker, DatabaseUnavailable, Scope.Scope>
  }
>()("xfchat/presence/Presence") {
  static readonly layer = Layer.effect(
    Presence,
    Effect.gen(function* () {
      const bus = yield* ChangeBus
      const circles = yield* PresenceAudiences
      const liveStreams = yield* LiveStreams
      // Two renewals may be lost: only the third comes too late.
      const lease = Duration.toMillis(yield* Configuration.presenceLease)
      const renewal = Duration.millis(0.4 * lease)
      const grace = Math.ceil(0.3 * lease)
      const board = new PresenceState()

      // Those whose leases this process renews.
      const ours = new Set<UserId>()

      const here = (userId: UserId) => ChangeHint.Presence({ userId, millis: lease })
      const leaving = (userId: UserId) => ChangeHint.Presence({ userId, millis: grace })
      const renew = Effect.suspend(() => bus.publish([...ours].map(here)))
      // When all else has ended: the others take those who were here for reconnecting.
      yield* Effect.addFinalizer(() => bus.publish([...ours].map(leaving)))

      // Who asks while circles are read is answered by the next statement, together with all who asked meanwhile.
      const asked = yield* Queue.unbounded<Ask>()

      const readCircles = Effect.fnUntraced(function* (asks: ReadonlyArray<Ask>) {
        const users = new Set(asks.flatMap((ask) => ask.users))
        const conversations = [...new Set(asks.flatMap((ask) => ask.conversations))]
        if (conversations.length > 0) {
          // Those who took part, as far as is known, and those who do.
          for (const id of conversations) for (const user of board.viewersOf(id)) users.add(user)
          for (const user of yield* circles.participants(conversations, board.viewers())) users.add(user)
        }
        for (const chunk of Arrays.chunksOf(users, circlesAtOnce)) {
          const found = yield* circles.of(chunk)
          const now = yield* elapsedMillis
          for (const [userId, circle] of found) board.setCircle(userId, circle, now)
        }
      })

      const answer = Effect.fnUntraced(function* (asks: ReadonlyArray<Ask>) {
        const exit = yield* Effect.exit(readCircles(asks))
        for (const { answered } of asks) if (answered !== undefined) Deferred.doneUnsafe(answered, exit)
        if (Exit.hasDies(exit)) yield* log.error("Who may see whom cannot be read", exit)
        else if (Exit.isFailure(exit)) yield* log.warning("Changes of who may see whom are delayed")
      })
      yield* Queue.takeAll(asked).pipe(Effect.flatMap(answer), Effect.forever, Effect.forkScoped)

      const hear = Effect.fnUntraced(function* (change: ChangeHint) {
        const now = yield* elapsedMillis
        switch (change._tag) {
          case "Presence":
            board.setHere(change.userId, now + change.millis, now)
            // Where their last stream has closed it is not known that they have one here.
            if (change.millis < lease && ours.has(change.userId)) yield* bus.publish([here(change.userId)])
            break
          case "Typing":
            board.setTyping(change.conversationId, change.userId, now + change.millis, now)
            break
          case "RollCall":
            yield* renew
            break
          case "Person":
            if (board.hasViewers) Queue.offerUnsafe(asked, { users: [change.userId], conversations: [] })
            break
          case "Participation":
            if (board.hasViewers) Queue.offerUnsafe(asked, { users: [], conversations: [change.conversationId] })
            break
        }
      })
      yield* bus.changes.pipe(
        Stream.runForEach((change) => (change._tag === "Log" ? Effect.void : hear(change))),
        Effect.forkScoped({ startImmediately: true })
      )

      const turnOver = (userId: UserId) => {
        // As it is by now: they may have come and gone meanwhile.
        const isHere = liveStreams.hasStream(userId)
        if (isHere) ours.add(userId)
        else ours.delete(userId)
        return bus.publish([isHere ? here(userId) : leaving(userId)])
      }
      yield* liveStreams.presenceChanges.pipe(
        Stream.runForEach(turnOver),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* renew.pipe(Effect.repeat(Schedule.spaced(renewal)), Effect.forkScoped)

      const tick = Effect.map(elapsedMillis, (now) => {
        board.tick(now)
        const users = board.viewersReadBefore(now - circleAge)
        if (users.length > 0) Queue.offerUnsafe(asked, { users, conversations: [] })
      })
      yield* tick.pipe(Effect.repeat(Schedule.spaced(tickInterval)), Effect.forkScoped)

      const callRoll = bus.publish([ChangeHint.RollCall()])
      yield* bus.missed.pipe(
        Stream.runForEach(() => callRoll),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* callRoll

      const type = Effect.fn("Presence.type")(function* <E>(
        caller: UserId,
        conversationId: ConversationId,
        isTyping: boolean,
        authorize: Effect.Effect<unknown, E>
      ) {
        const until = board.typesUntil(conversationId, caller)
        const now = yield* elapsedMillis
        if (isTyping && until !== undefined && until > now + typingTime - typingPause) return
        yield* authorize
        if (isTyping) yield* bus.publish([ChangeHint.Typing({ conversationId, userId: caller, millis: typingTime })])
        else yield* stopTyping(caller, conversationId)
      })

      const stopTyping = (userId: UserId, conversationId: ConversationId) =>
        Effect.suspend(() =>
          board.typesUntil(conversationId, userId) === undefined
            ? Effect.void
            : bus.publish([ChangeHint.Typing({ conversationId, userId, millis: 0 })])
        )

      const read = Effect.fn("Presence.read")(function* (userId: UserId) {
        const circle = (yield* circles.of([userId])).get(userId)
        return board.snapshot(circle ?? { people: new Set(), conversations: new Set() })
      })

      const follow = Effect.fn("Presence.follow")(function* (userId: UserId, stream: { wake(): void }) {
        // Before the circle is read: what changes it meanwhile is heard of, and read after.
        const look = yield* Effect.acquireRelease(
          Effect.sync(() => board.addViewer(userId, () => stream.wake())),
          (look) => Effect.sync(() => board.unwatch(look))
        )
        const answered = yield* Deferred.make<void, DatabaseUnavailable>()
        Queue.offerUnsafe(asked, { users: [userId], conversations: [], answered })
        yield* Deferred.await(answered)
        return { whole: () => board.whole(look), changes: () => board.changes(look) }
      })

      return Presence.of({ type, stopTyping, read, follow })
    })
  )
}
