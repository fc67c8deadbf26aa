import { Context, type Effect } from "effect"
import { PrometheusMetrics } from "effect/observability"

/** The text of `/metrics`. One of several processes on a port answers for all of them. */
export const Exposition = Context.Reference<Effect.Effect<string>>("xfchat/operations/Exposition", {
  defaultValue: () => PrometheusMetrics.format()
})
