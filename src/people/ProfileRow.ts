/*
 * The SQL of a `Profile`: `user` is the alias of a row of `users`.
 */

export const profileColumns = (user = "u"): string =>
  `${user}.id, ${user}.username, ${user}.display_name AS "displayName", ${user}.avatar_url AS "avatarUrl"`

export const profileJson = (user = "u"): string => `
  jsonb_build_object('id', ${user}.id, 'username', ${user}.username, 'displayName', ${user}.display_name,
    'avatarUrl', ${user}.avatar_url)`
