import {
  Context,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Exit,
  Layer,
  Random,
  Schedule,
  Schema,
  type Scope
} from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../auth/Account.ts"
import { SessionId, type CurrentSession } from "../auth/Session.ts"
import * as Configuration from "../Configuration.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import type { ConversationId } from "../messaging/Conversation.ts"
import { RateLimited } from "../Problem.ts"

/** How often the right to listen is asked for again: a stream whose session or participation ended ends this soon. */
const reviewInterval = "500 millis"

/** Streams open at once. HTTP/1.1 browsers open six connections, so an honest session needs few. */
const mostOfSession = 32
const mostOfUser = 128

interface LiveStream {
  readonly session: CurrentSession["Service"]
  /** `undefined` for a stream of the user's own. */
  readonly conversationId: ConversationId | undefined
  readonly ended: Deferred.Deferred<void>
}

const Review = Schema.Struct({
  sessions: Schema.Array(SessionId),
  /** Empty for none. */
  conversations: Schema.Array(Schema.String),
  users: Schema.Array(UserId),
  now: Schema.DateTimeUtcFromDate
})

/**
 * The streams that are open in this process: how many each may have, and for how long. The database decides, again and
 * again for all at once, so that a session that was revoked anywhere ends everywhere.
 */
export class LiveStreams extends Context.Service<
  LiveStreams,
  {
    /** Counts a stream in until its scope closes, and gives an effect that waits until it must end. */
    readonly admit: (
      session: CurrentSession["Service"],
      conversationId: ConversationId | undefined
    ) => Effect.Effect<Effect.Effect<void>, RateLimited, Scope.Scope>
  }
>()("xfchat/streaming/LiveStreams") {
  static readonly layer = Layer.effect(
    LiveStreams,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      // Streams end then, so that a deployment drains and clients spread over its processes.
      const maxAge = yield* Configuration.streamMaxAge
      const streams = new Set<LiveStream>()

      // By the primary keys of sessions and conversation_participants.
      const findEntitled = SqlSchema.findAll({
        Request: Review,
        Result: Schema.Struct({ place: Schema.Int }),
        execute: ({ conversations, now, sessions, users }) => sql`
          SELECT i.place::int FROM unnest(${sessions}::uuid[], ${conversations}::text[], ${users}::uuid[])
            WITH ORDINALITY AS i (session_id, conversation_id, user_id, place)
          JOIN sessions s ON s.id = i.session_id AND s.expires_at > ${now}
          WHERE i.conversation_id = '' OR EXISTS (
            SELECT FROM conversation_participants
            WHERE conversation_id = i.conversation_id::uuid AND user_id = i.user_id)`
      })

      const review = Effect.gen(function* () {
        if (streams.size === 0) return
        const reviewed = [...streams]
        const entitled = yield* findEntitled({
          sessions: reviewed.map(({ session }) => session.id),
          conversations: reviewed.map(({ conversationId }) => conversationId ?? ""),
          users: reviewed.map(({ session }) => session.userId),
          now: yield* DateTime.now
        })
        const places = new Set(entitled.map(({ place }) => place))
        reviewed.forEach(({ ended }, index) => {
          if (!places.has(index + 1)) Deferred.doneUnsafe(ended, Exit.void)
        })
      }).pipe(
        catchDatabaseErrors,
        // While the database is away nothing new can reach a stream either.
        Effect.catchTag("DatabaseUnavailable", () => Effect.logWarning("The review of streams is delayed"))
      )
      yield* review.pipe(Effect.repeat(Schedule.spaced(reviewInterval)), Effect.forkScoped)

      const count = (isCounted: (stream: LiveStream) => boolean) => [...streams].filter(isCounted).length

      const admit = Effect.fn("LiveStreams.admit")(function* (
        session: CurrentSession["Service"],
        conversationId: ConversationId | undefined
      ) {
        if (
          count((stream) => stream.session.id === session.id) >= mostOfSession ||
          count((stream) => stream.session.userId === session.userId) >= mostOfUser
        ) {
          return yield* new RateLimited({
            detail: `A session has at most ${mostOfSession} streams, a user ${mostOfUser}.`
          })
        }
        const stream = { session, conversationId, ended: Deferred.makeUnsafe<void>() }
        yield* Effect.acquireRelease(
          Effect.sync(() => streams.add(stream)),
          () => Effect.sync(() => streams.delete(stream))
        )
        // Streams that were opened together, by clients that reconnected together, do not end together.
        const jitter = yield* Random.nextBetween(0.9, 1.1)
        return Effect.race(Deferred.await(stream.ended), Effect.sleep(Duration.times(maxAge, jitter)))
      })

      return LiveStreams.of({ admit })
    })
  )
}
