import { Clock, Context, Effect, Exit, Latch, Layer, Random, Schema, Stream } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { inTransaction } from "../database/Transaction.ts"
import { logOf } from "../platform/Log.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { ChangeBus } from "../changes/ChangeBus.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"
import { cut, toVector } from "./SearchTerms.ts"

const log = logOf("xfchat/search")

/** The number of messages that one transaction indexes. */
const sliceSize = 256

/** The number of conversations that one transaction indexes. */
const groupSize = 256

/** The number of conversations that one statement of a sweep looks at. */
const sweepSize = 2_000

/** The number of slices that a search waits for. The background does the rest. */
const slicesInSearch = 4

/** Milliseconds of cutting texts into terms before other fibers get a turn. */
const longestTurn = 4

/** The number of conversations that wait to be indexed, at most. More are left to the next sweep. */
const maxWaiting = 50_000

/** The time between a message and its terms, so that one process writes those of several messages together. */
const indexDelay = Random.nextBetween(200, 600)

const firstSweepDelay = "1 second"
const sweepInterval = "5 minutes"
const pauseAfterFailure = "10 seconds"
const progressInterval = 10_000

/** The lexemes that all messages of a conversation, and all of a sender, have. No word has an `@`. */
export const conversationLexeme = (id: ConversationId) => `@c${compact(id)}`
export const senderLexeme = (id: UserId) => `@s${compact(id)}`
const compact = (id: string) => Buffer.from(id.replaceAll("-", ""), "hex").toString("base64url")

/** The positions of a log, up to `head`, whose messages are indexed: those after `from` and up to `to`. */
const Progress = Schema.Struct({ id: ConversationId, head: Position, from: Position, to: Position })
type Progress = typeof Progress.Type

const Entry = Schema.Struct({
  conversationId: ConversationId,
  seq: Position,
  position: Position,
  isForward: Schema.Boolean,
  senderId: Schema.NullOr(UserId),
  /** The text; `null` if it is deleted, or not a text. */
  content: Schema.NullOr(Schema.String)
})
type Entry = typeof Entry.Type

/** The progress of one conversation after a slice, which has read at most `limit` entries in either direction. */
const advance = ({ from, head, id, to }: Progress, entries: ReadonlyArray<Entry>, limit: number) => {
  const forward = entries.filter((entry) => entry.isForward).sort((a, b) => a.position - b.position)
  const backward = entries.filter((entry) => !entry.isForward).sort((a, b) => b.position - a.position)
  const taken = [...forward.slice(0, limit), ...backward.slice(0, limit)]
  return {
    id,
    from: backward.length < limit ? 0 : (backward[limit - 1]?.position ?? from) - 1,
    to: forward.length < limit ? Math.max(head, to) : (forward[limit - 1]?.position ?? to),
    taken
  }
}

/**
 * Writes the terms by which messages are found, outside of the send path. The progress of each conversation is kept as
 * positions of its log, so that no entry is missed, even if an older server, an import, or a process that died wrote it. New
 * entries are indexed moments after their commit, or by a search of a participant in the meantime. A sweep indexes earlier
 * ones, the newest first, in slices; after a restart it continues with the next slice.
 */
export class SearchIndex extends Context.Service<
  SearchIndex,
  {
    /** Indexes the missing entries of some conversations, the newest first: some before it returns, the rest soon after. */
    readonly catchUp: (ids: ReadonlyArray<ConversationId>) => Effect.Effect<void, DatabaseUnavailable>
    /** Indexes all missing entries, and gives the number of texts. The background does so at intervals. */
    readonly sweep: Effect.Effect<number, DatabaseUnavailable>
  }
