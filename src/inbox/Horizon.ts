import { Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { currentIncarnation } from "../contract/Incarnation.ts"

/*
 * How a copy of database rows is brought up to date, without a log of events and without a clock.
 *
 * PostgreSQL stamps each row with the transaction that wrote it (`xmin`), and numbers transactions in the order in which they
 * begin to write. They commit in any order, so "rows with a greater number than the last one seen" would miss the rows of a
 * transaction that began earlier and committed later. The rows that a read has seen are identified by the read's snapshot:
 * `next`, the first number that was not given out yet, and `running`, the lower numbers whose transactions had not ended.
 *
 * Given the snapshot of an earlier read, a row that is visible now was not visible then exactly if its transaction is
 * - `next` or later: it began after that read; or
 * - one of `running` that has ended since; or a subtransaction (a savepoint) of one of these. A snapshot does not list
 *   subtransactions, but each has a greater number than its parent.
 * So every such row has a number of at least
 *
 *     threshold = the lowest of `next` and those of `running` that have ended since.
 *
 * Reading all rows from the threshold on misses none. A transaction that stays open, also one in another database of the
 * server, is still running at the later read: it lowers no threshold, and repeats nothing.
 *
 * From the threshold up to `next` there are also rows that the earlier read has seen, of transactions that had committed by
 * then. It noted their numbers, `seen`. A transaction commits with all its rows and subtransactions at once: so a row that is
 * visible now was not visible then exactly if its number is at least the threshold and is none of `seen`. Nothing is repeated,
 * unless there were more of these numbers than a version holds.
 *
 * `xmin` has 32 bits, which begin again every 4 billion transactions; snapshots have 64. A visible row is older than the
 * snapshot that sees it, so its full number is the greatest one below the snapshot's end that has these 32 bits. A copy that
 * is 4 billion transactions old, or from another database whose numbers are greater than ours, is replaced as a whole.
 */

/** A transaction's number. */
const Transaction = Schema.Int.check(Schema.isGreaterThan(0))

/** Most running transactions that a horizon names: with more, `next` is the first that it does not name. */
export const mostRunning = 32

/** Most numbers in `seen`: the greatest ones, since lower ones are more rarely above the threshold. */
export const mostSeen = 64

/** The transactions that a read has seen: all below `next` except `running`, in ascending order. */
export const Horizon = Schema.Struct({
  next: Transaction,
  running: Schema.Array(Transaction).check(Schema.isMaxLength(mostRunning))
})
export type Horizon = typeof Horizon.Type

/** The full number of the transaction that wrote a row, by its `xmin`. Next to {@link snapshots}. */
export const writerOf = (sql: SqlClient.SqlClient, row: string): Statement.Fragment =>
  sql.literal(`(now.latest - ((now.latest - ${row}.xmin::text::bigint) & 4294967295))`)

/**
 * Two common table expressions of one row each: `now`, the statement's own snapshot as a {@link Horizon}, and `since`, the
 * `threshold` of an earlier one. It is NULL if everything has to be read, also because the earlier read was in another
 * incarnation of the database.
 */
export const snapshots = (
  sql: SqlClient.SqlClient,
  since: Horizon | undefined,
  incarnation: string | undefined
): Statement.Fragment => sql`
  now AS MATERIALIZED (
    SELECT latest, coalesce(running[${mostRunning + 1}], latest + 1) AS next, running[:${mostRunning}] AS running, snapshot
    FROM (
      SELECT pg_snapshot_xmax(s)::text::bigint - 1 AS latest, s AS snapshot, ARRAY(
        SELECT x::text::bigint FROM pg_snapshot_xip(s) AS x ORDER BY 1 LIMIT ${mostRunning + 1}) AS running
      FROM pg_current_snapshot() AS s
    ) s
  ), since AS MATERIALIZED (
    SELECT CASE WHEN s.next IS NOT NULL THEN (
        SELECT least(s.next, min(x)) FROM unnest(${since?.running ?? []}::bigint[]) AS x
        WHERE pg_visible_in_snapshot(x::text::xid8, now.snapshot)) END AS threshold
    FROM now LEFT JOIN (
      SELECT ${since?.next ?? null}::bigint AS next
    ) s ON s.next BETWEEN now.latest - 4294967294 AND now.latest + 1
      AND ${incarnation ?? null}::text = ${sql.literal(currentIncarnation)}
  )`
