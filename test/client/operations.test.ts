import { describe, expect, it } from "@effect/vitest"
import { OpenApi } from "effect/http-api"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { Api } from "../../src/contract/index.ts"
import { generate } from "./generate.ts"

const path = fileURLToPath(new URL("../../src/client/operations.ts", import.meta.url))

const withoutComments = (source: string) => source.replaceAll(/^ *\/\*\* .* \*\/\n/gm, "")

describe("src/client/operations.ts", () => {
  it("has the types and the routes of the server's OpenAPI document", async () => {
    // As a client receives the document: JSON.
    const document: unknown = JSON.parse(JSON.stringify(OpenApi.fromApi(Api)))
    const generated = generate(document as Readonly<Record<string, unknown>>)
    const current = await readFile(path, "utf8")
    // The new wording of a description breaks nobody: the file gets it with the next change of a type.
    const isCurrent = withoutComments(current) === withoutComments(generated)
    await expect(isCurrent ? current : generated).toMatchFileSnapshot(path)
  })
})
