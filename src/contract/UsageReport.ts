import { Schema } from "effect"
import { described } from "./Description.ts"
import { Counts, Period, quotas } from "./Metric.ts"
import { routeClasses } from "./RouteClass.ts"

const Limit = Schema.NullOr(Schema.Int)

/** A user's usage in this month and their limits; `null` means no limit. */
export const UsageReport = Schema.Struct({
  period: Period.pipe(described("The calendar month, in UTC.")),
  counts: Counts.pipe(described("The usage so far in this month.")),
  limits: Schema.Record(Schema.Literals(quotas), Limit.pipe(described("The limit per month; `null` means none."))).pipe(
    described("The quotas of the whole month.")
  ),
  rateLimits: Schema.Record(
    Schema.Literals(routeClasses),
    Limit.pipe(described("The requests per minute; `null` means no limit."))
  ).pipe(described("The limits of each class of routes."))
}).annotate({ identifier: "UsageReport" })
export type UsageReport = typeof UsageReport.Type
