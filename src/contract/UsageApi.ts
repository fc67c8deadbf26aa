import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Authorization } from "./AuthApi.ts"
import { UsageReport } from "./UsageReport.ts"

export class UsageApi extends HttpApiGroup.make("usage")
  .add(
    HttpApiEndpoint.get("usage", "/usage", { success: UsageReport }).annotateMerge(
      OpenApi.annotations({
        summary: "See your usage",
        description: "Returns the user's usage in this calendar month (UTC), and their limits."
      })
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(OpenApi.annotations({ title: "Usage", description: "Counts and limits of the current month." })) {}
