import { Effect, Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { Api } from "../contract/Api.ts"
import { Health } from "./Health.ts"
import { ProcessMetricsLive } from "./ProcessMetrics.ts"

export const OperationsHttp = HttpApiBuilder.group(
  Api,
  "operations",
  Effect.fn(function* (handlers) {
    const health = yield* Health
    return handlers.handleAll({
      livez: () => Effect.succeed({ status: "alive" as const }),
      readyz: () => health.ready,
      metrics: () => PrometheusMetrics.format()
    })
  })
).pipe(Layer.provide(ProcessMetricsLive))
