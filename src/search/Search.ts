import { Context, DateTime, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { pageBytes } from "../contract/Paging.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import type { ConversationId } from "../contract/Conversation.ts"
import { conversationLexeme, SearchIndex, senderLexeme } from "./SearchIndex.ts"
import type { FoundMessage, SearchPosition } from "../contract/SearchPage.ts"
import { beginningOfTime, endOfTime, newestFirst, startBefore, startIn, type Start } from "./SearchOrder.ts"
import { isNamed, marksOf, parseQuery, toTsquery, type SearchQuery } from "./SearchQuery.ts"
import { searchStatements } from "./SearchStatements.ts"

/** A page of a search: the words to find, where, and after which message. */
export interface SearchRequest {
  /** The text that a person typed, see `parseQuery`. */
  readonly query: string
  readonly conversationId?: ConversationId | undefined
  /** The number of messages at most, 1 to 200. */
  readonly limit: number
  readonly after?: SearchPosition | undefined
}

export interface SearchResult {
  /** The newest first. */
  readonly messages: ReadonlyArray<FoundMessage>
  /** The `after` of the next page; `null` on the last page. */
  readonly next: SearchPosition | null
  /** `false` while some older messages of the caller's conversations are not indexed yet, and so are not found. */
  readonly isComplete: boolean
}

/** One of the conversations that a search walks through. */
interface Lane {
  readonly id: ConversationId
  readonly visibleAfter: number
  /** The walk has reached this message. */
  before: { readonly postedAt: number; readonly seq: number }
  /** The time of the newest message that the walk has not reached. */
  newest: number
}

/** Messages to walk through, the newest first, before a search turns to the index of words, which is fast for rare words only. */
const maxWalked = 8_192

/** After this many messages, the frequency of the words among them decides whether to walk on. */
const minSample = 512

/** The number of conversations in the first round of a walk, the last active ones. Each round has four times as many. */
const firstLanes = 128

/** The number of conversations, at most, whose lexemes a query of the index of words has. */
const maxNamed = 32

/** The number of reads, at most, to fill a page when some of the messages found are gone. */
const maxReads = 4

/**
 * Finds messages by their words. For frequent words a search walks through the caller's conversations, the newest messages
 * first, until a page is full; for rare words it asks the index of words. The time of neither depends on the number of
 * messages.
 */
export class Search extends Context.Service<
  Search,
  {
    /** Finds the texts that the caller may see and that match a query, the newest first, with the marks of the words in each. */
    readonly search: (caller: UserId, request: SearchRequest) => Effect.Effect<SearchResult, DatabaseUnavailable>
  }
>()("xfchat/search/Search") {
  static readonly layer = Layer.effect(
    Search,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const index = yield* SearchIndex
      const { findLanes, findNames, findUsers, lookUp, readMessages, walk } = searchStatements(sql)

      /** The conversations that `in:` names, or `undefined` for all. */
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

      /** The people that `from:` names, or `undefined` for all. */
      const sendersNamed = Effect.fnUntraced(function* (caller: UserId, { from }: SearchQuery) {
        if (from.length === 0) return undefined
        const others = from.filter((name) => name !== "me")
        const found = others.length === 0 ? [] : yield* findUsers(others)
        return [...(others.length < from.length ? [caller] : []), ...found.map(({ id }) => id)]
      })

      interface Lanes {
        readonly caller: UserId
        readonly lanes: ReadonlyArray<Lane>
        /** The time of the oldest message to find. */
        readonly floor: number
        readonly tsquery: string | undefined
      }

      interface Part {
        readonly positions: ReadonlyArray<SearchPosition>
        /** No other messages match up to this one; `undefined`: up to the end. */
        readonly reached: SearchPosition | undefined
      }

      /** Finds the next `count` by walking, or gives `undefined` if that would take too long. */
      const walkLanes = Effect.fnUntraced(function* ({ caller, floor, lanes, tsquery }: Lanes, count: number) {
        let found: ReadonlyArray<SearchPosition> = []
        let walked = 0
        for (let round = 0; ; round++) {
          const last = found[count - 1]
          const least = last?.postedAt ?? floor
          // A conversation without a message as new as the last of a full page adds nothing to the page.
          const open = lanes.filter(({ newest }) => newest >= least)
          if (open.length === 0) return { positions: found, reached: last } satisfies Part
          const isRare = walked >= minSample && (found.length / walked) * maxWalked < count
          if (tsquery !== undefined && (isRare || walked >= maxWalked)) return undefined
          const chosen = open.sort((a, b) => b.newest - a.newest).slice(0, firstLanes * 4 ** round)
          const rows = Math.max(16, Math.ceil(Math.min(512 * 4 ** round, maxWalked / 2) / chosen.length))
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
          found = [...found, ...matching].sort(newestFirst).slice(0, count)
        }
      })

      /** Finds the next `count` by the index of words, or fewer if the caller may not see some. */
      const lookUpWords = Effect.fnUntraced(function* (
        { caller, floor, lanes }: Lanes,
        tsquery: string,
        before: Start,
        count: number
      ) {
        const ids = lanes.map(({ id }) => id)
        const named = ids.length > maxNamed ? "" : ` & (${ids.map((id) => `'${conversationLexeme(id)}'`).join(" | ")})`
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
        const start: Start =
          request.after ?? startBefore(query.before === undefined ? endOfTime : DateTime.toEpochMillis(query.before))

        const lanesNow = Effect.map(
          findLanes({ caller, conversationId: request.conversationId ?? null, postedAt: start.postedAt }),
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
        const positionsFound: Array<SearchPosition> = []
        let position = start
        let bytes = 0
        for (let read = 1; ; read++) {
          const count = request.limit + 1 - found.length
          const scope: Lanes = {
            caller,
            floor,
            tsquery: tsquery === "" ? undefined : tsquery,
            lanes: lanes.flatMap(({ id, newest, visibleAfter }): ReadonlyArray<Lane> =>
              newest === null ? [] : [{ id, visibleAfter, newest, before: startIn(id, position) }]
            )
          }
          const { positions, reached }: Part =
            (yield* walkLanes(scope, count)) ?? (yield* lookUpWords(scope, tsquery, position, count))
          const messages =
            positions.length === 0 ? [] : yield* readMessages({ caller, positions, bytes: pageBytes - bytes })
          let considered: SearchPosition | undefined
          for (const { bytes: bytesRead, ordinal, ...message } of messages) {
            const at = positions[ordinal - 1]
            considered = at
            const content = typeof message.content === "string" ? message.content : ""
            // A message that was edited meanwhile, or that the index of words cannot tell apart, has no marks.
            const marks = marksOf(content, query.phrases)
            if (at === undefined || marks === undefined) bytes += bytesRead
            else {
              const one = { ...message, marks }
              found.push(one)
              positionsFound.push(at)
              bytes += Math.max(bytesRead, Buffer.byteLength(JSON.stringify(one)))
            }
            if (bytes >= pageBytes) break
            yield* Effect.yieldNow
          }
          const isFull = bytes >= pageBytes
          const last = positionsFound[request.limit - 1]
          if (found.length > request.limit && last !== undefined) {
            return { messages: found.slice(0, request.limit), next: last, isComplete }
          }
          const end = isFull ? considered : reached
          const isEnd = end === undefined || (isFull && reached === undefined && end === positions.at(-1))
          if (isEnd || isFull || read >= maxReads) return { messages: found, next: isEnd ? null : end, isComplete }
          position = end
        }
      }, catchDatabaseErrors)

      return Search.of({ search })
    })
  )
}
