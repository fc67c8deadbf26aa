import { Schema } from "effect"
import { routeClasses } from "./RouteClass.ts"
import { Counts, Period, quotas } from "./Metric.ts"

const Limit = Schema.NullOr(Schema.Int)

/** What a user has used this month, and how much they may; `null` where there is no limit. */
export const UsageReport = Schema.Struct({
  period: Period,
  counts: Counts,
  /** Of the whole month. */
  limits: Schema.Record(Schema.Literals(quotas), Limit),
  /** Requests of each class a minute. */
  rateLimits: Schema.Record(Schema.Literals(routeClasses), Limit)
}).annotate({ identifier: "UsageReport" })
export type UsageReport = typeof UsageReport.Type
