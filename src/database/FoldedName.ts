/**
 * SQL for a username or an e-mail address in the form in which names are compared. The indexes of `users` use it. It follows
 * the rule of `foldLogin`, whatever the database's locale.
 */
export const folded = (column: string): string => `lower(${column} COLLATE "C")`
