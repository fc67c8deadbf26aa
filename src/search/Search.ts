import { Context, DateTime, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { pageBytes } from "../contract/Paging.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { isHidden } from "../messages/BlockRow.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"
import { Message } from "../contract/Message.ts"
import { messageColumns, parseContents, writtenBytes, type ContentRow } from "../messages/MessageRow.ts"
import { conversationLexeme, SearchIndex, senderLexeme } from "./SearchIndex.ts"
import type { FoundMessage, SearchPosition } from "../contract/SearchPage.ts"
import { isNamed, marksOf, parseQuery, toTsquery, type SearchQuery } from "./SearchQuery.ts"

/** The words to look for, where, and from which position on. */
export interface SearchRequest {
  /** As somebody types it: see `parseQuery`. */
  readonly query: string
  readonly conversationId?: ConversationId | undefined
  /** Most messages; 1 to 200. */
  readonly limit: number
  readonly after?: SearchPosition | undefined
}

export interface SearchResult {
  /** The newest first. */
  readonly messages: ReadonlyArray<FoundMessage>
  /** Where it goes on; `null` at the end. */
  readonly next: SearchPosition | null
  /** `false` while some of the caller's messages are not indexed yet: they are older, and are not found. */
  readonly isComplete: boolean
}

/** A conversation in which is searched, and how far that has come: what is left is posted before `before`. */
interface Lane {
  readonly id: ConversationId
  readonly visibleAfter: number
  before: { readonly postedAt: number; readonly seq: number }
  /** No message that is left is newer. */
  newest: number
}

/** Later than any message, and earlier. */
const endOfTime = 253_402_300_799_999
const beginningOfTime = 0

/** Terms that are walked through, the newest first, before the index of words is asked: it is quick for rare words only. */
const mostWalked = 8_192

/** After so many, how often a word was among them says whether walking will do. */
const enoughToJudge = 512

/** Conversations of the first walk, the last active ones; each next one has four times as many. */
const firstLanes = 128

/** Most conversations that the index of words is asked for by name. */
const mostNamed = 32

/** Of a page, the rest of which turns out not to be there any more, the next part is read so often. */
const mostReads = 4

/** The order of what is found: the newest first. Negative where `a` comes before `b`. */
const compare = (a: SearchPosition, b: SearchPosition): number => {
  if (a.postedAt !== b.postedAt) return b.postedAt - a.postedAt
  if (a.conversationId !== b.conversationId) return a.conversationId > b.conversationId ? -1 : 1
  return b.seq - a.seq
}

/** A {@link SearchPosition}, or one before all conversations. */
interface Beginning extends Omit<SearchPosition, "conversationId" | "seq"> {
  readonly conversationId: string
  readonly seq: number
}

const before = (postedAt: number): Beginning => ({
  postedAt,
  conversationId: "00000000-0000-0000-0000-000000000000",
  seq: 0
})

/** Where a conversation begins after a position in this order. */
const beginningOf = (id: ConversationId, { conversationId, postedAt, seq }: Beginning) => ({
  postedAt,
  seq: id === conversationId ? seq : id < conversationId ? Number.MAX_SAFE_INTEGER : 0
})

/**
 * Finds messages by their words. Words that many messages have are found by walking through the caller's conversations,
 * the newest messages first, as far as a page takes; words that few have, by the index of words. Neither depends on how
 * many messages there are.
 */
export class Search extends Context.Service<
  Search,
  {
    /** Texts that a participant may see and that match a query, the newest first, and where the words stand in each. */
    readonly search: (caller: UserId, request: SearchRequest) => Effect.Effect<SearchResult, DatabaseUnavailable>
  }
>()("xfchat/search/Search") {
  static readonly layer = Layer.effect(
    Search,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const index = yield* SearchIndex
      const time = (milliseconds: number) =>
        sql`timestamptz 'epoch' + ${BigInt(milliseconds)}::bigint * interval '1 millisecond'`
      const milliseconds = (column: string) => sql.literal(`(extract(epoch FROM ${column}) * 1000)::bigint`)

      // By conversation_participants_user_id_idx, the primary keys, and message_terms_posted_at_idx.
      const findLanes = SqlSchema.findAll({
        Request: Schema.Struct({
          caller: UserId,
          conversationId: Schema.NullOr(ConversationId),
          postedAt: Schema.Int
        }),
        Result: Schema.Struct({
          id: ConversationId,
          visibleAfter: Position,
          isBehind: Schema.Boolean,
          newest: Schema.NullOr(Schema.Int)
        }),
        execute: ({ caller, conversationId, postedAt }) => sql`
          SELECT p.conversation_id AS id, p.visible_after AS "visibleAfter",
            coalesce(s.indexed_from > p.visible_after, false) OR coalesce(s.indexed_to, 0) < c.head AS "isBehind",
            ${milliseconds("t.posted_at")} AS newest
          FROM conversation_participants p
          JOIN conversations c ON c.id = p.conversation_id
          LEFT JOIN search_progress s ON s.conversation_id = p.conversation_id
          LEFT JOIN LATERAL (
            SELECT posted_at FROM message_terms
            WHERE conversation_id = p.conversation_id AND posted_at <= ${time(postedAt)}
            ORDER BY posted_at DESC, seq DESC LIMIT 1
          ) t ON true
          WHERE p.user_id = ${caller} AND (${conversationId}::uuid IS NULL OR p.conversation_id = ${conversationId}::uuid)`
      })

      // By conversation_participants_user_id_idx and the primary keys.
      const findNames = SqlSchema.findAll({
        Request: UserId,
        Result: Schema.Struct({
          id: ConversationId,
          name: Schema.NullOr(Schema.String),
          usernames: Schema.Array(Schema.String)
        }),
        execute: (caller) => sql`
          SELECT c.id, c.name, ARRAY(
            SELECT u.username FROM conversation_participants o JOIN users u ON u.id = o.user_id
            WHERE c.is_direct_message AND o.conversation_id = c.id AND o.user_id <> ${caller} AND u.username IS NOT NULL
          ) AS usernames
          FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id WHERE p.user_id = ${caller}`
      })

      // By users_username_key.
      const findUsers = SqlSchema.findAll({
        Request: Schema.Array(Schema.String),
        Result: Schema.Struct({ id: UserId }),
        execute: (usernames) => sql`SELECT id FROM users WHERE lower(username) = ANY (${usernames}::text[])`
      })

      // A scalar, which PostgreSQL looks up row by row. Of an EXISTS it might make a hash table, of all messages there are.
      const isVisible = sql.literal(`coalesce((
        SELECT true FROM chat_messages m
        WHERE m.conversation_id = t.conversation_id AND m.seq = t.seq AND m.seq > p.visible_after
          AND m.message_type = 'text' AND m.deleted_at IS NULL AND NOT ${isHidden}), false)`)

      const Walked = Schema.Struct({
        conversationId: ConversationId,
        seq: Position,
        postedAt: Schema.Int,
        isFound: Schema.Boolean,
        /** The last of as many as were asked for. */
        isLast: Schema.Boolean
      })

      // By message_terms_posted_at_idx and the primary key of conversation_participants; of those that have the terms, by
      // chat_messages_seq_key.
      const walk = SqlSchema.findAll({
        Request: Schema.Struct({
          caller: UserId,
          tsquery: Schema.UndefinedOr(Schema.String),
          lanes: Schema.Array(Schema.Struct({ id: ConversationId, postedAt: Schema.Int, seq: Schema.Int })),
          floor: Schema.Int,
          rows: Schema.Int
        }),
        Result: Walked,
        execute: ({ caller, floor, lanes, rows, tsquery }) => sql`
          SELECT w.id AS "conversationId", r.seq, ${milliseconds("r.posted_at")} AS "postedAt", r.is_found AS "isFound",
            r.place = ${rows}::int AS "isLast"
          FROM unnest(
            ${lanes.map(({ id }) => id)}::uuid[], ${lanes.map(({ postedAt }) => BigInt(postedAt))}::bigint[],
            ${lanes.map(({ seq }) => BigInt(seq))}::bigint[]
          ) AS w (id, posted_at, seq)
          JOIN conversation_participants p ON p.conversation_id = w.id AND p.user_id = ${caller}
          CROSS JOIN LATERAL (
            SELECT t.seq, t.posted_at, row_number() OVER (ORDER BY t.posted_at DESC, t.seq DESC) AS place,
              CASE WHEN t.has_terms THEN ${isVisible} ELSE false END AS is_found
            FROM (
              SELECT conversation_id, seq, posted_at,
                ${tsquery === undefined ? sql.literal("true") : sql`terms @@ ${tsquery}::tsquery`} AS has_terms
              FROM message_terms
              WHERE conversation_id = w.id AND posted_at >= ${time(floor)}
                AND (posted_at, seq) < (timestamptz 'epoch' + w.posted_at * interval '1 millisecond', w.seq)
              ORDER BY posted_at DESC, seq DESC LIMIT ${rows}::int
            ) t
          ) r
          WHERE r.is_found OR r.place = ${rows}::int`
      })

      // By message_terms_terms_idx.
      const lookUp = SqlSchema.findAll({
        Request: Schema.Struct({
          caller: UserId,
          tsquery: Schema.String,
          ids: Schema.Array(ConversationId),
          before: Schema.Struct({ postedAt: Schema.Int, conversationId: Schema.String, seq: Schema.Int }),
          floor: Schema.Int,
          rows: Schema.Int
        }),
        Result: Schema.Struct({
          conversationId: ConversationId,
          seq: Position,
          postedAt: Schema.Int,
          isFound: Schema.Boolean
        }),
        execute: ({ before, caller, floor, ids, rows, tsquery }) => sql`
          WITH found AS MATERIALIZED (
            SELECT conversation_id, seq, posted_at FROM message_terms
            WHERE terms @@ ${tsquery}::tsquery AND posted_at >= ${time(floor)} AND posted_at <= ${time(before.postedAt)}
          ), newest AS MATERIALIZED (
            SELECT f.* FROM found f JOIN unnest(${ids}::uuid[]) AS w (id) ON w.id = f.conversation_id
            WHERE (f.posted_at, f.conversation_id, f.seq)
              < (${time(before.postedAt)}, ${before.conversationId}::uuid, ${BigInt(before.seq)}::bigint)
            ORDER BY f.posted_at DESC, f.conversation_id DESC, f.seq DESC LIMIT ${rows}
          )
          SELECT t.conversation_id AS "conversationId", t.seq, ${milliseconds("t.posted_at")} AS "postedAt",
            ${isVisible} AS "isFound"
          FROM newest t
          JOIN conversation_participants p ON p.conversation_id = t.conversation_id AND p.user_id = ${caller}
          ORDER BY t.posted_at DESC, t.conversation_id DESC, t.seq DESC`
      })

      // By chat_messages_seq_key and the primary key of conversation_participants. Only as many as make a page.
      const readMessages = SqlSchema.findAll({
        Request: Schema.Struct({
          caller: UserId,
          positions: Schema.Array(Schema.Struct({ conversationId: ConversationId, seq: Position })),
          bytes: Schema.Int
        }),
        Result: Schema.Struct({ ...Message.fields, ordinal: Schema.Int, bytes: Schema.Int }),
        execute: ({ bytes, caller, positions }) =>
          Effect.map(
            sql<ContentRow>`
              SELECT ${sql.literal(messageColumns("p.user_id"))}, m.ordinal::int, m.own_bytes AS bytes FROM (
                SELECT m.*, k.ordinal, ${sql.literal(writtenBytes)} AS own_bytes,
                  sum(${sql.literal(writtenBytes)}) OVER (ORDER BY k.ordinal) AS bytes
                FROM unnest(
                  ${positions.map(({ conversationId }) => conversationId)}::uuid[],
                  ${positions.map(({ seq }) => BigInt(seq))}::bigint[]
                ) WITH ORDINALITY AS k (conversation, position, ordinal)
                JOIN chat_messages m ON m.conversation_id = k.conversation AND m.seq = k.position
                JOIN conversation_participants p ON p.conversation_id = m.conversation_id AND p.user_id = ${caller}
                WHERE m.message_type = 'text' AND m.deleted_at IS NULL AND m.seq > p.visible_after
                  AND NOT ${sql.literal(isHidden)}
              ) m, (SELECT ${caller}::uuid AS user_id) p
              WHERE m.bytes - m.own_bytes < ${bytes} ORDER BY m.ordinal`,
            parseContents
          )
      })

      /** The conversations that `in:` means, or `undefined` for all. */
      const conversationsNamed = Effect.fnUntraced(function* (caller: UserId, { in: values }: SearchQuery) {
        if (values.length === 0) return undefined
        const named = yield* findNames(caller)
        return new Set(
          named.flatMap(({ id, name, usernames }) =>
            values.some(
              (value) => id === value.toLowerCase() || [name ?? "", ...usernames].some((one) => isNamed(one, value))
            )
              ? [id]
              : []
          )
        )
      })

      /** The people that `from:` means, or `undefined` for all. */
      const sendersNamed = Effect.fnUntraced(function* (caller: UserId, { from }: SearchQuery) {
        if (from.length === 0) return undefined
        const others = from.filter((name) => name !== "me")
        const found = others.length === 0 ? [] : yield* findUsers(others)
        return [...(others.length < from.length ? [caller] : []), ...found.map(({ id }) => id)]
      })

      interface Scope {
        readonly caller: UserId
        readonly lanes: ReadonlyArray<Lane>
        /** No older messages. */
        readonly floor: number
        readonly tsquery: string | undefined
      }

      interface Part {
        readonly positions: ReadonlyArray<SearchPosition>
        /** All that match up to here are among them; `undefined`: up to the end. */
        readonly reached: SearchPosition | undefined
      }

      /** The next `count` by walking, or `undefined` where that would take too long. */
      const walkLanes = Effect.fnUntraced(function* ({ caller, floor, lanes, tsquery }: Scope, count: number) {
        let found: ReadonlyArray<SearchPosition> = []
        let walked = 0
        for (let round = 0; ; round++) {
          const last = found[count - 1]
          const least = last?.postedAt ?? floor
          // A conversation that has nothing as new as the last of a whole page adds nothing to it.
          const open = lanes.filter(({ newest }) => newest >= least)
          if (open.length === 0) return { positions: found, reached: last } satisfies Part
          const isRare = walked >= enoughToJudge && (found.length / walked) * mostWalked < count
          if (tsquery !== undefined && (isRare || walked >= mostWalked)) return undefined
          const chosen = open.sort((a, b) => b.newest - a.newest).slice(0, firstLanes * 4 ** round)
          const rows = Math.max(16, Math.ceil(Math.min(512 * 4 ** round, mostWalked / 2) / chosen.length))
          const seen = yield* walk({
            caller,
            tsquery,
            lanes: chosen.map(({ before, id }) => ({ id, ...before })),
            floor: least,
            rows
          })
          const ends = new Map(seen.flatMap((row) => (row.isLast ? [[row.conversationId, row]] : [])))
          for (const lane of chosen) {
            const end = ends.get(lane.id)
            if (end === undefined || end.seq <= lane.visibleAfter) lane.newest = Number.NEGATIVE_INFINITY
            else {
              lane.before = end
              lane.newest = end.postedAt
            }
          }
          const matching = seen.filter(({ isFound }) => isFound)
          walked += ends.size * rows + matching.length
          found = [...found, ...matching].sort(compare).slice(0, count)
        }
      })

      /** The next ones by the index of words: `count` of them, or fewer where some may not be seen. */
      const lookUpWords = Effect.fnUntraced(function* (
        { caller, floor, lanes }: Scope,
        tsquery: string,
        before: Beginning,
        count: number
      ) {
        const ids = lanes.map(({ id }) => id)
        const named = ids.length > mostNamed ? "" : ` & (${ids.map((id) => `'${conversationLexeme(id)}'`).join(" | ")})`
        const rows = count * 2
        const newest = yield* lookUp({ caller, tsquery: `(${tsquery})${named}`, ids, before, floor, rows })
        const positions = newest.filter(({ isFound }) => isFound)
        const last = positions[count - 1] ?? newest[rows - 1]
        return { positions: positions.slice(0, count), reached: last } satisfies Part
      })

      const search = Effect.fn("Search.search")(function* (caller: UserId, request: SearchRequest) {
        const nothing: SearchResult = { messages: [], next: null, isComplete: true }
        const query = parseQuery(request.query)
        const words = toTsquery(query.phrases)
        const isFiltered = [query.from, query.in].some((values) => values.length > 0)
        if (words === undefined && !isFiltered && query.before === undefined && query.after === undefined)
          return nothing

        const senders = yield* sendersNamed(caller, query)
        const named = yield* conversationsNamed(caller, query)
        if (senders?.length === 0 || named?.size === 0) return nothing
        const author = senders?.map((id) => `'${senderLexeme(id)}'`).join(" | ")
        const tsquery = [words, author].flatMap((part) => (part === undefined ? [] : [`(${part})`])).join(" & ")
        const floor = query.after === undefined ? beginningOfTime : DateTime.toEpochMillis(query.after)
        const beginning: Beginning =
          request.after ?? before(query.before === undefined ? endOfTime : DateTime.toEpochMillis(query.before))

        const lanesNow = Effect.map(
          findLanes({ caller, conversationId: request.conversationId ?? null, postedAt: beginning.postedAt }),
          (lanes) => lanes.filter(({ id }) => named?.has(id) ?? true)
        )
        let lanes = yield* lanesNow
        const behind = lanes.filter(({ isBehind }) => isBehind).map(({ id }) => id)
        if (behind.length > 0) {
          yield* index.catchUp(behind)
          lanes = yield* lanesNow
        }
        const isComplete = !lanes.some(({ isBehind }) => isBehind)

        const found: Array<FoundMessage> = []
        const places: Array<SearchPosition> = []
        let position = beginning
        let bytes = 0
        for (let read = 1; ; read++) {
          const count = request.limit + 1 - found.length
          const scope: Scope = {
            caller,
            floor,
            tsquery: tsquery === "" ? undefined : tsquery,
            lanes: lanes.flatMap(({ id, newest, visibleAfter }): ReadonlyArray<Lane> =>
              newest === null ? [] : [{ id, visibleAfter, newest, before: beginningOf(id, position) }]
            )
          }
          const { positions, reached }: Part =
            (yield* walkLanes(scope, count)) ?? (yield* lookUpWords(scope, tsquery, position, count))
          const messages =
            positions.length === 0 ? [] : yield* readMessages({ caller, positions, bytes: pageBytes - bytes })
          for (const { bytes: ownBytes, ordinal, ...message } of messages) {
            const at = positions[ordinal - 1]
            const content = typeof message.content === "string" ? message.content : ""
            // A message edited since it was found, or one that the index cannot tell apart, has no marks.
            const marks = marksOf(content, query.phrases)
            bytes += ownBytes
            if (at !== undefined && marks !== undefined) {
              found.push({ ...message, marks })
              places.push(at)
            }
            yield* Effect.yieldNow
          }
          const isFull = bytes >= pageBytes
          const last = places[request.limit - 1]
          if (found.length > request.limit && last !== undefined) {
            return { messages: found.slice(0, request.limit), next: last, isComplete }
          }
          const end = isFull ? positions[(messages.at(-1)?.ordinal ?? 1) - 1] : reached
          const isEnd = end === undefined || (isFull && reached === undefined && end === positions.at(-1))
          if (isEnd || isFull || read >= mostReads) return { messages: found, next: isEnd ? null : end, isComplete }
          position = end
        }
      }, catchDatabaseErrors)

      return Search.of({ search })
    })
  )
}
