import { Console, Effect } from "effect"

const step = 100_000

const formatted = (count: number) => count.toLocaleString("en")

/** Counts rows by table, and reports progress on standard error: at the end of each table, and in between in a long one. */
export class Progress {
  private readonly byTable: Record<string, number> = {}

  get counts(): Readonly<Record<string, number>> {
    return this.byTable
  }

  add(table: string, rows: number): Effect.Effect<void> {
    const before = this.byTable[table] ?? 0
    const now = before + rows
    this.byTable[table] = now
    return Math.floor(before / step) === Math.floor(now / step)
      ? Effect.void
      : Console.error(`${table}: ${formatted(now)} rows so far`)
  }

  done(table: string): Effect.Effect<void> {
    return Console.error(`${table}: ${formatted(this.byTable[table] ?? 0)} rows`)
  }
}
