import { Context, Effect, type Metric } from "effect"
import { HttpRouter } from "effect/http"
import * as Metrics from "../platform/Metrics.ts"

type Route = HttpRouter.Route<unknown, unknown>

/** The labels of requests that match no route. Their paths would make series without end. */
const elsewhere = { method: "*", path: "*" }

/**
 * Counts answers by route and status. Each series is created once and kept with its route, so that a request costs two
 * look-ups and no new object.
 */
export const makeRequestMetrics = Effect.map(Effect.context<never>(), (registry) => {
  const makeSeries = ({ method, path: route }: { readonly method: string; readonly path: string }) => ({
    time: Metrics.requestTime({ method, route }),
    byStatus: new Map<number, Metric.Counter<number>>(),
    counterOf: (status: number) => Metrics.requests({ method, route, status: String(status) })
  })
  const unmatched = makeSeries(elsewhere)
  const known = new WeakMap<Route, typeof unmatched>()

  const seriesOf = (context: Context.Context<never>) => {
    const matched = Context.getOrUndefined(context, HttpRouter.RouteContext)
    if (matched === undefined) return unmatched
    const route = matched.route
    let series = known.get(route)
    if (series === undefined) known.set(route, (series = makeSeries(route)))
    return series
  }

  /** `context` is the one in which the request ended; `started` is when it arrived, by `performance.now()`. */
  return (context: Context.Context<never>, status: number, started: number | undefined) => {
    const { byStatus, counterOf, time } = seriesOf(context)
    let counter = byStatus.get(status)
    if (counter === undefined) byStatus.set(status, (counter = counterOf(status)))
    counter.updateUnsafe(1, registry)
    if (started !== undefined) time.updateUnsafe((performance.now() - started) / 1_000, registry)
  }
})
