import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Authorization } from "./AuthApi.ts"
import { UsageReport } from "./UsageReport.ts"

export class UsageApi extends HttpApiGroup.make("usage")
  .add(
    HttpApiEndpoint.get("usage", "/usage", { success: UsageReport }).annotate(
      OpenApi.Description,
      "What the user has used in this calendar month (UTC), and how much they may."
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(OpenApi.annotations({ title: "Usage" })) {}
