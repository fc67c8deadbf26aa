import { describe, expect, it } from "@effect/vitest"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/contract/index.ts"
import { generate } from "./generate.ts"

describe("src/client/operations.ts", () => {
  it("is what the server's OpenAPI document makes of it", async () => {
    // As a client receives the document: JSON.
    const document: unknown = JSON.parse(JSON.stringify(OpenApi.fromApi(Api)))
    await expect(generate(document as Readonly<Record<string, unknown>>)).toMatchFileSnapshot(
      "../../src/client/operations.ts"
    )
  })
})
