import { Effect, Predicate } from "effect"
import { SqlClient } from "effect/sql"
import { TestServer, type TestUser } from "../../src/testing/index.ts"
import { nobody } from "../world.ts"
import { Model, type Act } from "./model.ts"

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** `undefined` for no body. */
  readonly body: unknown
}

/** The lines of several values. */
const linesOf = (values: ReadonlyArray<unknown>) => values.map((value) => `${JSON.stringify(value)}\n`).join("")

/** Sends a request as somebody, and gives the whole answer. A list is sent as lines, and comes as lines. */
export const call = Effect.fnUntraced(function* (
  { token }: Pick<TestUser, "token">,
  method: string,
  path: string,
  json?: unknown
) {
  const { baseUrl, fetch } = yield* TestServer
  const type = Array.isArray(json) ? "application/x-ndjson" : "application/json"
  return yield* Effect.promise(async (signal): Promise<Answer> => {
    const response = await fetch(`${baseUrl}/api${path}`, {
      method,
      signal,
      headers: { authorization: `Bearer ${token}`, "content-type": type },
      ...(json === undefined ? {} : { body: Array.isArray(json) ? linesOf(json) : JSON.stringify(json) })
    })
    const text = await response.text()
    const isLines = response.headers.get("content-type") === "application/x-ndjson"
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body:
        text === ""
          ? undefined
          : isLines
            ? text
                .trimEnd()
                .split("\n")
                .map((line) => JSON.parse(line))
            : JSON.parse(text)
    }
  })
})

/** The people of a model. */
export type Three = readonly [TestUser, TestUser, TestUser]

/** Lets nobody know anybody. */
export const strangers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DELETE FROM friend_requests`
  yield* sql`DELETE FROM blocks`
  yield* sql`DELETE FROM people_revisions`
  yield* sql`DELETE FROM conversations`
})

/** Does what people of a model do, and gives the answers. */
export const acting = (people: Three) => {
  const ids = new Map<string, string>()
  return Effect.fnUntraced(function* ({ by, deed, to }: Act) {
    const sql = yield* SqlClient.SqlClient
    const [user, other] = [people[by], people[to].id]
    const request = `/friends/requests/${ids.get(Model.pair(by, to)) ?? nobody}`
    switch (deed) {
      case "Ask": {
        const answer = yield* call(user, "POST", "/friends/requests", { to: other })
        if (Predicate.hasProperty(answer.body, "id")) ids.set(Model.pair(by, to), String(answer.body["id"]))
        return answer
      }
      case "Accept":
        return yield* call(user, "PUT", request, { status: "accepted" })
      case "Decline":
        return yield* call(user, "PUT", request, { status: "rejected" })
      case "Withdraw":
        return yield* call(user, "DELETE", request)
      case "Remove":
        return yield* call(user, "DELETE", `/friends/${other}`)
      case "Block":
        return yield* call(user, "PUT", `/friends/blocks/${other}`)
      case "Unblock":
        return yield* call(user, "DELETE", `/friends/blocks/${other}`)
      case "Time":
        yield* sql`
          UPDATE friend_requests SET responded_at = responded_at - interval '7 days'
          WHERE ${user.id} IN (from_user_id, to_user_id) AND ${other} IN (from_user_id, to_user_id)
            AND status IN ('rejected', 'ended')`
        return undefined
    }
  })
}
