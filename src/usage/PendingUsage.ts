import { DateTime } from "effect"
import type { UserId } from "../contract/Account.ts"
import { addTo, emptyTally, metrics, metricTypes, type Period, type Tally } from "../contract/Metric.ts"

/** An amount to add to a row of `usage_tracking`. Its period ends with the last day of the month. */
export interface UsageRow {
  readonly user: UserId
  readonly metricType: string
  readonly amount: number
  readonly periodStart: string
  readonly periodEnd: string
}

/** The first and the last day of a period, as in the table. */
export const daysOf = ({ end, start }: Period) => ({
  periodStart: DateTime.formatIsoDateUtc(start),
  periodEnd: DateTime.formatIsoDateUtc(DateTime.subtract(end, { days: 1 }))
})

/** Usage that has been counted and is not written yet, by month and user. */
export class PendingUsage {
  private readonly months = new Map<number, { readonly period: Period; readonly tallies: Map<UserId, Tally> }>()

  get isEmpty() {
    return this.months.size === 0
  }

  add(period: Period, user: UserId, amounts: Partial<Tally>) {
    const start = DateTime.toEpochMillis(period.start)
    let month = this.months.get(start)
    if (month === undefined) this.months.set(start, (month = { period, tallies: new Map() }))
    let tally = month.tallies.get(user)
    if (tally === undefined) month.tallies.set(user, (tally = emptyTally()))
    addTo(tally, amounts)
  }

  of({ start }: Period, user: UserId): Partial<Tally> {
    return this.months.get(DateTime.toEpochMillis(start))?.tallies.get(user) ?? {}
  }

  get rows(): ReadonlyArray<UsageRow> {
    const rows: Array<UsageRow> = []
    for (const { period, tallies } of this.months.values()) {
      const days = daysOf(period)
      for (const [user, tally] of tallies) {
        for (const metric of metrics) {
          const amount = tally[metric]
          if (amount > 0) rows.push({ user, metricType: metricTypes[metric], amount, ...days })
        }
      }
    }
    return rows
  }
}
