import { Context, Effect, Layer, Queue, Schedule, Schema, Stream, type Scope } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../auth/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { ConversationId, ConversationSummary } from "../messaging/Conversation.ts"
import { summaryColumns } from "../messaging/SummaryRow.ts"
import type { DatabaseUnavailable } from "../Problem.ts"
import { ChangeBus } from "../streaming/ChangeBus.ts"
import { Horizon } from "./InboxItem.ts"

/** How long a lost hint can delay a change, at most. */
const sweepInterval = "5 seconds"

/** What a user's picture is, or how it changed. */
export interface InboxState {
  /** What to ask with next time. */
  readonly horizon: Horizon
  /** All that are the user's, the last active first. */
  readonly ids: ReadonlyArray<ConversationId>
  /** Those that changed, or all: the last active first. */
  readonly conversations: ReadonlyArray<typeof ConversationSummary.json.Type>
}

/** Somebody who is told when there may be something new for them. */
export interface Listener {
  /** The conversations that they know to be theirs. */
  readonly knows: (ids: ReadonlyArray<ConversationId>) => void
  /** Whether there may be something new since the last time that this was asked. */
  readonly takeNews: () => boolean
}

interface LiveListener extends Listener {
  readonly ids: () => ReadonlySet<ConversationId>
  readonly tell: () => void
}

const makeListener = (stream: { wake(): void }): LiveListener => {
  let ids: ReadonlySet<ConversationId> = new Set()
  let hasNews = false
  return {
    ids: () => ids,
    knows: (now) => void (ids = new Set(now)),
    tell: () => {
      hasNews = true
      stream.wake()
    },
    takeNews: () => {
      const had = hasNews
      hasNews = false
      return had
    }
  }
}

/**
 * A user's conversations as state, not events: an update replaces an item, so one too many does no harm, and nothing is
 * written per recipient. What changed is told by the rows themselves: the transaction that wrote a row is its `xmin`.
 */
export class Inbox extends Context.Service<
  Inbox,
  {
    /** The whole picture, or what changed since a horizon. One from another database is no horizon of this one: whole. */
    readonly read: (user: UserId, since: Horizon | undefined) => Effect.Effect<InboxState, DatabaseUnavailable>
    /** Listens for a user until the scope closes, and wakes a stream each time that there may be something new. */
    readonly follow: (user: UserId, stream: { wake(): void }) => Effect.Effect<Listener, never, Scope.Scope>
  }
