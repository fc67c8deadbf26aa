import { Effect, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { SchemaMissing, SchemaNotTrusted } from "./StartupError.ts"

/** A schema of the search path of our role, and what roles that are not trusted can do, or have done, in it. */
const Inspected = Schema.Struct({
  name: Schema.String,
  hasTables: Schema.Boolean,
  isPublic: Schema.Boolean,
  creators: Schema.Array(Schema.String),
  planted: Schema.Array(Schema.String)
})

/** A name as SQL takes it. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/**
 * Trusted are superusers, and members of the roles that can change our rows anyway: our own role, and the owners of the database,
 * of the schema and of the tables. A schema named as our role (`"$user"`) may be anybody's, so its owner is not trusted as such.
 */
const inspect = (sql: SqlClient.SqlClient) =>
  SqlSchema.findAll({
    Request: Schema.Array(Schema.String),
    Result: Inspected,
    execute: (path) => sql`
      WITH us AS (SELECT r.oid, r.rolname, d.oid AS database, d.datdba FROM pg_roles r, pg_database d
        WHERE r.rolname = current_user AND d.datname = current_database()),
      ours AS (
        SELECT n.oid, n.nspname, n.nspacl, p.number, us.database, h.oid IS NOT NULL AS has_tables,
          ARRAY[us.oid, us.datdba, n.nspowner, h.relowner] AS owners
        FROM us, unnest(${path}::text[]) WITH ORDINALITY AS p (name, number) JOIN pg_namespace n ON n.nspname = p.name
        LEFT JOIN LATERAL (SELECT c.oid, c.relowner FROM pg_class c WHERE c.relnamespace = n.oid
          AND c.relname IN ('schema_migrations', '_sqlx_migrations', 'chat_messages') LIMIT 1) h ON TRUE
        WHERE n.nspname !~ '^pg_' AND (n.nspname <> us.rolname OR n.nspowner = us.datdba OR pg_has_role(us.oid, n.nspowner, 'MEMBER')
          OR EXISTS (SELECT FROM pg_roles o WHERE o.oid = n.nspowner AND o.rolsuper))
      ),
      untrusted AS (
        SELECT o.oid AS schema, r.oid, r.rolname, r.rolcanlogin AND has_database_privilege(r.oid, o.database, 'CONNECT')
          AND has_schema_privilege(r.oid, o.oid, 'CREATE') AS creates
        FROM ours o, pg_roles r WHERE NOT r.rolsuper AND r.rolname !~ '^pg_' AND NOT EXISTS (
          SELECT FROM unnest(o.owners) AS owner (oid) WHERE owner.oid IS NOT NULL AND pg_has_role(r.oid, owner.oid, 'MEMBER'))
      )
      SELECT nspname::text AS name, has_tables AS "hasTables",
        EXISTS (SELECT FROM aclexplode(nspacl) a WHERE a.grantee = 0 AND a.privilege_type = 'CREATE') AS "isPublic",
        ARRAY(SELECT rolname::text FROM untrusted u WHERE u.schema = ours.oid AND creates ORDER BY rolname LIMIT 3) AS creators,
        ARRAY(
          SELECT format('function %s of role %I', p.oid::regprocedure, u.rolname)
          FROM pg_proc p JOIN untrusted u ON u.schema = p.pronamespace AND u.oid = p.proowner WHERE p.pronamespace = ours.oid
          UNION ALL
          SELECT format('operator %s of role %I', p.oid::regoperator, u.rolname)
          FROM pg_operator p JOIN untrusted u ON u.schema = p.oprnamespace AND u.oid = p.oprowner WHERE p.oprnamespace = ours.oid
          LIMIT 3) AS planted
      FROM ours ORDER BY has_tables DESC, number`
  })

/**
 * The schema of our tables: the first of the role's search path that has them, else the first of all. PostgreSQL prefers a function
 * or operator that fits the types better to its own, so a role that can create some in our schema could have us run its code, with
 * all our rights. Such a schema is refused. A pooler of transactions does not let us set the path, so there all schemas count.
 */
export const findSchema = Effect.fn("SearchPath.findSchema")(function* (pooler: "none" | "transaction") {
  const sql = yield* SqlClient.SqlClient
  const { found, path, role } = yield* sql.withTransaction(
    Effect.gen(function* () {
      // Nobody can create anything in pg_catalog. From the second statement on, nothing else is searched.
      const [first] = yield* sql<{ path: ReadonlyArray<string>; role: string }>`
        SELECT pg_catalog.current_schemas(false)::pg_catalog.text[] AS path, current_user::pg_catalog.text AS role`
      yield* sql`SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)`
      const { path, role } = first ?? { path: [], role: "" }
      return { path, role, found: yield* inspect(sql)(path) }
    })
  )
  const [schema] = found
  if (schema === undefined) return yield* new SchemaMissing({ role })
  for (const { creators, isPublic, name, planted } of pooler === "none" ? [schema] : found) {
    const [creator] = creators
    if (creator !== undefined) {
      return yield* new SchemaNotTrusted({
        schema: name,
        reason: `role ${creators.join(", ")} may create functions in it`,
        remedy: `REVOKE CREATE ON SCHEMA ${quoted(name)} FROM ${isPublic ? "PUBLIC" : quoted(creator)};`
      })
    }
    if (planted.length > 0) {
      return yield* new SchemaNotTrusted({
        schema: name,
        reason: `it has ${planted.join(", ")}`,
        remedy: "drop it, or give it to the owner of the schema."
      })
    }
  }
  const [shadow] = pooler === "none" ? [] : path.filter((name) => !found.some((one) => one.name === name))
  if (shadow !== undefined) {
    return yield* new SchemaNotTrusted({
      schema: shadow,
      reason: "it comes with the name of the role, and belongs to another role",
      remedy: `ALTER ROLE ${quoted(role)} SET search_path = ${quoted(schema.name)}, pg_temp;`
    })
  }
  return schema.name
})
