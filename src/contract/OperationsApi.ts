import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { NotReady, Readiness } from "./Readiness.ts"

export class OperationsApi extends HttpApiGroup.make("operations")
  .add(
    HttpApiEndpoint.get("livez", "/livez", {
      success: Schema.Struct({ status: Schema.Literal("alive") })
    }).annotate(OpenApi.Description, "Whether the process answers at all. Asks nothing of the database."),
    HttpApiEndpoint.get("readyz", "/readyz", { success: Readiness, error: NotReady }).annotate(
      OpenApi.Description,
      "Whether to send requests here: the database answers, the schema is whole, changes travel between servers, and " +
        "this server is not about to stop. If not, what is wrong."
    ),
    HttpApiEndpoint.get("metrics", "/metrics", {
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" }))
    }).annotate(OpenApi.Description, "Counts and times, in Prometheus' text format.")
  )
  .annotateMerge(OpenApi.annotations({ title: "Operations" })) {}
