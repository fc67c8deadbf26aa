import type { SqlClient, Statement } from "effect/sql"
import { maxOutgoingRequests, maxPeopleListed, type Direction } from "../contract/Friend.ts"
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
  SELECT ${sql.literal(profile)}, b.created_at AS since
  FROM blocks b JOIN users u ON u.id = b.blocked_id AND u.deleted_at IS NULL
  WHERE b.blocker_id = ${user}`

/** All of these as one JSON value, as `Acquaintances` decodes it. */
export const peopleListsOf = (sql: SqlClient.SqlClient, user: string) => {
  const latest = (rows: Statement.Fragment, time: "since" | "createdAt", most: number) => sql`
    SELECT * FROM (${rows}) r ORDER BY ${sql(time)} DESC, id DESC LIMIT ${most}`
  const list = (rows: Statement.Fragment, time: "since" | "createdAt") => sql`
    (SELECT coalesce(jsonb_agg(to_jsonb(l) ORDER BY ${sql(time)} DESC, id DESC), '[]') FROM (${rows}) l)`
  const requests = (direction: Direction) => latest(requestsOf(sql, user, direction), "createdAt", maxOutgoingRequests)
  return sql`
    jsonb_build_object(
      'friends', ${list(latest(friendsOf(sql, user), "since", maxPeopleListed), "since")},
      'requests', ${list(sql`(${requests("incoming")}) UNION ALL (${requests("outgoing")})`, "createdAt")},
      'blocks', ${list(latest(blocksOf(sql, user), "since", maxPeopleListed), "since")})`
}
