import { Context, Effect, Layer, Schema, Struct } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { isAfterCursor, pageSlice, PageSlice, withinBytes } from "../database/PageSlice.ts"
import { inTransaction } from "../database/Transaction.ts"
import { Conversations } from "../conversations/Conversations.ts"
import { pageOf, type Page, type PageCursor } from "../contract/Paging.ts"
import {
  NotFound,
  ValidationFailed,
  type DatabaseUnavailable,
  type Forbidden,
  type QuotaExceeded
} from "../contract/Problem.ts"
import { Usage } from "../usage/Usage.ts"
import {
  Direction,
  Friend,
  FriendRequest,
  RequestId,
  type RequestAnswer,
  type NewRequest,
  type RequestLimitReached
} from "../contract/Friend.ts"
import { friendsOf, requestsOf } from "./FriendRows.ts"
import * as Pair from "../people/Pair.ts"
import { Pairs } from "../people/Pairs.ts"
import { People } from "../people/People.ts"

/** Friendships, and requests for them. Each change between two people is one transaction; see `Pair.ts`. */
export class Friends extends Context.Service<
  Friends,
  {
    /** A person's friends, the latest first. */
    readonly list: (
      caller: UserId,
      limit: number,
      after: PageCursor | undefined
    ) => Effect.Effect<Page<Friend>, DatabaseUnavailable>
    /** Ends a friendship, if there is one. The messages of the two stay. */
    readonly remove: (caller: UserId, other: UserId) => Effect.Effect<void, NotFound | DatabaseUnavailable>
    /** The open requests that a person sees in one direction, the latest first. */
    readonly requests: (
      caller: UserId,
      direction: Direction,
      limit: number,
      after: PageCursor | undefined
    ) => Effect.Effect<Page<FriendRequest>, DatabaseUnavailable>
    /** Asks a person to be friends. If that person has asked the caller, they are friends now. */
    readonly ask: (
      caller: UserId,
      request: NewRequest
    ) => Effect.Effect<
      { readonly request: FriendRequest; readonly created: boolean },
      NotFound | Forbidden | ValidationFailed | RequestLimitReached | QuotaExceeded | DatabaseUnavailable
    >
    /** Answers a request. Accepting it opens the direct conversation of the two, whatever their settings. */
    readonly answer: (
      caller: UserId,
      id: RequestId,
      answer: RequestAnswer
    ) => Effect.Effect<FriendRequest, NotFound | Forbidden | DatabaseUnavailable>
    /** Takes a request back. */
    readonly withdraw: (
      caller: UserId,
      id: RequestId
    ) => Effect.Effect<void, NotFound | Forbidden | DatabaseUnavailable>
  }