>()("xfchat/search/SearchIndex") {
  static readonly layer = Layer.effect(
    SearchIndex,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus

      const isBehind = sql.literal(
        "c.deleted_at IS NULL AND (s.indexed_from > 0 OR coalesce(s.indexed_to, 0) < c.head)"
      )

      // By the primary keys.
      const findBehind = SqlSchema.findAll({
        Request: Schema.Array(ConversationId),
        Result: Schema.Struct({ id: ConversationId, isNew: Schema.Boolean }),
        execute: (ids) => sql`
          SELECT c.id, s.conversation_id IS NULL AS "isNew" FROM conversations c
          LEFT JOIN search_progress s ON s.conversation_id = c.id
          WHERE c.id = ANY (${ids}::uuid[]) AND (${isBehind})`
      })

      // By the primary key. A locked conversation is left for later, because the foreign key would wait for it.
      const begin = (ids: ReadonlyArray<ConversationId>) =>
        sql`
          INSERT INTO search_progress (conversation_id, indexed_from, indexed_to)
          SELECT id, head, head FROM conversations WHERE id = ANY (${ids}::uuid[]) ORDER BY id FOR KEY SHARE SKIP LOCKED
          ON CONFLICT DO NOTHING`

      // By the primary keys. A conversation that another process is indexing is left to that process, or waited for.
      const lockBehind = (onLocked: "" | "SKIP LOCKED") =>
        SqlSchema.findAll({
          Request: Schema.Array(ConversationId),
          Result: Progress,
          execute: (ids) => sql`
            SELECT c.id, c.head, s.indexed_from AS "from", s.indexed_to AS "to" FROM search_progress s
            JOIN conversations c ON c.id = s.conversation_id
            WHERE s.conversation_id = ANY (${ids}::uuid[]) AND (${isBehind})
            ORDER BY s.conversation_id LIMIT ${groupSize} FOR UPDATE OF s ${sql.literal(onLocked)}`
        })
      const lockFree = lockBehind("SKIP LOCKED")
      const lockAll = lockBehind("")

      const entry = sql.literal(`conversation_id, seq, sender_id,
        CASE WHEN message_type = 'text' AND deleted_at IS NULL THEN content END AS content`)

      // By chat_messages_seq_key and chat_messages_changed_idx.
      const readEntries = SqlSchema.findAll({
        Request: Schema.Struct({ progress: Schema.Array(Progress), limit: Schema.Int }),
        Result: Entry,
        execute: ({ limit, progress }) => sql`
          SELECT m.conversation_id AS "conversationId", m.seq, m.position, m.is_forward AS "isForward",
            m.sender_id AS "senderId", m.content
          FROM unnest(
            ${progress.map(({ id }) => id)}::uuid[], ${progress.map(({ from }) => BigInt(from))}::bigint[],
            ${progress.map(({ to }) => BigInt(to))}::bigint[], ${progress.map(({ head }) => BigInt(head))}::bigint[]
          ) AS s (id, indexed_from, indexed_to, head)
          CROSS JOIN LATERAL (
            (SELECT ${entry}, seq AS position, true AS is_forward FROM chat_messages
              WHERE conversation_id = s.id AND seq > s.indexed_to AND seq <= s.head ORDER BY seq LIMIT ${limit})
            UNION ALL
            (SELECT ${entry}, version, true FROM chat_messages
              WHERE conversation_id = s.id AND version > s.indexed_to AND version <= s.head AND version <> seq
              ORDER BY version LIMIT ${limit})
            UNION ALL
            (SELECT ${entry}, seq, false FROM chat_messages
              WHERE conversation_id = s.id AND seq <= s.indexed_from ORDER BY seq DESC LIMIT ${limit})
          ) m`
      })

      // By the primary keys, and chat_messages_seq_key.
      const write = (
        advanced: ReadonlyArray<{ readonly id: ConversationId; readonly from: number; readonly to: number }>,
        indexed: ReadonlyArray<Entry & { readonly terms: string }>,
        removed: ReadonlyArray<Entry>
      ) => sql`
        WITH removed AS (
          DELETE FROM message_terms t
          USING unnest(
            ${removed.map(({ conversationId }) => conversationId)}::uuid[], ${removed.map(({ seq }) => BigInt(seq))}::bigint[]
          ) AS r (id, seq)
          WHERE t.conversation_id = r.id AND t.seq = r.seq
        ), written AS (
          INSERT INTO message_terms AS t (conversation_id, seq, posted_at, terms)
          SELECT m.conversation_id, m.seq, date_trunc('milliseconds', m.created_at), i.terms::tsvector
          FROM unnest(
            ${indexed.map(({ conversationId }) => conversationId)}::uuid[], ${indexed.map(({ seq }) => BigInt(seq))}::bigint[],
            ${indexed.map(({ terms }) => terms)}::text[]
          ) AS i (id, seq, terms)
          JOIN chat_messages m ON m.conversation_id = i.id AND m.seq = i.seq AND m.deleted_at IS NULL
          ORDER BY m.conversation_id, m.seq
          ON CONFLICT (conversation_id, seq) DO UPDATE SET terms = excluded.terms
        )
        UPDATE search_progress s SET indexed_from = a.indexed_from, indexed_to = a.indexed_to
        FROM unnest(
          ${advanced.map(({ id }) => id)}::uuid[], ${advanced.map(({ from }) => BigInt(from))}::bigint[],
          ${advanced.map(({ to }) => BigInt(to))}::bigint[]
        ) AS a (id, indexed_from, indexed_to)
        WHERE s.conversation_id = a.id`

      const termsOf = Effect.fnUntraced(function* (entries: ReadonlyArray<Entry>) {
        const indexed: Array<Entry & { readonly terms: string }> = []
        let begun = performance.now()
        for (const entry of entries) {
          const { content, conversationId, senderId } = entry
          const others = [conversationLexeme(conversationId), ...(senderId === null ? [] : [senderLexeme(senderId)])]
          indexed.push({ ...entry, terms: toVector(cut(content ?? ""), others) })
          if (performance.now() - begun < longestTurn) continue
          yield* Effect.yieldNow
          begun = performance.now()
        }
        return indexed
      })

      /** One transaction. Gives the number of texts, or `undefined` if other processes index all that is missing. */
      const indexSlice = Effect.fnUntraced(function* (ids: ReadonlyArray<ConversationId>, lock: typeof lockAll) {
        const progress = yield* lock(ids)
        if (progress.length === 0) return undefined
        const limit = Math.ceil(sliceSize / progress.length)
        const entries = yield* readEntries({ progress, limit })
        const byConversation = Map.groupBy(entries, ({ conversationId }) => conversationId)
        const advanced = progress.map((one) => advance(one, byConversation.get(one.id) ?? [], limit))
        // A message that is both new and changed appears twice.
        const taken = new Map(
          advanced.flatMap(({ taken }) => taken.map((entry) => [`${entry.conversationId} ${entry.seq}`, entry]))
        )
        const { false: removed = [], true: texts = [] } = Object.groupBy(
          taken.values(),
          ({ content }) => `${content !== null}` as const
        )
        yield* write(advanced, yield* termsOf(texts), removed)
        return texts.length
      })

      /** Indexes slice by slice, until nothing is missing or `slices` are done. Gives the conversations that are still behind. */
      const index = Effect.fnUntraced(function* (
        ids: ReadonlyArray<ConversationId>,
        lock: typeof lockAll,
        slices: number,
        onSlice: (texts: number) => Effect.Effect<void> = () => Effect.void
      ) {
        for (let slice = 0; ; slice++) {
          const behind = yield* findBehind(ids)
          if (behind.length === 0 || slice >= slices) return behind.map(({ id }) => id)
          const fresh = behind.filter(({ isNew }) => isNew).map(({ id }) => id)
          if (fresh.length > 0) yield* begin(fresh)
          const texts = yield* indexSlice(
            behind.slice(0, groupSize).map(({ id }) => id),
            lock
          ).pipe(inTransaction(sql))
          if (texts === undefined) return behind.map(({ id }) => id)
          yield* onSlice(texts)
        }
      })

      /** Indexes all that is missing. If PostgreSQL refuses one conversation, the others are indexed all the same. */
      const indexAll: (
        ids: ReadonlyArray<ConversationId>,
        onSlice?: (texts: number) => Effect.Effect<void>
      ) => Effect.Effect<void, DatabaseUnavailable> = Effect.fnUntraced(function* (ids, onSlice) {
        const exit = yield* index(ids, lockFree, Number.POSITIVE_INFINITY, onSlice).pipe(
          catchDatabaseErrors,
          Effect.exit
        )
        if (Exit.isSuccess(exit)) return
        if (!Exit.hasDies(exit)) return yield* exit
        if (ids.length > 1) return yield* Effect.forEach(ids, (id) => indexAll([id], onSlice), { discard: true })
        yield* log.warning(`Search does not find all messages of conversation ${ids.join()}`, exit.cause)
      })

      const waiting = new Set<ConversationId>()
      const something = Latch.makeUnsafe()
      const enqueue = (ids: Iterable<ConversationId>) => {
        for (const id of ids) if (waiting.size < maxWaiting) waiting.add(id)
        if (waiting.size > 0) something.openUnsafe()
      }

      const catchUp = Effect.fn("SearchIndex.catchUp")(function* (ids: ReadonlyArray<ConversationId>) {
        enqueue(yield* index(ids, lockAll, slicesInSearch))
      }, catchDatabaseErrors)

      const reported = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>) =>
        Effect.catchCause(effect, (cause) =>
          Effect.andThen(log.warning(`${what} failed, and is tried again`, cause), Effect.sleep(pauseAfterFailure))
        )

      const indexWaiting = Effect.gen(function* () {
        yield* something.await
        yield* Effect.sleep(yield* indexDelay)
        something.closeUnsafe()
        const ids = [...waiting]
        waiting.clear()
        for (let at = 0; at < ids.length; at += groupSize) {
          yield* indexAll(ids.slice(at, at + groupSize))
        }
      })

      // By the primary keys. While all conversations are indexed, a sweep only reads these two indexes, in parts.
      const findNext = SqlSchema.findAll({
        Request: Schema.Struct({ after: Schema.String }),
        Result: Schema.Struct({ last: ConversationId, behind: Schema.Array(ConversationId) }),
        execute: ({ after }) => sql`
          SELECT (array_agg(c.id ORDER BY c.id DESC))[1] AS last, coalesce(jsonb_agg(c.id ORDER BY c.id) FILTER (WHERE ${isBehind}), '[]') AS behind
          FROM (SELECT id, head, deleted_at FROM conversations WHERE id > ${after}::uuid ORDER BY id LIMIT ${sweepSize}) c
          LEFT JOIN search_progress s ON s.conversation_id = c.id HAVING count(*) > 0`
      })

      const sweep = Effect.gen(function* () {
        const begun = yield* Clock.currentTimeMillis
        let reportedAt = begun
        let total = 0
        const count = Effect.fnUntraced(function* (texts: number) {
          total += texts
          const now = yield* Clock.currentTimeMillis
          if (now - reportedAt < progressInterval) return
          reportedAt = now
          yield* log.info(`Indexing messages for search: ${total} in ${Math.round((now - begun) / 1_000)} s so far`)
        })
        let after = "00000000-0000-0000-0000-000000000000"
        for (;;) {
          const [next] = yield* findNext({ after })
          if (next === undefined) break
          for (let at = 0; at < next.behind.length; at += groupSize) {
            yield* indexAll(next.behind.slice(at, at + groupSize), count)
          }
          after = next.last
        }
        if (total > 0) {
          const seconds = Math.round(((yield* Clock.currentTimeMillis) - begun) / 1_000)
          yield* log.info(`All messages are indexed for search: ${total} in ${seconds} s`)
        }
        return total
      }).pipe(Effect.withSpan("SearchIndex.sweep"), catchDatabaseErrors)

      yield* bus.changes.pipe(
        Stream.runForEach((change) =>
          Effect.sync(() => {
            if (change._tag === "Log") enqueue([change.conversationId])
          })
        ),
        Effect.forkScoped
      )
      yield* reported("Indexing messages for search", indexWaiting).pipe(Effect.forever, Effect.forkScoped)
      // Not before the server has begun to answer.
      yield* Effect.sleep(firstSweepDelay).pipe(
        Effect.andThen(
          reported("Indexing messages for search", sweep).pipe(
            Effect.andThen(Effect.sleep(sweepInterval)),
            Effect.forever
          )
        ),
        Effect.forkScoped
      )

      return SearchIndex.of({ catchUp, sweep })
    })
  )
}
