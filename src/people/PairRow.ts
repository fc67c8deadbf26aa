/*
 * The SQL of what is between two people: `user` and `other` are expressions for ids.
 */

/** Whether a person blocks another one. By the primary key of blocks. */
export const blocks = (user: string, other: string): string =>
  `EXISTS (SELECT FROM blocks b WHERE b.blocker_id = ${user} AND b.blocked_id = ${other})`

/** Whether one of the two blocks the other. */
export const isBlockBetween = (user: string, other: string): string =>
  `(${blocks(user, other)} OR ${blocks(other, user)})`

/** The people whom a person blocks, as an array that is read once for each person. By the primary key of blocks. */
export const blockedBy = (user: string): string => `ARRAY(SELECT blocked_id FROM blocks WHERE blocker_id = ${user})`

/** The people who block a person, likewise. By blocks_blocked_id_idx. */
export const blockersOf = (user: string): string => `ARRAY(SELECT blocker_id FROM blocks WHERE blocked_id = ${user})`

/** Whether a row of friend_requests is that of the two. By friend_requests_pair_key. */
export const isOfPair = (user: string, other: string): string => `
  least(from_user_id, to_user_id) = least(${user}, ${other}) AND greatest(from_user_id, to_user_id) = greatest(${user}, ${other})`

export const areFriends = (user: string, other: string): string =>
  `EXISTS (SELECT FROM friend_requests WHERE ${isOfPair(user, other)} AND status = 'accepted')`

/**
 * A person's friends, as `id` and `since`. By friend_requests_from_user_id_idx and friend_requests_to_user_id_idx.
 */
export const friendshipsOf = (user: string): string => `
  SELECT to_user_id AS id, date_trunc('milliseconds', coalesce(responded_at, created_at)) AS since FROM friend_requests
  WHERE from_user_id = ${user} AND status = 'accepted'
  UNION ALL
  SELECT from_user_id, date_trunc('milliseconds', coalesce(responded_at, created_at)) FROM friend_requests
  WHERE to_user_id = ${user} AND status = 'accepted'`
