import type { SqlClient, Statement } from "effect/sql"
import { maxOutgoingRequests, maxPeopleListed, type Direction } from "../contract/Friend.ts"

const profile = `u.id, u.username, u.display_name AS "displayName", u.avatar_url AS "avatarUrl"`

/** A person's friends, as `Friend` decodes them. By friend_requests_from_user_id_idx and friend_requests_to_user_id_idx. */
export const friendsOf = (sql: SqlClient.SqlClient, user: string) => sql`
  SELECT ${sql.literal(profile)}, f.since FROM (
    SELECT to_user_id AS other, coalesce(responded_at, created_at) AS since FROM friend_requests
    WHERE from_user_id = ${user} AND status = 'accepted'
    UNION ALL
    SELECT from_user_id, coalesce(responded_at, created_at) FROM friend_requests
    WHERE to_user_id = ${user} AND status = 'accepted'
  ) f JOIN users u ON u.id = f.other AND u.deleted_at IS NULL`

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
      (SELECT to_jsonb(p) FROM (SELECT ${sql.literal(profile)}) p) AS user
    FROM friend_requests f JOIN users u ON u.id = f.${sql.literal(others)} AND u.deleted_at IS NULL
    WHERE f.${sql.literal(own)} = ${user} AND f.status IN (${sql.literal(statuses)})`
}

/** Those whom a person blocks, as `Block` decodes them. By the primary key of blocks. */
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
