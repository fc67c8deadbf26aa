import { Context, Effect, Layer, Queue, Schedule, Schema, Stream, type Scope } from "effect"
import { SqlClient, SqlSchema, type Statement } from "effect/sql"
import { UserId } from "../auth/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { Acquaintances } from "../friends/Friend.ts"
import { acquaintancesOf } from "../friends/FriendRows.ts"
import { logOf } from "../Log.ts"
import { ConversationId, ConversationSummary } from "../messaging/Conversation.ts"
import { summaryColumns } from "../messaging/SummaryRow.ts"
import type { DatabaseUnavailable } from "../Problem.ts"
import { ChangeBus, type Change } from "../streaming/ChangeBus.ts"
import { Horizon, type InboxVersion } from "./InboxVersion.ts"

const log = logOf("xfchat/inbox")

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
  /** How often the user's acquaintances have changed. */
  readonly revision: number
  /** Friends, requests and blocks, if the revision is another one, or all was asked for. */
  readonly acquaintances: Acquaintances | null
  /** A hash of which transactions wrote the conversations that changed; see {@link InboxVersion}. */
  readonly since: number
  /** The same of what is above the new horizon, and would be read again. */
  readonly above: number
}

/** Somebody who is told when there may be something new for them. */
export interface Listener {
  /** What they know: the conversations that are theirs, and their acquaintances. */
  readonly knows: (state: Pick<InboxState, "ids" | "revision">) => void
  /** Whether there may be something new since the last time that this was asked. */
  readonly takeNews: () => boolean
}

interface LiveListener extends Listener {
  readonly ids: () => ReadonlySet<ConversationId>
  readonly revision: () => number
  readonly tell: () => void
}

