import { quoted } from "./SearchPath.ts"

/** SQLSTATE: the role lacks a right. */
export const insufficientPrivilege = "42501"

/** The statement that lets a role use all tables, as a server does. */
export const grantTables = (schema: string, role: string): string =>
  `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${quoted(schema)} TO ${quoted(role)};`

/** The statement that gives a role what PostgreSQL refused to it, read from PostgreSQL's words. */
export const remedyFor = (refusal: string, role: string, schema: string): string => {
  const [, permission, right = ""] =
    /^permission denied for (schema|database|table|relation|sequence) (.+)$/.exec(refusal) ?? []
  const [, kind, owned = ""] = /^must be owner of (table|view|index|sequence|relation) (.+)$/.exec(refusal) ?? []
  switch (permission) {
    case "schema":
      return `GRANT USAGE, CREATE ON SCHEMA ${quoted(right)} TO ${quoted(role)};`
    case "database":
      return `GRANT CONNECT ON DATABASE ${right.startsWith('"') ? right : quoted(right)} TO ${quoted(role)};`
    case "table":
    case "relation":
      return grantTables(schema, role)
    case "sequence":
      return `GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${quoted(schema)} TO ${quoted(role)};`
  }
  return kind === undefined
    ? `give ${quoted(role)} this right`
    : `ALTER TABLE ${quoted(owned)} OWNER TO ${quoted(role)};`
}
