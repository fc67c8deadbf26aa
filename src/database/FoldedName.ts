/**
 * SQL for a username or an e-mail address as names are compared, by the indexes of `users`: the rule of `foldLogin`, whatever
 * the database's locale.
 */
export const folded = (column: string): string => `lower(${column} COLLATE "C")`