const makeListener = (stream: { wake(): void }): LiveListener => {
  let ids: ReadonlySet<ConversationId> = new Set()
  let revision = 0
  let hasNews = false
  return {
    ids: () => ids,
    revision: () => revision,
    knows: (state) => {
      ids = new Set(state.ids)
      revision = state.revision
    },
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
 * A user's conversations and acquaintances as state, not events: an update replaces an item, so one too many does no harm, and
 * nothing is written per recipient. What changed of conversations is told by the rows themselves: the transaction that wrote a
 * row is its `xmin`. Of acquaintances a revision tells, since what is behind them changes also without the user's seeing it.
 */
export class Inbox extends Context.Service<
  Inbox,
  {
    /** The whole picture, or what changed since. A horizon of another database is none of this one: whole. */
    readonly read: (
      user: UserId,
      since: Pick<InboxVersion, "horizon" | "revision"> | undefined
    ) => Effect.Effect<InboxState, DatabaseUnavailable>
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

      const oldest = 2_147_483_647
      // Rows and horizons are compared by their age in transactions: rows have 32 bits of their transaction's number, which
      // begin again. A horizon too old to have an age, or of another database, stands for none.
      const ageOf = (since: number | null) => sql`
        CASE WHEN ${since}::bigint BETWEEN pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 2000000000
            AND pg_snapshot_xmax(pg_current_snapshot())::text::bigint
          THEN age((${since}::bigint & 4294967295)::text::xid) ELSE ${oldest}::int END`

      /** A hash, as JSON's numbers hold it, of which transactions wrote what is not older. */
      const writtenWithin = (age: Statement.Fragment) => sql`
        (SELECT coalesce(hashtextextended(string_agg(conversation_id || ' ' || written, ',' ORDER BY conversation_id), 0), 0)
          & 9007199254740991 FROM mine WHERE mine.age <= ${age})`

      const find = SqlSchema.findOne({
        Request: Schema.Struct({
          user: UserId,
          since: Schema.NullOr(Horizon),
          revision: Schema.NullOr(Schema.Int)
        }),
        Result: Schema.Struct({
          horizon: Horizon,
          ids: Schema.Array(ConversationId),
          conversations: Schema.Array(ConversationSummary.json),
          revision: Schema.Int,
          acquaintances: Schema.NullOr(Acquaintances),
          since: Schema.Int,
          above: Schema.Int
        }),
        // By conversation_participants_user_id_idx and the primary keys of conversations and people_revisions.
        execute: ({ revision, since, user }) => sql`
          WITH snapshot AS (
            SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon, ${ageOf(since)} AS age,
              age(pg_snapshot_xmin(pg_current_snapshot())::xid) AS horizon_age
          ), mine AS (
            SELECT p.*, c.updated_at, least(age(p.xmin), age(c.xmin)) AS age, p.xmin || ' ' || c.xmin AS written
            FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id WHERE p.user_id = ${user}
          )
          SELECT snapshot.horizon,
            (SELECT coalesce(jsonb_agg(conversation_id ORDER BY updated_at DESC, conversation_id), '[]') FROM mine) AS ids,
            (SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s."lastActivityAt" DESC, s.id), '[]') FROM (
              SELECT ${columns} FROM mine p JOIN conversations c ON c.id = p.conversation_id
              WHERE p.age <= snapshot.age
            ) s) AS conversations,
            coalesce(known.revision, 0) AS revision,
            CASE WHEN snapshot.age = ${oldest} OR coalesce(known.revision, 0) <> ${revision}::bigint
              THEN ${acquaintancesOf(sql, user)} END AS acquaintances,
            ${writtenWithin(sql`snapshot.age`)} AS since, ${writtenWithin(sql`snapshot.horizon_age`)} AS above
          FROM snapshot LEFT JOIN people_revisions known ON known.user_id = ${user}`
      })

      const read = Effect.fn("Inbox.read")(
        (user: UserId, since: Pick<InboxVersion, "horizon" | "revision"> | undefined) =>
          find({ user, since: since?.horizon ?? null, revision: since?.revision ?? null }),
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
        Effect.catchTag("DatabaseUnavailable", () => log.warning("Inboxes are delayed"))
      )

      // By the primary key of people_revisions.
      const findRevisions = SqlSchema.findAll({
        Request: Schema.Array(UserId),
        Result: Schema.Struct({ user: UserId, revision: Schema.Int }),
        execute: (users) => sql`
          SELECT user_id AS "user", revision FROM people_revisions WHERE user_id = ANY(${users}::uuid[])`
      })

      /** Tells those whose acquaintances changed. Of what changed without their seeing it they are not told. */
      const tellPeople = Effect.fnUntraced(
        function* (users: ReadonlyArray<UserId>) {
          const listening = users.filter((user) => listeners.has(user))
          if (listening.length === 0) return
          for (const { revision, user } of yield* findRevisions(listening)) {
            for (const listener of listenersOf(user)) if (listener.revision() !== revision) listener.tell()
          }
        },
        catchDatabaseErrors,
        Effect.catchTag("DatabaseUnavailable", () => log.warning("Inboxes are delayed"))
      )

      // Hints that come while the last ones are looked up gather.
      const hinted = yield* Queue.unbounded<Change>()
      yield* bus.changes.pipe(
        Stream.runForEach((change) => (listeners.size === 0 ? Effect.void : Queue.offer(hinted, change))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* Queue.takeAll(hinted).pipe(
        Effect.flatMap((changes) => {
          const conversations = changes.flatMap((change) => (change._tag === "Log" ? [change.conversationId] : []))
          const people = changes.flatMap((change) => (change._tag === "Person" ? [change.userId] : []))
          return Effect.andThen(tellOf([...new Set(conversations)]), tellPeople([...new Set(people)]))
        }),
        Effect.forever,
        Effect.forkScoped
      )

      // By conversation_participants_user_id_idx and the primary keys of conversations and people_revisions.
      const findChanged = SqlSchema.findAll({
        Request: Schema.Struct({ users: Schema.Array(UserId), since: Schema.NullOr(Horizon) }),
        Result: Schema.Struct({
          user: UserId,
          count: Schema.Int,
          isChanged: Schema.Boolean,
          revision: Schema.Int,
          horizon: Horizon
        }),
        execute: ({ since, users }) => sql`
          SELECT u.id AS "user", mine.count, coalesce(mine."isChanged", false) AS "isChanged",
            coalesce(known.revision, 0) AS revision, pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon
          FROM unnest(${users}::uuid[]) AS u (id) LEFT JOIN people_revisions known ON known.user_id = u.id, LATERAL (
            SELECT count(*)::int AS count, bool_or(least(age(p.xmin), age(c.xmin)) <= ${ageOf(since)}) AS "isChanged"
            FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id WHERE p.user_id = u.id
          ) mine`
      })

      let swept: Horizon | undefined
      const sweep = Effect.gen(function* () {
        if (listeners.size === 0) return
        const rows = yield* findChanged({ users: [...listeners.keys()], since: swept ?? null })
        const found = new Map(rows.map((row) => [row.user, row]))
        for (const [user, ofUser] of listeners) {
          const row = found.get(user)
          for (const listener of ofUser) {
            const knowsAll = row?.count === listener.ids().size && row.revision === listener.revision()
            if (row?.isChanged === true || !knowsAll) listener.tell()
          }
        }
        swept = rows[0]?.horizon ?? swept
      }).pipe(
        catchDatabaseErrors,
        Effect.catchTag("DatabaseUnavailable", () => log.warning("The sweep of inboxes is delayed"))
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
