import { Context, Effect, Layer, Schema, type Scope } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { currentIncarnation, Incarnation } from "../contract/Incarnation.ts"
import { maxInboxBytes, maxInboxConversations } from "../contract/InboxPage.ts"
import type { PageCursor } from "../contract/Paging.ts"
import { PeopleLists } from "../contract/Friend.ts"
import { peopleListsOf } from "../friends/FriendRows.ts"
import { logOf } from "../platform/Log.ts"
import { ConversationId, ConversationSummary } from "../contract/Conversation.ts"
import { lastActivity, summaryColumns, unreadJoin } from "../conversations/SummaryRow.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import type { ChangeHint } from "../changes/ChangeBus.ts"
import { followChanges, makeBacklog } from "../changes/Follower.ts"
import { isBlockBetween } from "../people/PairRow.ts"
import { Horizon, mostSeen, snapshots, writerOf } from "./Horizon.ts"
import type { InboxVersion } from "./InboxVersion.ts"
import { greatestDigest, isInCopy, updateDigests, type ItemDigests } from "./ItemDigests.ts"

const log = logOf("xfchat/inbox")

/** How long a lost hint can delay a change, at most. */
const sweepInterval = "5 seconds"

/** How long receipts of others gather: those of a conversation come at once, and most change nothing that a list shows. */
const receiptsGatherTime = "500 millis"

/** A user's whole inbox, or what changed in it. */
export interface InboxState {
  /** Whether everything was read, since there was no horizon, or one of another incarnation. */
  readonly isWhole: boolean
  /** The start of the next read. */
  readonly incarnation: Incarnation
  readonly horizon: Horizon
  /** How many conversations the user has. */
  readonly count: number
  /** The last one that the inbox shows, if there are others. */
  readonly last: PageCursor | null
  /** Those that the inbox shows, the last active first. */
  readonly ids: ReadonlyArray<ConversationId>
  /** The conversations that changed, or the last active ones, the last active first. */
  readonly conversations: ReadonlyArray<typeof ConversationSummary.json.Type>
  /** Where the list of conversations continues; `null` where `conversations` are all. Only of a whole inbox. */
  readonly next: PageCursor | null
  /** How often the user's friends, requests and blocks have changed. */
  readonly revision: number
  /** Friends, requests and blocks, if the revision differs or the whole inbox is read. */
  readonly acquaintances: PeopleLists | null
  /** The transactions that the next read could mistake for new ones; see {@link Horizon}. */
  readonly seen: ReadonlyArray<number>
  /** The digests of all items that the next read could find unchanged, and must not send. */
  readonly digests: ItemDigests
}

/** The end of a stream that is woken when its inbox may have changed. */
class Listener {
  /** The conversations, how many the user has, and the revision of the people lists, as the stream knows them. */
  ids: ReadonlySet<ConversationId> = new Set()
  count = 0
  revision = 0
  private readonly stream: { wake(): void }
  private isWoken = false

  constructor(stream: { wake(): void }) {
    this.stream = stream
  }

  /** Notes the state that the stream has. */
  acknowledge(state: Pick<InboxState, "count" | "ids" | "revision">): void {
    this.ids = new Set(state.ids)
    this.count = state.count
    this.revision = state.revision
  }

  wake(): void {
    this.isWoken = true
    this.stream.wake()
  }

  /** Whether the inbox may have changed since the last call. */
  consumeWakeUp(): boolean {
    const { isWoken } = this
    this.isWoken = false
    return isWoken
  }
}

/** The part of a copy's version that decides what is read for it. */
export type Known = Pick<InboxVersion, "incarnation" | "horizon" | "last" | "revision" | "seen" | "digests">

/**
 * A user's conversations, friends, requests and blocks as state, not events: an update replaces an item, so a superfluous one
 * does no harm, and nothing is written per recipient. The transactions that wrote the rows of a conversation show whether it has
 * changed since a {@link Horizon}. The lists of people have a revision, since their rows also change when the user must not notice.
 */
export class Inbox extends Context.Service<
  Inbox,
  {
    /** The whole inbox, or the changes since a version. A version of another incarnation gives the whole inbox. */
    readonly read: (user: UserId, since: Known | undefined) => Effect.Effect<InboxState, DatabaseUnavailable>
    /** Listens for a user until the scope closes, and wakes a stream each time that the inbox may have changed. */
    readonly follow: (user: UserId, stream: { wake(): void }) => Effect.Effect<Listener, never, Scope.Scope>
  }
