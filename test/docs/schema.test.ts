import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { TestDatabase } from "../../src/testing/index.ts"

const heading = `-- The schema, as the migrations make it: docs/schema.sql is generated, so change it by a migration and then run
--   npx vitest run test/docs/schema.test.ts -u
`

/** Every table with its columns, constraints and indexes, then views, functions and triggers, as PostgreSQL prints them. */
const describeSchema = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ definition: string }>`
    WITH own AS (
      SELECT oid, relname, relkind FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
    ), parts AS (
      SELECT c.relname, a.attnum::int AS place, format('  %I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attgenerated = 's' THEN format(' GENERATED ALWAYS AS (%s) STORED', pg_get_expr(d.adbin, d.adrelid))
          WHEN a.attidentity <> '' THEN ' GENERATED ' || CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END || ' AS IDENTITY'
          ELSE coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') END,
        CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END, '') AS line
      FROM own c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
      WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
      SELECT c.relname, 10000 + row_number() OVER (
          PARTITION BY c.oid ORDER BY position(k.contype::text in 'puxfc'), k.conname COLLATE "C")::int,
        format('  CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid))
      FROM own c JOIN pg_constraint k ON k.conrelid = c.oid WHERE c.relkind IN ('r', 'p') AND k.contype <> 'n'
    )
    SELECT definition FROM (
      SELECT relname AS about, 1 AS kind, relname AS name,
        format(E'CREATE TABLE %I (\n%s\n);', relname, string_agg(line, E',\n' ORDER BY place)) AS definition
      FROM parts GROUP BY relname
      UNION ALL
      SELECT c.relname, 2, i.relname, pg_get_indexdef(i.oid) || ';'
      FROM own c JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid
      WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
      UNION ALL
      SELECT c.relname, 3, t.tgname, pg_get_triggerdef(t.oid) || ';'
      FROM own c JOIN pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal
      UNION ALL
      SELECT relname, 4, relname, format(E'CREATE VIEW %I AS\n%s', relname, pg_get_viewdef(oid, true)) FROM own WHERE relkind = 'v'
      UNION ALL
      SELECT '~', 5, proname, pg_get_functiondef(oid) || ';' FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ) d ORDER BY about COLLATE "C", kind, name COLLATE "C"`
  return [heading, ...rows.map(({ definition }) => `${definition}\n`)].join("\n")
})

describe("docs/schema.sql", () => {
  it.effect("is what the migrations make", () =>
    Effect.gen(function* () {
      const schema = yield* describeSchema
      yield* Effect.promise(() => expect(schema).toMatchFileSnapshot("../../docs/schema.sql"))
    }).pipe(Effect.provide(TestDatabase.layer))
  )
})
