import { Effect } from "effect"
import { TestServer, type TestUser } from "../../src/testing/index.ts"

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** `undefined` for no body. */
  readonly body: unknown
}

/** Sends a request as somebody, and gives the whole answer. */
export const call = Effect.fnUntraced(function* (
  { token }: Pick<TestUser, "token">,
  method: string,
  path: string,
  json?: unknown
) {
  const { baseUrl, fetch } = yield* TestServer
  return yield* Effect.promise(async (signal): Promise<Answer> => {
    const response = await fetch(`${baseUrl}/api${path}`, {
      method,
      signal,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(json === undefined ? {} : { body: JSON.stringify(json) })
    })
    const text = await response.text()
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: text === "" ? undefined : JSON.parse(text)
    }
  })
})
