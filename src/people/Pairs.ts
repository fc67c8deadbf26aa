import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { NotFound } from "../contract/Problem.ts"
import { ChangeHint, ChangeBus } from "../changes/ChangeBus.ts"
import { blocks, isOfPair } from "./PairRow.ts"
import { profileJson } from "./ProfileRow.ts"
import { Pair, Request, seenBy, type Transition } from "./Pair.ts"

/** For how long another request to a person who declined does not reach them. */
const coolDown = "7 days"

/**
 * Reads and changes what is between two people, inside a transaction of the caller's. Changes that concern the same person
 * take turns, so that what was read still holds when it is written.
 */
export class Pairs extends Context.Service<
  Pairs,
  {
    /** Two people, locked for the rest of the transaction. Every caller locks two people in the same order. */
    readonly lock: (
      caller: UserId,
      other: UserId
    ) => Effect.Effect<Pair, NotFound | SqlError.SqlError | Schema.SchemaError>
    /** Locks people for the rest of the transaction. */
    readonly lockAll: (people: ReadonlyArray<UserId>) => Effect.Effect<void, SqlError.SqlError>
    /** Changes the request of a locked pair, and returns it. The people in `alsoSeenBy` see another change. */
    readonly applyTransition: (
      pair: Pair,
      applyTransition: Transition | undefined,
      alsoSeenBy?: ReadonlyArray<UserId>
    ) => Effect.Effect<Request | null, SqlError.SqlError | Schema.SchemaError>
    /** Increments the list revisions of `seenBy`, and after the commit notifies everyone in `concerns`. */
    readonly bumpRevisions: (
      seenBy: ReadonlyArray<UserId>,
      concerns: ReadonlyArray<UserId>
    ) => Effect.Effect<void, SqlError.SqlError>
  }
>()("xfchat/people/Pairs") {
  static readonly layer = Layer.effect(
    Pairs,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus

      // By the order of the keys, not of the people: two people may share one.
      const lockAll = (people: ReadonlyArray<UserId>) =>
        Effect.asVoid(sql`
          SELECT pg_advisory_xact_lock(key) FROM (
            SELECT DISTINCT hashtextextended('xfchat/friends/' || id, 0) AS key FROM unnest(${people}::text[]) AS id
            ORDER BY key
          ) keys`)

      const requestOf = (caller: string) => sql`
        jsonb_build_object('id', f.id, 'isOwn', f.from_user_id = ${caller}::uuid, 'status', f.status, 'message', f.message,
          'createdAt', f.created_at, 'isCooling', coalesce(f.responded_at > now() - ${coolDown}::interval, false))`

      // By the primary keys of users and blocks, friend_requests_pair_key and friend_requests_from_user_id_idx.
      const find = SqlSchema.findAll({
        Request: Schema.Struct({ caller: UserId, other: UserId }),
        Result: Pair,
        execute: ({ caller, other }) => sql`
          SELECT ${sql.literal(profileJson())} AS other,
            (SELECT ${requestOf(caller)} FROM friend_requests f
              WHERE ${sql.literal(isOfPair("me.id", "u.id"))}) AS request,
            ${sql.literal(blocks("me.id", "u.id"))} AS blocks, ${sql.literal(blocks("u.id", "me.id"))} AS "isBlocked",
            (SELECT count(*)::int FROM friend_requests
              WHERE from_user_id = ${caller} AND status IN ('pending', 'rejected')) AS outgoing
          FROM users u JOIN users me ON me.id = ${caller} AND me.deleted_at IS NULL
          WHERE u.id = ${other} AND u.deleted_at IS NULL`
      })

      const lock = Effect.fn("Pairs.lock")(function* (caller: UserId, other: UserId) {
        yield* lockAll([caller, other])
        const [pair] = yield* find({ caller, other })
        return pair === undefined ? yield* new NotFound({ detail: "There is no such user." }) : { ...pair, caller }
      })

      const Row = Schema.Struct({ request: Request })

      // By friend_requests_pair_key. Each asking has an id of its own; that the last one was declined stays known.
      const insert = SqlSchema.findAll({
        Request: Schema.Struct({
          caller: UserId,
          other: UserId,
          status: Schema.String,
          message: Schema.NullOr(Schema.String)
        }),
        Result: Row,
        execute: ({ caller, message, other, status }) => sql`
          INSERT INTO friend_requests AS f (id, from_user_id, to_user_id, status, message, created_at)
          VALUES (gen_random_uuid(), ${caller}, ${other}, ${status}, ${message}, date_trunc('milliseconds', statement_timestamp()))
          ON CONFLICT (least(from_user_id, to_user_id), greatest(from_user_id, to_user_id)) DO UPDATE
          SET id = excluded.id, from_user_id = excluded.from_user_id, to_user_id = excluded.to_user_id,
            status = excluded.status, message = excluded.message, created_at = excluded.created_at,
            responded_at = CASE WHEN f.from_user_id = excluded.from_user_id THEN f.responded_at END
          RETURNING ${requestOf(caller)} AS request`
      })

      // By the primary key.
      const update = SqlSchema.findAll({
        Request: Schema.Struct({
          caller: UserId,
          id: Schema.String,
          status: Schema.String,
          respondedAt: Schema.String
        }),
        Result: Row,
        execute: ({ caller, id, respondedAt, status }) => sql`
          UPDATE friend_requests f SET status = ${status},
            message = CASE WHEN ${status} <> 'ended' THEN message END,
            responded_at = CASE ${respondedAt} WHEN 'now' THEN date_trunc('milliseconds', statement_timestamp()) WHEN 'kept' THEN responded_at END
          WHERE id = ${id} RETURNING ${requestOf(caller)} AS request`
      })

      const applyTransition = Effect.fn("Pairs.applyTransition")(function* (
        pair: Pair,
        applyTransition: Transition | undefined,
        alsoSeenBy: ReadonlyArray<UserId> = []
      ) {
        const { caller, other, request } = pair
        const seen = [...alsoSeenBy, ...(applyTransition === undefined ? [] : seenBy(pair, applyTransition))]
        if (applyTransition !== undefined || seen.length > 0) yield* bumpRevisions(seen, [caller, other.id])
        if (applyTransition === undefined) return request
        const [row] =
          applyTransition._tag === "Ask"
            ? yield* insert({ caller, other: other.id, ...applyTransition })
            : request === null
              ? []
              : yield* update({ caller, id: request.id, ...applyTransition })
        return row?.request ?? null
      })

      const bumpRevisions = Effect.fn("Pairs.bumpRevisions")(function* (
        seenBy: ReadonlyArray<UserId>,
        concerns: ReadonlyArray<UserId>
      ) {
        // By the primary key, in its order, so that two transactions never wait for each other.
        yield* sql`
          INSERT INTO people_revisions AS p (user_id) SELECT DISTINCT id FROM unnest(${seenBy}::uuid[]) AS id ORDER BY id
          ON CONFLICT (user_id) DO UPDATE SET revision = p.revision + 1`
        yield* sql.afterCommit(bus.publish(concerns.map((userId) => ChangeHint.Person({ userId }))))
      })

      return Pairs.of({ lock, lockAll, applyTransition, bumpRevisions })
    })
  )
}
