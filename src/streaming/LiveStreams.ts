import { Config, Context, Deferred, Duration, Effect, Exit, Layer, Random, Schedule, Schema, type Scope } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../auth/Account.ts"
import { SessionId, type CurrentSession } from "../auth/Session.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { ConversationId } from "../messaging/Conversation.ts"
import { RateLimited } from "../Problem.ts"

/** How often the right to listen is asked for again: a stream whose session or participation ended ends this soon. */
const reviewInterval = "500 millis"

/** Streams open at once. HTTP/1.1 browsers open six connections, so an honest session needs few. */
const mostOfSession = 32
const mostOfUser = 128

interface LiveStream {
  readonly session: CurrentSession["Service"]
  readonly conversationId: ConversationId
  readonly ended: Deferred.Deferred<void>
}

/** `STREAM_MAX_AGE`, an hour: streams end then, so that a deployment drains and clients spread over its processes. */
const maxAge = Config.Duration("STREAM_MAX_AGE").pipe(Config.withDefault(Duration.hours(1)))

const Review = Schema.Struct({
  sessions: Schema.Array(SessionId),
  conversations: Schema.Array(ConversationId),
  users: Schema.Array(UserId)
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
      conversationId: ConversationId
    ) => Effect.Effect<Effect.Effect<void>, RateLimited, Scope.Scope>
  }
>()("xfchat/streaming/LiveStreams") {
  static readonly layer = Layer.effect(
    LiveStreams,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const age = yield* maxAge
      const streams = new Set<LiveStream>()

      // By the primary keys of sessions and conversation_participants.
      const findEntitled = SqlSchema.findAll({
        Request: Review,
        Result: Schema.Struct({ sessionId: SessionId, conversationId: ConversationId }),
        execute: ({ conversations, sessions, users }) => sql`
          SELECT s.id AS "sessionId", p.conversation_id AS "conversationId"
          FROM unnest(${sessions}::uuid[], ${conversations}::uuid[], ${users}::uuid[]) AS i (session_id, conversation_id, user_id)
          JOIN sessions s ON s.id = i.session_id
          JOIN conversation_participants p ON p.conversation_id = i.conversation_id AND p.user_id = i.user_id`
      })

      const key = (sessionId: SessionId, conversationId: ConversationId) => `${sessionId} ${conversationId}`

      const review = Effect.gen(function* () {
        if (streams.size === 0) return
        const reviewed = [...streams]
        const entitled = yield* findEntitled({
          sessions: reviewed.map(({ session }) => session.id),
          conversations: reviewed.map(({ conversationId }) => conversationId),
          users: reviewed.map(({ session }) => session.userId)
        })
        const keys = new Set(entitled.map(({ conversationId, sessionId }) => key(sessionId, conversationId)))
        for (const { conversationId, ended, session } of reviewed) {
          if (!keys.has(key(session.id, conversationId))) Deferred.doneUnsafe(ended, Exit.void)
        }
      }).pipe(
        catchDatabaseErrors,
        // While the database is away nothing new can reach a stream either.
        Effect.catchTag("DatabaseUnavailable", () => Effect.logWarning("The review of streams is delayed"))
      )
      yield* review.pipe(Effect.repeat(Schedule.spaced(reviewInterval)), Effect.forkScoped)

      const count = (isCounted: (stream: LiveStream) => boolean) => [...streams].filter(isCounted).length

      const admit = Effect.fn("LiveStreams.admit")(function* (
        session: CurrentSession["Service"],
        conversationId: ConversationId
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
        return Effect.race(Deferred.await(stream.ended), Effect.sleep(Duration.times(age, jitter)))
      })

      return LiveStreams.of({ admit })
    })
  )
}
