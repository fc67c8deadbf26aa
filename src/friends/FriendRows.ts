import type { SqlClient, Statement } from "effect/sql"
import { maxOutgoingRequests, maxPeopleListed, type Direction } from "../contract/Friend.ts"
import { withinBytes } from "../database/PageSlice.ts"
import { friendshipsOf } from "../people/PairRow.ts"
import { profileColumns, profileJson } from "../people/ProfileRow.ts"

const profile = profileColumns()

/** A person's friends, as `Friend` decodes them. By friend_requests_from_user_id_idx and friend_requests_to_user_id_idx. */
export const friendsOf = (sql: SqlClient.SqlClient, user: string) => sql`
  SELECT ${sql.literal(profile)}, f.since
  FROM (SELECT ${user}::uuid AS id) me, LATERAL (${sql.literal(friendshipsOf("me.id"))}) f
  JOIN users u ON u.id = f.id AND u.deleted_at IS NULL`

/**
 * The open requests that a person sees in one direction, as `FriendRequest` decodes them. By friend_requests_to_user_id_idx
 * or friend_requests_from_user_id_idx.
 */
export const requestsOf = (sql: SqlClient.SqlClient, user: string, direction: Direction) => {
  const [own, others, statuses] =
    direction === "incoming"
      ? ["to_user_id", "from_user_id", "'pending'"]
      : ["from_user_id", "to_user_id", "'pending', 'rejected'"]
  return sql`
    SELECT f.id, ${direction}::text AS direction, 'pending' AS status, f.message, f.created_at AS "createdAt",
      ${sql.literal(profileJson())} AS user
    FROM friend_requests f JOIN users u ON u.id = f.${sql.literal(others)} AND u.deleted_at IS NULL
    WHERE f.${sql.literal(own)} = ${user} AND f.status IN (${sql.literal(statuses)})`
}

/** The people whom a person blocks, as `Block` decodes them. By the primary key of blocks. */
export const blocksOf = (sql: SqlClient.SqlClient, user: string) => sql`
  SELECT ${sql.literal(profile)}, date_trunc('milliseconds', b.created_at) AS since
  FROM blocks b JOIN users u ON u.id = b.blocked_id AND u.deleted_at IS NULL
  WHERE b.blocker_id = ${user}`

/** All of these as one JSON value, as `PeopleLists` decodes it. */
export const peopleListsOf = (sql: SqlClient.SqlClient, user: string) => {
  // The latest rows within the bounds, and the cursor for the rest; see `Cursor`.
  const latest = (rows: Statement.Fragment, time: "since" | "createdAt", most: number) => {
    const order = `"${time}" DESC, id DESC`
    const found = sql`SELECT * FROM (${rows}) r ORDER BY ${sql.literal(order)} LIMIT ${most + 1}`
    return sql`(
      SELECT coalesce(jsonb_agg(item ORDER BY ${sql.literal(order)}), '[]') AS list,
        CASE WHEN max(found) > count(*) THEN
          (array_agg(floor(extract(epoch FROM ${sql(time)}) * 1000) || '_' || id ORDER BY ${sql(time)}, id))[1]
        END AS cursor
      FROM (SELECT * FROM (${withinBytes(sql, found, order)}) r ORDER BY ${sql.literal(order)} LIMIT ${most}) r)`
  }
  const requests = (direction: Direction) => latest(requestsOf(sql, user, direction), "createdAt", maxOutgoingRequests)
  return sql`(
    SELECT jsonb_build_object('friends', f.list, 'friendsCursor', f.cursor, 'requestsCursor', i.cursor,
      'requests', (
        SELECT coalesce(jsonb_agg(r ORDER BY (r->>'createdAt')::timestamptz DESC, r->>'id' DESC), '[]')
        FROM jsonb_array_elements(i.list || o.list) r),
      'blocks', b.list, 'blocksCursor', b.cursor)
    FROM ${latest(friendsOf(sql, user), "since", maxPeopleListed)} f, ${requests("incoming")} i,
      ${requests("outgoing")} o, ${latest(blocksOf(sql, user), "since", maxPeopleListed)} b)`
}
