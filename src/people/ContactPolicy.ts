import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { areFriends, isBlockBetween } from "./PairRow.ts"

/** The contacts that a person allows somebody to start with them. */
export interface Reach {
  /** To open a direct conversation: the person allows it to everyone, to friends or to nobody. */
  readonly direct: boolean
  /** To add them to a group: friends may always, others only if everyone may open a direct conversation. */
  readonly group: boolean
}

/**
 * The contacts that a person may start with others. Two people of whom one blocks the other count as strangers who accept nothing, so
 * that a refusal does not reveal the block.
 */
export class ContactPolicy extends Context.Service<
  ContactPolicy,
  {
    /** For each of some people who is there. */
    readonly of: (
      caller: UserId,
      people: ReadonlyArray<UserId>
    ) => Effect.Effect<ReadonlyMap<UserId, Reach>, DatabaseUnavailable>
  }
>()("xfchat/people/ContactPolicy") {
  static readonly layer = Layer.effect(
    ContactPolicy,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      // By the primary keys of users and blocks, and friend_requests_pair_key.
      const find = SqlSchema.findAll({
        Request: Schema.Struct({ caller: UserId, people: Schema.Array(UserId) }),
        Result: Schema.Struct({ id: UserId, direct: Schema.Boolean, group: Schema.Boolean }),
        execute: ({ caller, people }) => sql`
          SELECT u.id,
            NOT is_blocked AND (direct_messages_from = 'everyone' OR direct_messages_from = 'friends' AND is_friend) AS direct,
            NOT is_blocked AND (direct_messages_from = 'everyone' OR is_friend) AS "group"
          FROM users u, (SELECT ${caller}::uuid AS id) me, LATERAL (
            SELECT
              ${sql.literal(isBlockBetween("me.id", "u.id"))} AS is_blocked, ${sql.literal(areFriends("me.id", "u.id"))} AS is_friend
          ) known
          WHERE u.id = ANY(${people}::uuid[]) AND u.deleted_at IS NULL`
      })

      const of = Effect.fn("ContactPolicy.check")(function* (caller: UserId, people: ReadonlyArray<UserId>) {
        const found = yield* find({ caller, people })
        return new Map(found.map(({ id, ...reach }) => [id, reach]))
      }, catchDatabaseErrors)

      return ContactPolicy.of({ of })
    })
  )
}
