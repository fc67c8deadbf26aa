import { Console, Effect } from "effect"

const step = 100_000

const formatted = (count: number) => count.toLocaleString("en")

/** Counts rows by table, and reports progress on standard error: at the end of each table, and in between in a long one. */
export const makeProgress = () => {
  const counts: Record<string, number> = {}
  const add = (table: string, rows: number) => {
    const before = counts[table] ?? 0
    const now = before + rows
    counts[table] = now
    return Math.floor(before / step) === Math.floor(now / step)
      ? Effect.void
      : Console.error(`${table}: ${formatted(now)} rows so far`)
  }
  const done = (table: string) => Console.error(`${table}: ${formatted(counts[table] ?? 0)} rows`)
  return { counts, add, done }
}