>()("xfchat/friends/Friends") {
  static readonly layer = Layer.effect(
    Friends,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const conversations = yield* Conversations
      const pairs = yield* Pairs
      const people = yield* People
      const usage = yield* Usage

      const findFriends = SqlSchema.findAll({
        Request: Schema.Struct({ ...PageSlice, caller: UserId }),
        Result: Schema.Struct({ ...Friend.fields, found: Schema.Int }),
        execute: ({ caller, limit, ...slice }) => {
          const rows = sql`
            SELECT * FROM (${friendsOf(sql, caller)}) friends
            WHERE ${isAfterCursor(sql, ["since", "id"], slice)} ORDER BY since DESC, id DESC LIMIT ${limit}`
          return withinBytes(sql, rows, "since DESC, id DESC")
        }
      })

      const list = Effect.fn("Friends.list")(function* (caller: UserId, limit: number, after: PageCursor | undefined) {
        const found = yield* findFriends({ caller, ...pageSlice(limit, after) })
        const items = found.map((row) => new Friend(Struct.omit(row, ["found"])))
        return pageOf(items, limit, ({ id, since }) => ({ before: since, id }), found[0]?.found)
      }, catchDatabaseErrors)

      const findRequests = SqlSchema.findAll({
        Request: Schema.Struct({ ...PageSlice, caller: UserId, direction: Direction }),
        Result: Schema.Struct({ ...FriendRequest.fields, found: Schema.Int }),
        execute: ({ caller, direction, limit, ...slice }) => {
          const rows = sql`
            SELECT * FROM (${requestsOf(sql, caller, direction)}) requests
            WHERE ${isAfterCursor(sql, ['"createdAt"', "id"], slice)} ORDER BY "createdAt" DESC, id DESC LIMIT ${limit}`
          return withinBytes(sql, rows, '"createdAt" DESC, id DESC')
        }
      })

      const requests = Effect.fn("Friends.requests")(function* (
        caller: UserId,
        direction: Direction,
        limit: number,
        after: PageCursor | undefined
      ) {
        const found = yield* findRequests({ caller, direction, ...pageSlice(limit, after) })
        const items = found.map((row) => new FriendRequest(Struct.omit(row, ["found"])))
        return pageOf(items, limit, ({ createdAt, id }) => ({ before: createdAt, id }), found[0]?.found)
      }, catchDatabaseErrors)

      /** One change between two people. If they become friends, they get a direct conversation. */
      const change = Effect.fnUntraced(function* <E>(
        caller: UserId,
        other: UserId,
        decide: (pair: Pair.Pair) => Effect.Effect<Pair.Transition | undefined, E>
      ) {
        const pair = yield* pairs.lock(caller, other)
        const move = yield* decide(pair)
        const request = yield* pairs.applyTransition(pair, move)
        if (move?.status === "accepted") yield* conversations.open(caller, other)
        return { move, request: request === null ? undefined : Pair.shown(pair, request) }
      }, inTransaction(sql))

      const noRequest = new NotFound({ detail: "There is no such request." })

      const ask = Effect.fn("Friends.ask")(function* (caller: UserId, { message, to }: NewRequest) {
        const other = yield* people.find(to)
        if (other === caller) {
          return yield* new ValidationFailed({
            errors: [{ path: ["payload", "to"], message: "must be somebody else" }]
          })
        }
        const { move, request } = yield* change(caller, other, (pair) =>
          Effect.tap(Pair.ask(pair, message ?? null), (move) =>
            move?._tag === "Ask" ? usage.spend(caller, "friendRequests") : Effect.void
          )
        )
        return request === undefined ? yield* noRequest : { request, created: move?._tag === "Ask" }
      }, catchDatabaseErrors)

      // By the primary key.
      const findOther = SqlSchema.findAll({
        Request: Schema.Struct({ caller: UserId, id: RequestId }),
        Result: Schema.Struct({ other: UserId }),
        execute: ({ caller, id }) => sql`
          SELECT CASE from_user_id WHEN ${caller} THEN to_user_id ELSE from_user_id END AS other FROM friend_requests
          WHERE id = ${id} AND (from_user_id = ${caller} OR to_user_id = ${caller})`
      })

      /** A change of a request that the caller sent or received. */
      const changeRequest = Effect.fnUntraced(function* <E>(
        caller: UserId,
        id: RequestId,
        decide: (pair: Pair.Pair) => Effect.Effect<Pair.Transition | undefined, E>
      ) {
        const [found] = yield* findOther({ caller, id })
        if (found === undefined) return yield* noRequest
        return (yield* change(caller, found.other, decide)).request
      })

      const answer = Effect.fn("Friends.answer")(function* (caller: UserId, id: RequestId, answer: RequestAnswer) {
        const request = yield* changeRequest(caller, id, (pair) => Pair.answer(pair, id, answer))
        return request ?? (yield* noRequest)
      }, catchDatabaseErrors)

      const withdraw = Effect.fn("Friends.withdraw")(
        (caller: UserId, id: RequestId) => Effect.asVoid(changeRequest(caller, id, (pair) => Pair.withdraw(pair, id))),
        catchDatabaseErrors
      )

      const remove = Effect.fn("Friends.remove")(
        (caller: UserId, other: UserId) =>
          Effect.asVoid(change(caller, other, (pair) => Effect.succeed(Pair.remove(pair)))),
        catchDatabaseErrors
      )

      return Friends.of({ list, remove, requests, ask, answer, withdraw })
    })
  )
}
