import { routeClasses } from "../src/contract/RouteClass.ts"

/** An environment without rate limits, for tests and benchmarks. */
export const unlimited = Object.fromEntries(
  routeClasses.map((routeClass) => [`RATE_LIMIT_${routeClass.toUpperCase()}`, "none"])
)
