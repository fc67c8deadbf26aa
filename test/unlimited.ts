import { routeClasses } from "../src/contract/RouteClass.ts"

/** An environment in which nobody asks too much, however fast a test or a benchmark is. */
export const unlimited = Object.fromEntries(
  routeClasses.map((routeClass) => [`RATE_LIMIT_${routeClass.toUpperCase()}`, "none"])
)