>()("xfchat/inbox/Inbox") {
  static readonly layer = Layer.effect(
    Inbox,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const columns = sql.literal(summaryColumns)
      const listeners = new Map<UserId, ReadonlySet<Listener>>()

      // The transactions that wrote a conversation's item: a number for each of its rows.
      const writers = sql`ARRAY[${writerOf(sql, "p")}, ${writerOf(sql, "c")}, (
        SELECT ${writerOf(sql, "r")} FROM conversation_revisions r WHERE r.conversation_id = p.conversation_id)]`

      // A higher revision says that a profile or receipt in the item may have changed. The rows of the people whose names and
      // receipts this user sees show whether it has: by the primary keys.
      const isRevised = sql`EXISTS (
          SELECT FROM jsonb_array_elements(s.participants
            || jsonb_build_array(s.other, s."lastMessage"->'sender', s."lastMessage"->'subject')) person
          WHERE EXISTS (
            SELECT FROM users u
            WHERE u.id = (person->>'id')::uuid AND ${writerOf(sql, "u")} >= threshold.transaction OFFSET 0)
        ) OR (s."lastMessage"->'isDelivered')::boolean AND EXISTS (
          SELECT FROM conversation_participants o
          WHERE o.conversation_id = s.id AND ${writerOf(sql, "o")} >= threshold.transaction AND o.user_id <> p.user_id
            AND NOT ${sql.literal(isBlockBetween("p.user_id", "o.user_id"))}
          OFFSET 0)`

      // By the primary keys of blocks and conversation_participants.
      const hasBlocked = sql`EXISTS (
          SELECT FROM blocks b JOIN conversation_participants o ON o.user_id = b.blocked_id
          WHERE b.blocker_id = p.user_id AND o.conversation_id = p.conversation_id)`

      const isUnseen = (writer: string) =>
        sql.literal(`(${writer} >= threshold.transaction AND ${writer} <> ALL (threshold.seen))`)

      // By conversation_participants_user_id_idx and the primary keys of conversations, their revisions and people_revisions.
      const find = SqlSchema.findOne({
        Request: Schema.Struct({
          user: UserId,
          since: Schema.UndefinedOr(Horizon),
          incarnation: Schema.UndefinedOr(Incarnation),
          seen: Schema.Array(Schema.Int),
          last: Schema.NullOr(Schema.Struct({ before: Schema.DateTimeUtcFromDate, id: Schema.String })),
          revision: Schema.Int
        }),
        Result: Schema.Struct({
          isWhole: Schema.Boolean,
          incarnation: Incarnation,
          next: Horizon.fields.next,
          running: Horizon.fields.running,
          count: Schema.Int,
          ids: Schema.Array(ConversationId),
          lastActivityAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
          found: Schema.Int,
          items: Schema.Array(
            Schema.Struct({
              id: ConversationId,
              item: Schema.NullOr(ConversationSummary.json),
              digest: Schema.NullOr(Schema.Int)
            })
          ),
          revision: Schema.Int,
          acquaintances: Schema.NullOr(PeopleLists),
          seen: Schema.Array(Schema.Int)
        }),
        execute: ({ incarnation, last, revision, seen, since, user }) => sql`
          WITH ${snapshots(sql, since, incarnation)}, mine AS MATERIALIZED (
            SELECT p.*, ${sql.literal(lastActivity)} AS updated_at, w.writers
            FROM now, conversation_participants p JOIN conversations c ON c.id = p.conversation_id,
              LATERAL (SELECT ${writers} AS writers) w
            WHERE p.user_id = ${user}
          ), threshold AS MATERIALIZED (
            SELECT threshold AS transaction, ${seen.map(BigInt)}::bigint[] AS seen FROM since
          ), listed AS MATERIALIZED (
            SELECT * FROM mine ORDER BY updated_at DESC, conversation_id DESC LIMIT ${maxInboxConversations}
          ), items AS MATERIALIZED (
            SELECT id, item, digest, row_number() OVER latest AS place,
              sum(octet_length(item::text)) OVER latest - octet_length(item::text) < ${maxInboxBytes} AS "isSent"
            FROM (
              SELECT s.id, to_jsonb(s) AS item, s."lastActivityAt" AS time, CASE WHEN ${hasBlocked}
                THEN hashtextextended(to_jsonb(s)::text, 0) & ${greatestDigest}::bigint END AS digest
              FROM now, threshold, listed p CROSS JOIN LATERAL (
                SELECT ${columns} FROM conversations c ${sql.literal(unreadJoin)} WHERE c.id = p.conversation_id OFFSET 0
              ) s
              WHERE threshold.transaction IS NULL OR ${isUnseen("p.writers[1]")} OR ${isUnseen("p.writers[2]")}
                OR (${isUnseen("p.writers[3]")} AND ${isRevised})
                OR (p.updated_at, p.conversation_id) < (${last?.before ?? null}::timestamptz, ${last?.id ?? null}::uuid)
            ) s WINDOW latest AS (ORDER BY time DESC, id DESC)
          )
          SELECT threshold.transaction IS NULL AS "isWhole", ${sql.literal(currentIncarnation)} AS incarnation, now.next, now.running,
            (SELECT count(*)::int FROM mine) AS count,
            (SELECT coalesce(jsonb_agg(conversation_id ORDER BY updated_at DESC, conversation_id DESC), '[]') FROM listed) AS ids,
            (SELECT min(updated_at) FROM listed) AS "lastActivityAt",
            (SELECT count(*)::int FROM items) AS found,
            (SELECT coalesce(jsonb_agg(jsonb_build_object(
                'id', id, 'item', CASE WHEN "isSent" THEN item END, 'digest', digest) ORDER BY place), '[]')
              FROM items WHERE "isSent" OR digest IS NOT NULL) AS items,
            coalesce(known.revision, 0) AS revision,
            CASE WHEN threshold.transaction IS NULL OR coalesce(known.revision, 0) <> ${revision}::bigint
              THEN ${peopleListsOf(sql, user)} END AS acquaintances,
            ARRAY(
              SELECT DISTINCT writer FROM mine, unnest(mine.writers) AS writer
              WHERE writer > now.running[1] AND writer < now.next ORDER BY writer DESC LIMIT ${mostSeen}) AS seen
          FROM now, threshold LEFT JOIN people_revisions known ON known.user_id = ${user}`
      })

      const read = Effect.fn("Inbox.read")(function* (user: UserId, since: Known | undefined) {
        const findSince = (since: Known | undefined) =>
          find({
            user,
            since: since?.horizon,
            incarnation: since?.incarnation,
            seen: since?.seen ?? [],
            last: since?.last ?? null,
            revision: since?.revision ?? 0
          })
        const sentOf = ({ items }: typeof found) => items.flatMap(({ item }) => (item === null ? [] : [item]))
        let found = yield* findSince(since)
        // More has changed than an update may hold.
        if (!found.isWhole && sentOf(found).length < found.found) found = yield* findSince(undefined)

        const { items, lastActivityAt, next, running, ...state } = found
        const lastId = found.ids.length < found.count ? found.ids.at(-1) : undefined
        const known: ItemDigests = found.isWhole || since === undefined ? new Map() : since.digests
        const sent = sentOf(found)
        const last = sent.at(-1)
        return {
          ...state,
          horizon: { next, running },
          last: lastId === undefined || lastActivityAt === null ? null : { before: lastActivityAt, id: lastId },
          conversations: sentOf({ ...found, items: items.filter((row) => !isInCopy(known, row)) }),
          next: last !== undefined && sent.length < found.count ? { before: last.lastActivityAt, id: last.id } : null,
          digests: updateDigests(known, items, found.ids)
        }
      }, catchDatabaseErrors)

      const listenersOf = (user: UserId) => listeners.get(user) ?? new Set<Listener>()

      // By the primary key of conversation_participants.
      const findListening = SqlSchema.findAll({
        Request: Schema.Struct({ conversations: Schema.Array(ConversationId), users: Schema.Array(UserId) }),
        Result: Schema.Struct({ user: UserId }),
        execute: ({ conversations, users }) => sql`
          SELECT DISTINCT user_id AS "user" FROM conversation_participants
          WHERE conversation_id = ANY(${conversations}::uuid[]) AND user_id = ANY(${users}::uuid[])`
      })

      /** Wakes the listeners of conversations: of their participants, and of people whose copies have them and who may have left. */
      const wakeConversations = Effect.fnUntraced(
        function* (conversations: ReadonlyArray<ConversationId>) {
          if (listeners.size === 0 || conversations.length === 0) return
          const users = new Set(
            (yield* findListening({ conversations, users: [...listeners.keys()] })).map(({ user }) => user)
          )
          for (const [user, ofUser] of listeners) {
            for (const listener of ofUser) {
              if (users.has(user) || conversations.some((id) => listener.ids.has(id))) listener.wake()
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

      /** Wakes the listeners whose lists of people have changed visibly. */
      const wakePeople = Effect.fnUntraced(
        function* (users: ReadonlyArray<UserId>) {
          const listening = users.filter((user) => listeners.has(user))
          if (listening.length === 0) return
          for (const { revision, user } of yield* findRevisions(listening)) {
            for (const listener of listenersOf(user)) if (listener.revision !== revision) listener.wake()
          }
        },
        catchDatabaseErrors,
        Effect.catchTag("DatabaseUnavailable", () => log.warning("Inboxes are delayed"))
      )

      const lookUp = yield* makeBacklog<ChangeHint>((changes) => {
        const conversations = changes.flatMap((change) => (change._tag === "Log" ? [change.conversationId] : []))
        const people = changes.flatMap((change) => (change._tag === "Person" ? [change.userId] : []))
        return Effect.andThen(wakeConversations([...new Set(conversations)]), wakePeople([...new Set(people)]))
      })
      const lookUpReceipts = yield* makeBacklog<ConversationId>(
        (conversations) => wakeConversations([...new Set(conversations)]),
        { gatherTime: receiptsGatherTime }
      )
      const hear = (change: ChangeHint) => {
        if (listeners.size === 0) return
        if (change._tag !== "Receipts") return lookUp(change)
        for (const listener of listenersOf(change.userId)) listener.wake()
        if (change.isListed) lookUpReceipts(change.conversationId)
      }

      // By conversation_participants_user_id_idx and the primary keys of conversations, their revisions and people_revisions.
      const findChanged = SqlSchema.findAll({
        Request: Schema.Struct({
          users: Schema.Array(UserId),
          since: Schema.UndefinedOr(Horizon),
          incarnation: Schema.UndefinedOr(Incarnation)
        }),
        Result: Schema.Struct({
          user: UserId,
          count: Schema.Int,
          isChanged: Schema.Boolean,
          revision: Schema.Int,
          incarnation: Incarnation,
          ...Horizon.fields
        }),
        execute: ({ incarnation, since, users }) => sql`
          WITH ${snapshots(sql, since, incarnation)}
          SELECT u.id AS "user", mine.count, coalesce(mine."isChanged", false) AS "isChanged",
            coalesce(known.revision, 0) AS revision, ${sql.literal(currentIncarnation)} AS incarnation, now.next, now.running
          FROM now, since, unnest(${users}::uuid[]) AS u (id) LEFT JOIN people_revisions known ON known.user_id = u.id,
            LATERAL (
              SELECT count(*)::int AS count, bool_or(coalesce(since.threshold <= ANY (${writers}), true)) AS "isChanged"
              FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id
              WHERE p.user_id = u.id
            ) mine`
      })

      let swept: { readonly incarnation: Incarnation; readonly horizon: Horizon } | undefined
      const sweep = Effect.gen(function* () {
        if (listeners.size === 0) return
        const rows = yield* findChanged({
          users: [...listeners.keys()],
          since: swept?.horizon,
          incarnation: swept?.incarnation
        })
        const found = new Map(rows.map((row) => [row.user, row]))
        for (const [user, ofUser] of listeners) {
          const row = found.get(user)
          for (const listener of ofUser) {
            const knowsAll = row?.count === listener.count && row.revision === listener.revision
            if (row?.isChanged === true || !knowsAll) listener.wake()
          }
        }
        if (rows[0] !== undefined) {
          const { incarnation, next, running } = rows[0]
          swept = { incarnation, horizon: { next, running } }
        }
      }).pipe(
        catchDatabaseErrors,
        Effect.catchTag("DatabaseUnavailable", () => log.warning("The sweep of inboxes is delayed"))
      )
      yield* followChanges({ hear: (change) => Effect.sync(() => hear(change)), sweep, every: sweepInterval })

      const follow = Effect.fnUntraced(function* (user: UserId, stream: { wake(): void }) {
        return yield* Effect.acquireRelease(
          Effect.sync(() => {
            const listener = new Listener(stream)
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
