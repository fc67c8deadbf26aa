import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { described } from "./Description.ts"
import { NotReady, Readiness } from "./Readiness.ts"

export class OperationsApi extends HttpApiGroup.make("operations")
  .add(
    HttpApiEndpoint.get("livez", "/livez", {
      success: Schema.Struct({ status: Schema.Literal("alive").pipe(described("Always `alive`.")) })
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Check liveness",
        description: "Answers as long as the process runs. It does not use the database."
      })
    ),
    HttpApiEndpoint.get("readyz", "/readyz", { success: Readiness, error: NotReady }).annotateMerge(
      OpenApi.annotations({
        summary: "Check readiness",
        description:
          "Tells a load balancer whether to send requests here: the database answers, its schema is complete, changes reach " +
          "the other servers, and this server is not about to stop. A 503 says what is wrong."
      })
    ),
    HttpApiEndpoint.get("metrics", "/metrics", {
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" }))
    }).annotateMerge(
      OpenApi.annotations({ summary: "Read metrics", description: "Returns metrics in the text format of Prometheus." })
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "Operations", description: "For load balancers and for monitoring." })) {}
