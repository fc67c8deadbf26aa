import { Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { pageBytes, type PageCursor } from "../contract/Paging.ts"

/** The parameters of a statement that reads one page of a list, the newest item first. */
export const PageSlice = {
  limit: Schema.Int,
  before: Schema.NullOr(Schema.DateTimeUtcFromDate),
  id: Schema.NullOr(Schema.String)
}

/** One item more than a page has: it shows whether the list continues. */
export const pageSlice = (limit: number, after: PageCursor | undefined) => ({
  limit: limit + 1,
  before: after?.before ?? null,
  id: after?.id ?? null
})

/** Whether an item with this `time` and `item` id comes after the cursor of a slice, whose parameters are encoded. */
export const isAfterCursor = (
  sql: SqlClient.SqlClient,
  [time, item]: readonly [time: string, item: string],
  { before, id }: { readonly before: Date | null; readonly id: string | null }
): Statement.Fragment => sql`(${before}::timestamptz IS NULL
  OR (${sql.literal(time)}, ${sql.literal(item)}) < (${before}::timestamptz, ${id}::uuid))`

/**
 * The first of `rows` in an order, as far as they are within `bytes` as JSON, and one more: with `found`, the number of all
 * rows, and `item`, the row as JSON.
 */
export const withinBytes = (
  sql: SqlClient.SqlClient,
  rows: Statement.Fragment,
  order: string,
  bytes = pageBytes
) => sql`
  SELECT * FROM (
    SELECT *, (count(*) OVER ())::int AS found,
      sum(octet_length(item::text)) OVER (ORDER BY ${sql.literal(order)}) - octet_length(item::text) AS "bytesBefore"
    FROM (SELECT r.*, to_jsonb(r) AS item FROM (${rows}) r) r
  ) r WHERE "bytesBefore" < ${bytes}`
