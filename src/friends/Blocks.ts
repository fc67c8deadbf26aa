import { Context, Effect, Layer, Schema, Struct } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { LockWaits } from "../database/LockWaits.ts"
import { isAfterCursor, pageSlice, PageSlice, withinBytes } from "../database/PageSlice.ts"
import { inTransaction } from "../database/Transaction.ts"
import { Visibility } from "../messages/Visibility.ts"
import { pageOf, type Page, type PageCursor } from "../contract/Paging.ts"
import { ValidationFailed, type DatabaseUnavailable, type NotFound } from "../contract/Problem.ts"
import { Block } from "../contract/Friend.ts"
import { blocksOf } from "./FriendRows.ts"
import * as Pair from "../people/Pair.ts"
import { Pairs } from "../people/Pairs.ts"

/** The people whom a person has blocked. Only that person sees it: a blocked person gets the usual answers, and reaches nobody. */
export class Blocks extends Context.Service<
  Blocks,
  {
    /** Blocks a person. Ends the friendship and the requests between the two. */
    readonly block: (
      caller: UserId,
      other: UserId
    ) => Effect.Effect<void, NotFound | ValidationFailed | DatabaseUnavailable>
    /** Ends a block. The friendship and the requests that it ended stay ended. */
    readonly unblock: (caller: UserId, other: UserId) => Effect.Effect<void, DatabaseUnavailable>
    /** The people whom a person blocks, the latest first. */
    readonly list: (
      caller: UserId,
      limit: number,
      after: PageCursor | undefined
    ) => Effect.Effect<Page<Block>, DatabaseUnavailable>
    /** Everyone whom a person blocks. */
    readonly blockedBy: (user: UserId) => Effect.Effect<ReadonlyArray<UserId>, DatabaseUnavailable>
  }
>()("xfchat/friends/Blocks") {
  static readonly layer = Layer.effect(
    Blocks,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const pairs = yield* Pairs
      const visibility = yield* Visibility
      const waits = yield* LockWaits

      const block = Effect.fn("Blocks.block")(function* (caller: UserId, other: UserId) {
        if (caller === other) {
          return yield* new ValidationFailed({
            errors: [{ path: ["params", "userId"], message: "must be somebody else's id" }]
          })
        }
        const isNew = yield* Effect.gen(function* () {
          const pair = yield* pairs.lock(caller, other)
          if (pair.blocks) return false
          yield* sql`INSERT INTO blocks (blocker_id, blocked_id) VALUES (${caller}, ${other})`
          yield* visibility.change(caller)
          yield* pairs.applyTransition(pair, Pair.block(pair), [caller])
          return true
        }).pipe(inTransaction(sql), waits.bound("account", caller))
        if (isNew) yield* visibility.apply(caller)
      }, catchDatabaseErrors)

      const unblock = Effect.fn("Blocks.unblock")(function* (caller: UserId, other: UserId) {
        const isEnded = yield* Effect.gen(function* () {
          // By the primary key.
          const ended = yield* sql`
            DELETE FROM blocks WHERE blocker_id = ${caller} AND blocked_id = ${other} RETURNING blocked_id`
          if (ended.length === 0) return false
          yield* visibility.change(caller)
          yield* pairs.bumpRevisions([caller], [caller, other])
          return true
        }).pipe(inTransaction(sql), waits.bound("account", caller))
        if (isEnded) yield* visibility.apply(caller)
      }, catchDatabaseErrors)

      const find = SqlSchema.findAll({
        Request: Schema.Struct({ ...PageSlice, caller: UserId }),
        Result: Schema.Struct({ ...Block.fields, found: Schema.Int }),
        execute: ({ caller, limit, ...slice }) => {
          const rows = sql`
            SELECT * FROM (${blocksOf(sql, caller)}) blocks
            WHERE ${isAfterCursor(sql, ["since", "id"], slice)} ORDER BY since DESC, id DESC LIMIT ${limit}`
          return withinBytes(sql, rows, "since DESC, id DESC")
        }
      })

      const list = Effect.fn("Blocks.list")(function* (caller: UserId, limit: number, after: PageCursor | undefined) {
        const found = yield* find({ caller, ...pageSlice(limit, after) })
        const items = found.map((row) => new Block(Struct.omit(row, ["found"])))
        return pageOf(items, limit, ({ id, since }) => ({ before: since, id }), found[0]?.found)
      }, catchDatabaseErrors)

      // By the primary key.
      const findBlocked = SqlSchema.findAll({
        Request: UserId,
        Result: Schema.Struct({ id: UserId }),
        execute: (user) => sql`SELECT blocked_id AS id FROM blocks WHERE blocker_id = ${user}`
      })

      const blockedBy = Effect.fn("Blocks.blockedBy")(function* (user: UserId) {
        return (yield* findBlocked(user)).map(({ id }) => id)
      }, catchDatabaseErrors)

      return Blocks.of({ block, unblock, list, blockedBy })
    })
  )
}