>()("xfchat/inbox/Inbox") {
  static readonly layer = Layer.effect(
    Inbox,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus
      const columns = sql.literal(summaryColumns)
      const listeners = new Map<UserId, ReadonlySet<LiveListener>>()

      // Rows and horizons are compared by their age in transactions: rows have 32 bits of their transaction's number, which
      // begin again. A horizon too old to have an age, or of another database, stands for none.
      const ageOf = (since: number | null) => sql`
        CASE WHEN ${since}::bigint BETWEEN pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 2000000000
            AND pg_snapshot_xmax(pg_current_snapshot())::text::bigint
          THEN age((${since}::bigint & 4294967295)::text::xid) ELSE 2147483647 END`

      const find = SqlSchema.findOne({
        Request: Schema.Struct({ user: UserId, since: Schema.NullOr(Horizon) }),
        Result: Schema.Struct({
          horizon: Horizon,
          ids: Schema.Array(ConversationId),
          conversations: Schema.Array(ConversationSummary.json)
        }),
        // By conversation_participants_user_id_idx and the primary key of conversations.
        execute: ({ since, user }) => sql`
          WITH snapshot AS (
            SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon, ${ageOf(since)} AS age
          ), mine AS (
            SELECT p.*, c.updated_at, least(age(p.xmin), age(c.xmin)) AS age FROM conversation_participants p
            JOIN conversations c ON c.id = p.conversation_id WHERE p.user_id = ${user}
          )
          SELECT snapshot.horizon,
            (SELECT coalesce(jsonb_agg(conversation_id ORDER BY updated_at DESC), '[]') FROM mine) AS ids,
            (SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s."lastActivityAt" DESC, s.id), '[]') FROM (
              SELECT ${columns} FROM mine p JOIN conversations c ON c.id = p.conversation_id
              WHERE p.age <= snapshot.age
            ) s) AS conversations
          FROM snapshot`
      })

      const read = Effect.fn("Inbox.read")(
        (user: UserId, since: Horizon | undefined) => find({ user, since: since ?? null }),
        catchDatabaseErrors
      )

      const listenersOf = (user: UserId) => listeners.get(user) ?? new Set<LiveListener>()

      // By the primary key of conversation_participants.
      const findListening = SqlSchema.findAll({
        Request: Schema.Struct({ conversations: Schema.Array(ConversationId), users: Schema.Array(UserId) }),
        Result: Schema.Struct({ user: UserId }),
        execute: ({ conversations, users }) => sql`
          SELECT DISTINCT user_id AS "user" FROM conversation_participants
          WHERE conversation_id = ANY(${conversations}::uuid[]) AND user_id = ANY(${users}::uuid[])`
      })

      /** Tells those whose conversations changed: who takes part now, and who knows one as theirs, and may do so no more. */
      const tellOf = Effect.fnUntraced(
        function* (conversations: ReadonlyArray<ConversationId>) {
          if (listeners.size === 0 || conversations.length === 0) return
          const users = new Set(
            (yield* findListening({ conversations, users: [...listeners.keys()] })).map(({ user }) => user)
          )
          for (const [user, ofUser] of listeners) {
            for (const listener of ofUser) {
              if (users.has(user) || conversations.some((id) => listener.ids().has(id))) listener.tell()
            }
          }
        },
        catchDatabaseErrors,
        Effect.catchTag("DatabaseUnavailable", () => Effect.logWarning("Inboxes are delayed"))
      )

      // Hints that come while the last ones are looked up gather.
      const hinted = yield* Queue.unbounded<ConversationId>()
      yield* bus.changes.pipe(
        Stream.runForEach((change) =>
          change._tag !== "Log" || listeners.size === 0 ? Effect.void : Queue.offer(hinted, change.conversationId)
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* Queue.takeAll(hinted).pipe(
        Effect.flatMap((ids) => tellOf([...new Set(ids)])),
        Effect.forever,
        Effect.forkScoped
      )

      // By conversation_participants_user_id_idx and the primary key of conversations.
      const findChanged = SqlSchema.findAll({
        Request: Schema.Struct({ users: Schema.Array(UserId), since: Schema.NullOr(Horizon) }),
        Result: Schema.Struct({ user: UserId, count: Schema.Int, isChanged: Schema.Boolean, horizon: Horizon }),
        execute: ({ since, users }) => sql`
          SELECT p.user_id AS "user", count(*)::int AS count,
            pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,
            bool_or(least(age(p.xmin), age(c.xmin)) <= ${ageOf(since)}) AS "isChanged"
          FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id
          WHERE p.user_id = ANY(${users}::uuid[]) GROUP BY p.user_id`
      })

      let swept: Horizon | undefined
      const sweep = Effect.gen(function* () {
        if (listeners.size === 0) return
        const rows = yield* findChanged({ users: [...listeners.keys()], since: swept ?? null })
        const found = new Map(rows.map((row) => [row.user, row]))
        for (const [user, ofUser] of listeners) {
          const row = found.get(user)
          for (const listener of ofUser) {
            if (row?.isChanged === true || (row?.count ?? 0) !== listener.ids().size) listener.tell()
          }
        }
        swept = rows[0]?.horizon ?? swept
      }).pipe(
        catchDatabaseErrors,
        Effect.catchTag("DatabaseUnavailable", () => Effect.logWarning("The sweep of inboxes is delayed"))
      )
      yield* sweep.pipe(Effect.repeat(Schedule.spaced(sweepInterval)), Effect.forkScoped)
      yield* bus.missed.pipe(
        Stream.runForEach(() => sweep),
        Effect.forkScoped({ startImmediately: true })
      )

      const follow = Effect.fnUntraced(function* (user: UserId, stream: { wake(): void }) {
        return yield* Effect.acquireRelease(
          Effect.sync((): Listener => {
            const listener = makeListener(stream)
            listeners.set(user, new Set([...listenersOf(user), listener]))
            return listener
          }),
          (listener) =>
            Effect.sync(() => {
              const others = new Set([...listenersOf(user)].filter((other) => other !== listener))
              if (others.size === 0) listeners.delete(user)
              else listeners.set(user, others)
            })
        )
      })

      return Inbox.of({ read, follow })
    })
  )
}
