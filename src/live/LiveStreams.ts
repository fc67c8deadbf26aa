import {
  Context,
  DateTime,
  Duration,
  Effect,
  Layer,
  PubSub,
  Random,
  Schedule,
  Schema,
  Stream,
  type Scope
} from "effect"
import { SqlClient } from "effect/sql"
import type { UserId } from "../contract/Account.ts"
import type { Caller, SessionId } from "../contract/Session.ts"
import { Configuration } from "../platform/Configuration.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { elapsedMillis } from "../platform/Clock.ts"
import { logOf } from "../platform/Log.ts"
import type { ConversationId } from "../contract/Conversation.ts"
import * as Metrics from "../platform/Metrics.ts"
import { RateLimited } from "../contract/Problem.ts"
import { Usage } from "../usage/Usage.ts"
import { Draining } from "./Draining.ts"
import { LiveStream } from "./LiveStream.ts"

const log = logOf("xfchat/live")

/** How often sessions and participations are checked again, so how soon a stream ends after its own has ended. */
const reviewInterval = "500 millis"

/** How precisely streams keep their times. */
const tickInterval = "100 millis"

/** Streams open at once. HTTP/1.1 browsers open six connections, so an honest session needs few. */
const mostOfSession = 32
const mostOfUser = 128

const decodeEnded = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ place: Schema.Int })))

/**
 * The open streams of this process. Sessions and users may have so many, for so long. The database is asked again and again,
 * for all streams at once, so that a session that was revoked anywhere ends everywhere.
 */
export class LiveStreams extends Context.Service<
  LiveStreams,
  {
    /** Opens a stream until its scope closes. It is over when the session, the participation or the server ends. */
    readonly admit: (
      session: Caller,
      conversationId: ConversationId | undefined
    ) => Effect.Effect<LiveStream, RateLimited, Scope.Scope>
    /** Whether a user has a stream in this process. */
    readonly hasStream: (userId: UserId) => boolean
    /** The users whose first stream opens from now on, or whose last one closes. */
    readonly presenceChanges: Stream.Stream<UserId>
  }
>()("xfchat/live/LiveStreams") {
  static readonly layer = Layer.effect(
    LiveStreams,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const draining = yield* Draining
      const usage = yield* Usage
      // Streams have a maximum age, so that a deployment drains and clients spread over its processes.
      const maxAge = Duration.toMillis(yield* Configuration.streamMaxAge)
      const streams = new Set<LiveStream>()
      // The number of streams of each session and each user.
      const counts = new Map<SessionId | UserId, number>()
      // How many each user has that are not over. A client that reads nothing keeps one open that is.
      const present = new Map<UserId, number>()
      let isDraining = false
      yield* Metrics.observe(Metrics.openStreams, () => streams.size)

      const presenceChanges = yield* PubSub.unbounded<UserId>()

      const addTo = <Id>(numbers: Map<Id, number>, id: Id, more: number): number => {
        const sum = (numbers.get(id) ?? 0) + more
        if (sum === 0) numbers.delete(id)
        else numbers.set(id, sum)
        return sum
      }
      const count = (id: SessionId | UserId, more: number) => addTo(counts, id, more)
      const leave = (userId: UserId) => {
        if (addTo(present, userId, -1) === 0) PubSub.publishUnsafe(presenceChanges, userId)
      }

      // By the primary keys of sessions and conversation_participants. Returns the streams that end: most often none. With an
      // OFFSET, PostgreSQL looks each one up, however many there are; without it, it would hash the whole tables.
      const findEnded = (reviewed: ReadonlyArray<LiveStream>, now: DateTime.Utc) =>
        Effect.flatMap(
          sql`
            SELECT i.place::int FROM unnest(
              ${reviewed.map(({ session }) => session.id)}::uuid[],
              ${reviewed.map(({ conversationId }) => conversationId ?? "")}::text[],
              ${reviewed.map(({ session }) => session.userId)}::uuid[]
            ) WITH ORDINALITY AS i (session_id, conversation_id, user_id, place)
            WHERE NOT EXISTS (
              SELECT FROM sessions WHERE id = i.session_id AND expires_at > ${DateTime.toDateUtc(now)} OFFSET 0)
            OR i.conversation_id <> '' AND NOT EXISTS (
              SELECT FROM conversation_participants
              WHERE conversation_id = i.conversation_id::uuid AND user_id = i.user_id OFFSET 0)`,
          decodeEnded
        )

      const review = Effect.gen(function* () {
        if (streams.size === 0) return
        const reviewed = [...streams]
        for (const { place } of yield* findEnded(reviewed, yield* DateTime.now)) reviewed[place - 1]?.end()
      }).pipe(
        catchDatabaseErrors,
        // While the database is away, nothing new reaches a stream either.
        Effect.catchTag("DatabaseUnavailable", () => log.warning("The review of streams is delayed")),
        Effect.catchDefect((defect) => log.error("The streams cannot be reviewed", defect))
      )
      yield* review.pipe(Effect.repeat(Schedule.spaced(reviewInterval)), Effect.forkScoped)

      const tick = Effect.map(elapsedMillis, (now) => streams.forEach((stream) => stream.tick(now)))
      yield* tick.pipe(Effect.repeat(Schedule.spaced(tickInterval)), Effect.forkScoped)

      yield* draining.begun.pipe(
        Effect.andThen(
          Effect.sync(() => {
            isDraining = true
            streams.forEach((stream) => stream.end())
          })
        ),
        Effect.forkScoped({ startImmediately: true })
      )

      const admit = Effect.fnUntraced(function* (session: Caller, conversationId: ConversationId | undefined) {
        if ((counts.get(session.id) ?? 0) >= mostOfSession || (counts.get(session.userId) ?? 0) >= mostOfUser) {
          return yield* new RateLimited({
            detail: `A session has at most ${mostOfSession} streams, a user ${mostOfUser}.`
          })
        }
        yield* usage.stream(session.userId)
        const now = yield* elapsedMillis
        // Random, so that streams that were opened together, by clients that reconnected together, do not end together.
        const endsAt = now + maxAge * (yield* Random.nextBetween(0.9, 1.1))
        return yield* Effect.acquireRelease(
          Effect.sync(() => {
            const stream = new LiveStream(session, conversationId, { now, endsAt }, () => leave(session.userId))
            streams.add(stream)
            count(session.id, 1)
            count(session.userId, 1)
            if (addTo(present, session.userId, 1) === 1) PubSub.publishUnsafe(presenceChanges, session.userId)
            if (isDraining) stream.end()
            return stream
          }),
          (stream) =>
            Effect.sync(() => {
              streams.delete(stream)
              count(session.id, -1)
              count(session.userId, -1)
              stream.end()
            })
        )
      })

      return LiveStreams.of({
        admit,
        hasStream: (userId) => present.has(userId),
        presenceChanges: Stream.fromPubSub(presenceChanges)
      })
    })
  )
}
