import { Effect, Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { handlersLayer } from "../http/RequestContext.ts"
import { Exposition } from "./Exposition.ts"
import { Health } from "./Health.ts"
import { ProcessMetricsLive } from "./ProcessMetrics.ts"

export const OperationsHttp = Effect.gen(function* () {
  const health = yield* Health
  const exposition = yield* Exposition

  return HttpApiBuilder.group(Api, "operations", (handlers) =>
    handlers.handleAll({
      livez: () => Effect.succeed({ status: "alive" as const }),
      readyz: () => health.ready,
      metrics: () => exposition
    })
  )
}).pipe(handlersLayer, Layer.provide(ProcessMetricsLive))
